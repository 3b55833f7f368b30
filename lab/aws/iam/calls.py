"""What a request to the API asks for: service, operation, parameters, and whose key signed it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote
from wsgiref.types import WSGIEnvironment

import cbor2

_CREDENTIAL: Final = re.compile(
    r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request"
)
# Names in signatures that differ from those in policies.
PREFIXES: Final = {"monitoring": "cloudwatch"}
CBOR: Final = "rpc-v2-cbor"
_S3: Final = re.compile(r"^(?P<bucket>[a-z0-9.-]+)\.s3[.-]")


@dataclass(frozen=True)
class Call:
    """One request. `protocol` is that of its errors: ec2, query, json, compatible, cbor, rest.

    `compatible` is JSON of a service that once spoke the query protocol, and keeps its codes.
    """

    service: str  # as in policies: ec2, cloudwatch
    operation: str  # as in the API: DescribeInstances
    region: str
    protocol: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> str:
        return f"{self.service}:{self.operation}"

    def text(self, name: str) -> str:
        """A parameter as text; "" when it is absent."""
        value = self.parameters.get(name)
        return "" if value is None else str(value)

    def listed(self, name: str) -> Iterator[str]:
        """`NAME.1`, `NAME.2`, ... of the query protocols."""
        number = 1
        while (value := self.parameters.get(f"{name}.{number}")) is not None:
            yield str(value)
            number += 1

    def tags(self) -> dict[str, str | None]:
        """`Tag.1.Key` and `Tag.1.Value` of EC2; None for a key without a value."""
        return {
            str(value): self.parameters.get(name.removesuffix("Key") + "Value")
            for name, value in self.parameters.items()
            if re.fullmatch(r"Tag\.\d+\.Key", name)
        }


@dataclass(frozen=True)
class Signature:
    """What a signature says of itself."""

    key: str
    region: str
    service: str
    token: str

    @classmethod
    def of(cls, environ: WSGIEnvironment) -> Signature | None:
        """None when the request is not signed."""
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if found is None:
            return None
        key, region, service = found.groups()
        return cls(key, region, service, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))


def read(environ: WSGIEnvironment, signature: Signature) -> Call:
    """The call of a signed request, whose body stays readable. Raises `ValueError`."""
    service = PREFIXES.get(signature.service, signature.service)
    path = unquote(environ.get("PATH_INFO", "/"))
    if service == "s3":
        return _s3(environ, path, signature.region)
    body = _body(environ)
    if environ.get("HTTP_SMITHY_PROTOCOL") == CBOR:
        parameters = cbor2.loads(body) if body else {}
        return Call(service, path.rsplit("/", 1)[1], signature.region, "cbor", parameters)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        operation = target.rpartition(".")[2]
        protocol = "compatible" if service == "cloudwatch" else "json"
        return Call(service, operation, signature.region, protocol, json.loads(body or b"{}"))
    fields = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        fields |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    if "Action" in fields:
        protocol = "ec2" if service == "ec2" else "query"
        return Call(service, fields.pop("Action"), signature.region, protocol, fields)
    return Call(service, f"{environ['REQUEST_METHOD']} {path}", signature.region, "json")


def _s3(environ: WSGIEnvironment, path: str, region: str) -> Call:
    """Bucket and object, named by the host or by the path; the operations that we know of."""
    host = _S3.match(environ.get("HTTP_HOST", ""))
    bucket, _, key = (
        (host["bucket"], "", path.lstrip("/")) if host else path.lstrip("/").partition("/")
    )
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    method = environ["REQUEST_METHOD"]
    if key and not set(query) - {"x-id", "versionId", "response-content-type"}:
        operation = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}.get(method)
    elif not key and method == "GET" and "list-type" in query:
        operation = "ListObjectsV2"
    elif not key and method == "GET" and "versions" in query:
        operation = "ListObjectVersions"
    else:
        operation = None
    name = operation or f"{method} {path}?{environ.get('QUERY_STRING', '')}"
    parameters = {"Bucket": bucket, "Key": key} | {
        name: query[field]
        for field, name in (("prefix", "Prefix"), ("versionId", "VersionId"))
        if field in query
    }
    return Call("s3", name, region, "rest", parameters)


def _body(environ: WSGIEnvironment) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    return body
