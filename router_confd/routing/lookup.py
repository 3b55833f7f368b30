"""Answers a routing request: who calls, where the call goes, and which limits count for it."""

from __future__ import annotations

import time

from prometheus_client import Counter, Histogram
from pydantic_core import to_json

from router_confd.auth.kamailio import authenticate
from router_confd.container import Service
from router_confd.resources.schemas.kamailio import AuthReply, RoutingRequest
from router_confd.routing import limits
from router_confd.routing.reply import RtJson
from router_confd.routing.route import route

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
_total = Counter(
    "router_confd_routing", "Routing requests by outcome: routed, unknown, refused", ["outcome"]
)
_by_outcome = {outcome: _total.labels(outcome) for outcome in ("routed", "unknown", "refused")}
_seconds = Histogram(
    "router_confd_routing_seconds", "Seconds to decide where a call goes", buckets=_BUCKETS
)


def answer(service: Service, request: RoutingRequest) -> bytes:
    """The reply as JSON, in the shape of the schema `RoutingReply`. Raises Stale.

    `limits` is opt-in: only for a caller who is authenticated, and when the request has a
    `request_uri`.
    """
    started = time.perf_counter()
    directory = service.sync.directory()
    auth = authenticate(directory, service.vault, request) if request.auth else None
    rtjson = route(directory, service.vault, request, auth)
    _seconds.observe(time.perf_counter() - started)
    _by_outcome[_outcome(auth, rtjson)].inc()
    reply: dict[str, object] = {"auth": auth, "rtjson": rtjson}
    if request.request_uri and auth is not None and auth.success:
        reply["limits"] = limits.of_source(directory, auth)
    return to_json(reply)


def _outcome(auth: AuthReply | None, rtjson: RtJson) -> str:
    if auth is not None and not auth.success:
        return "refused"
    return "routed" if rtjson["success"] else "unknown"
