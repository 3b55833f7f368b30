"""AWS's errors for calls that are not allowed, in the form of each protocol."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from wsgiref.types import StartResponse
from xml.sax.saxutils import escape

import cbor2

from lab.aws.iam.evaluation import Decision, Principal
from lab.aws.iam.needs import Need

QUERY, EC2, JSON, COMPATIBLE, CBOR, REST = "query", "ec2", "json", "compatible", "cbor", "rest"


@dataclass(frozen=True)
class Refusal:
    """An error: its code by protocol, or the one of `query`; HTTP status likewise; and its text."""

    codes: Mapping[str, str]
    message: str
    statuses: Mapping[str, str]

    def code(self, protocol: str) -> str:
        return self.codes.get(protocol, self.codes[QUERY])

    def answer(self, protocol: str, start: StartResponse) -> Iterable[bytes]:
        """Send the error as a service with that protocol does."""
        request, code = str(uuid.uuid4()), self.code(protocol)
        kind, body = _FORMS[protocol](code, self.message, request)
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", request),
        ]
        if protocol == CBOR:
            headers.append(("Smithy-Protocol", "rpc-v2-cbor"))
        if protocol in (CBOR, COMPATIBLE):  # an SDK shows the code of the query protocol
            headers.append(("x-amzn-query-error", f"{self.codes[QUERY]};Sender"))
        start(self.statuses.get(protocol, self.statuses[QUERY]), headers)
        return [body]


_DENIED: Final = {
    QUERY: "AccessDenied",
    EC2: "UnauthorizedOperation",
    JSON: "AccessDeniedException",
    COMPATIBLE: "AccessDeniedException",
    CBOR: "AccessDeniedException",
    REST: "AccessDenied",
}
_FORBIDDEN: Final = {QUERY: "403 Forbidden", JSON: "400 Bad Request", CBOR: "403 Forbidden"}


def denied(principal: Principal, need: Need, decision: Decision) -> Refusal:
    """The error of a need that is not allowed."""
    if need.via.startswith("secretsmanager."):
        return Refusal(_DENIED, "Access to KMS is not allowed", _FORBIDDEN)
    on = "" if need.resource == "*" else f" on resource: {need.resource}"
    text = f"User: {principal.arn} is not authorized to perform: {need.action}{on}"
    return Refusal(_DENIED, f"{text} {decision.reason}", _FORBIDDEN)


def unmapped(principal: Principal, action: str) -> Refusal:
    """The error of a call that `needs.NEEDS` does not have."""
    text = (
        f"User: {principal.arn} is not authorized to perform: {action} "
        "because the local cloud does not know which permissions that takes (lab/aws/iam/needs.py)"
    )
    return Refusal(_DENIED, text, _FORBIDDEN)


INVALID_CREDENTIALS: Final = Refusal(
    {
        QUERY: "InvalidClientTokenId",
        EC2: "AuthFailure",
        JSON: "UnrecognizedClientException",
        REST: "InvalidToken",
    },
    "The security token included in the request is invalid.",
    {QUERY: "403 Forbidden", EC2: "401 Unauthorized", JSON: "400 Bad Request"},
)
NOT_SIGNED: Final = Refusal(
    {QUERY: "MissingAuthenticationToken"},
    "Request is missing Authentication Token",
    {QUERY: "403 Forbidden"},
)


def _xml(code: str, message: str, request: str) -> tuple[str, bytes]:
    text = (
        '<ErrorResponse xmlns="https://aws.amazon.com/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{request}</RequestId></ErrorResponse>"
    )
    return "text/xml", text.encode()


def _ec2(code: str, message: str, request: str) -> tuple[str, bytes]:
    if code == _DENIED[EC2]:
        message = f"You are not authorized to perform this operation. {message}"
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{request}</RequestID></Response>"
    )
    return "text/xml;charset=UTF-8", text.encode()


def _rest(code: str, message: str, request: str) -> tuple[str, bytes]:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{request}</RequestId></Error>"
    )
    return "application/xml", text.encode()


def _json(code: str, message: str, _request: str) -> tuple[str, bytes]:
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "Message": message}).encode()


def _cbor(code: str, message: str, _request: str) -> tuple[str, bytes]:
    return "application/cbor", cbor2.dumps({"__type": code, "message": message})


_FORMS: Final = {QUERY: _xml, EC2: _ec2, REST: _rest, JSON: _json, COMPATIBLE: _json, CBOR: _cbor}
