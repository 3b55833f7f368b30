"""Parts of the OpenAPI documents that FastAPI cannot derive from signatures."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Part = dict[str, Any]

_MEANINGS = {
    400: "tenant_uuid is missing",
    401: "no valid key or token",
    403: "of another tenant",
    404: "no such object, or not visible",
    409: "a value that must be unique exists already",
    422: "the body is not valid",
    413: "the body is too large",
    503: "not available now; another instance may be",
}


def responses(*codes: int) -> dict[int | str, Part]:
    """What these status codes mean, for the argument `responses` of a route."""
    return {code: {"description": _MEANINGS[code]} for code in codes}


def body(model: type[BaseModel]) -> Part:
    """A JSON body, for `openapi_extra` of a route that reads the request itself."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
