"""Do the SBCs learn who may call, and only what is true?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from agent.consul.service_discovery import HealthyInstances, elect
from agent.errors import AgentError
from agent.kamailio.provisioned_sources import (
    CONFIRM_S,
    MAX_ADDRESSES,
    PATH,
    VALID_S,
    ProvisionedSources,
)

KEY = "c4/acme/sources"
ROUTERS = frozenset({"10.40.64.1", "10.40.80.2"})
PUBLISHER = elect(KEY, ROUTERS)
NOW = 1_790_000_000.0


class Confd:
    """A server that answers as router-confd does, on loopback."""

    def __init__(self) -> None:
        self.status = 200
        self.addresses: list[str] = ["198.51.100.20", "198.51.100.3", "198.51.100.20"]
        confd = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = {"sources": [{"address": a, "kind": "ipbx"} for a in confd.addresses]}
                data = json.dumps(body).encode()
                self.send_response(confd.status if self.path == PATH else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


class Store:
    """Consul's keys, and how often one was written."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    def put(self, key: str, value: str) -> None:
        self.writes += 1
        self.values[key] = value

    @property
    def value(self) -> Any:
        return json.loads(self.values[KEY])


@pytest.fixture
def confd() -> Iterator[Confd]:
    made = Confd()
    threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def sources(
    router_confds: tuple[str, ...], store: Store, *, own: str = PUBLISHER, now: float = NOW
) -> ProvisionedSources:
    healthy = HealthyInstances(ROUTERS, frozenset(), router_confds)
    return ProvisionedSources(own, KEY, lambda: healthy, store, lambda: now)


def test_addresses_are_published_sorted_and_once_each(confd: Confd) -> None:
    store = Store()
    sources((confd.url,), store).run()
    assert store.value == {
        "until": str(int(NOW) + VALID_S),
        "addresses": ["198.51.100.3", "198.51.100.20"],
    }


def test_one_router_publishes(confd: Confd) -> None:
    store = Store()
    (other,) = ROUTERS - {PUBLISHER}
    sources((confd.url,), store, own=other).run()
    sources((confd.url,), store, own="10.40.64.99").run()  # not in service
    assert store.writes == 0


def test_it_writes_when_something_changed_and_once_a_minute(confd: Confd) -> None:
    store = Store()
    for now, writes in ((0, 1), (5, 1), (CONFIRM_S - 1, 1), (CONFIRM_S + 1, 2), (CONFIRM_S + 6, 2)):
        sources((confd.url,), store, now=NOW + now).run()
        assert store.writes == writes, now
    confd.addresses.append("198.51.100.4")
    sources((confd.url,), store, now=NOW + CONFIRM_S + 11).run()
    assert store.value["addresses"] == ["198.51.100.3", "198.51.100.4", "198.51.100.20"]


def test_another_router_confd_is_asked(confd: Confd) -> None:
    store = Store()
    sources(("http://127.0.0.1:9", confd.url), store).run()
    assert store.writes == 1


@pytest.mark.parametrize("status", [500, 503, 404])
def test_no_answer_leaves_the_list(confd: Confd, status: int) -> None:
    store = Store()
    sources((confd.url,), store).run()
    confd.status = status
    with pytest.raises(AgentError, match="sources: "):
        sources((confd.url,), store, now=NOW + 600).run()
    assert store.writes == 1


def test_what_is_no_address_is_left_out(confd: Confd) -> None:
    store = Store()
    confd.addresses = ["carrier.example", "2001:db8::1", "198.51.100.3", "1:2:3\n9:until:0:0:9:0"]
    sources((confd.url,), store).run()
    assert store.value["addresses"] == ["198.51.100.3"]


def test_more_than_a_key_holds_is_no_list(confd: Confd) -> None:
    store = Store()
    confd.addresses = [f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}" for i in range(MAX_ADDRESSES + 1)]
    sources((confd.url,), store).run()
    assert store.value["addresses"] == []


@pytest.mark.parametrize("value", ["", "nonsense", "[]", '{"until": "x", "addresses": []}'])
def test_what_others_wrote_there_is_replaced(confd: Confd, value: str) -> None:
    store = Store()
    store.values[KEY] = value
    sources((confd.url,), store).run()
    assert len(store.value["addresses"]) == 2
