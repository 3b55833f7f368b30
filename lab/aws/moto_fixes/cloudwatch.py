"""CloudWatch for newer SDKs, which use CBOR; moto supports the query and JSON protocols only.

A request is translated to the same call of boto3, which is sent to moto itself.

Upstream: getmoto/moto#9195, which says that CBOR is not planned.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import cbor2
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError

CONTENT_TYPE = "application/cbor"
PROTOCOL = "rpc-v2-cbor"


def with_cbor(inner: WSGIApplication, client: Callable[[str], Any]) -> WSGIApplication:
    """`inner`, with CBOR calls answered by `client(region)`, a boto3 CloudWatch client."""

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_SMITHY_PROTOCOL") != PROTOCOL:
            return inner(environ, start)
        operation = environ["PATH_INFO"].rsplit("/", 1)[1]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, answer = _call(client(_region(environ)), operation, body)
        encoded = cbor2.dumps(answer, datetime_as_timestamp=True, timezone=datetime.UTC)
        headers = [("Smithy-Protocol", PROTOCOL), ("Content-Type", CONTENT_TYPE)]
        start(status, [*headers, ("Content-Length", str(len(encoded)))])
        return [encoded]

    return application


def _call(client: Any, operation: str, body: bytes) -> tuple[str, dict[str, Any]]:
    try:
        answer = getattr(client, xform_name(operation))(**(cbor2.loads(body) if body else {}))
    except ClientError as error:
        details = error.response["Error"]
        return "400 Bad Request", {"__type": details["Code"], "message": details["Message"]}
    except (ParamValidationError, AttributeError, TypeError) as error:
        return "400 Bad Request", {"__type": "ValidationError", "message": str(error)}
    answer.pop("ResponseMetadata", None)
    return "200 OK", answer


def _region(environ: WSGIEnvironment) -> str:
    """The region in the signature's credential scope: KEY/DATE/REGION/SERVICE/aws4_request."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 4 else "us-east-1"
