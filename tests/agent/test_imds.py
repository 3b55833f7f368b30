"""Does the agent use the metadata service as EC2 requires: version 2 only?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.aws.imds import Imds
from agent.errors import AgentError


class MetadataService(ThreadingHTTPServer):
    """Answers only to a token that it gave, like EC2 with IMDSv2 required."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tokens: list[str] = []
        self.status = 200
        self.keys = {"autoscaling/target-lifecycle-state": "InService"}


class _Handler(BaseHTTPRequestHandler):
    server: MetadataService

    def do_PUT(self) -> None:
        assert self.path == "/latest/api/token"
        assert int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
        self.server.tokens.append(f"token-{len(self.server.tokens)}")
        self._answer(200, self.server.tokens[-1])

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != (self.server.tokens or [""])[-1]:
            return self._answer(401, "")
        key = self.path.removeprefix("/latest/meta-data/")
        if self.server.status != 200:
            return self._answer(self.server.status, "")
        if key not in self.server.keys:
            return self._answer(404, "")
        return self._answer(200, self.server.keys[key])

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service() -> Iterator[MetadataService]:
    server = MetadataService()
    thread = threading.Thread(target=lambda: server.serve_forever(0.02))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _imds(service: MetadataService, clock: Clock | None = None) -> Imds:
    return Imds("127.0.0.1", service.server_address[1], clock or Clock())


def test_a_key_is_read_with_one_token_for_many_reads(service: MetadataService) -> None:
    imds = _imds(service)
    for _ in range(3):
        assert imds.get("autoscaling/target-lifecycle-state") == "InService"
    assert len(service.tokens) == 1


def test_an_absent_key_is_none(service: MetadataService) -> None:
    assert _imds(service).get("spot/instance-action") is None


def test_the_token_is_renewed_before_it_expires(service: MetadataService) -> None:
    clock = Clock()
    imds = _imds(service, clock)
    imds.get("spot/instance-action")
    clock.now = 21_599.0
    imds.get("spot/instance-action")
    assert len(service.tokens) == 2


def test_a_token_that_the_service_forgot_is_replaced(service: MetadataService) -> None:
    imds = _imds(service)
    imds.get("spot/instance-action")
    service.tokens.append("after-a-restart")
    assert imds.get("autoscaling/target-lifecycle-state") == "InService"


def test_a_broken_service_is_an_error_of_one_line(service: MetadataService) -> None:
    service.status = 500
    with pytest.raises(AgentError, match="spot/instance-action: status 500"):
        _imds(service).get("spot/instance-action")


def test_no_service_is_an_error_of_one_line() -> None:
    with pytest.raises(AgentError, match="instance metadata"):
        Imds("127.0.0.1", 1).get("mac")
