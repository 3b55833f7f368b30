"""Where keys of earlier versions have gone, so that the error for an old one can say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

# Keys of a tenant, old to new. The values and their units are the same.
MOVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sip_name": "dns",
        "sip.router_timeout_ms": "sip.timers.router_timeout_ms",
        "sip.probe_interval_s": "sip.timers.probe_interval_s",
        "sip.ringing_timeout_s": "sip.timers.ringing_timeout_s",
        "sip.callee_timeout_ms": "sip.timers.callee_timeout_ms",
        "sip.max_call_s": "sip.timers.max_call_s",
        "sip.lookup_timeout_ms": "sip.timers.lookup_timeout_ms",
        "sip.media_timeout_ms": "sip.timers.rtpengine_timeout_ms",
        "sip.registration_retry_s": "sip.timers.registration_retry_s",
        "sip.max_message_bytes": "sip.edge.max_message_bytes",
        "sip.max_headers": "sip.edge.max_headers",
        "sip.flood_requests": "sip.edge.flood_requests",
        "sip.flood_window_s": "sip.edge.flood_window_s",
        "sip.ban_s": "sip.edge.ban_s",
        "sip.known_s": "sip.edge.trusted_s",
        "sip.known_packets_per_s": "sip.edge.trusted_packets_per_s",
        "sip.stranger_packets_per_s": "sip.edge.untrusted_packets_per_s",
        "sip.strangers_packets_per_s": "sip.edge.all_untrusted_packets_per_s",
        "sip.stranger_calls": "sip.edge.untrusted_calls_per_10s",
        "sip.login_failures": "sip.edge.login_failures_per_min",
        "sip.account_login_failures": "sip.edge.account_login_failures_per_min",
        "sip.max_connections": "sip.connections.max",
        "sip.connections_per_source": "sip.connections.per_source",
        "sip.new_connections_per_s": "sip.connections.new_per_source_per_s",
        "sip.connection_kbytes_per_s": "sip.connections.kbytes_per_source_per_s",
        "sip.connection_idle_s": "sip.connections.idle_s",
        "sip.stranger_idle_s": "sip.connections.untrusted_idle_s",
        "sip.tls_verify": "sip.tls.verify",
        "sip.tls_authorities": "sip.tls.authorities",
        "sip.max_new_calls_per_s": "sip.overload.new_calls_per_s",
        "sip.source_calls_per_s": "sip.overload.new_calls_per_source_per_s",
        "sip.overload_ms": "sip.overload.queue_wait_ms",
        "sip.max_lookups": "sip.overload.open_lookups",
        "sip.homer": "sip.capture.homer",
    }
)


def moved_to(location: Sequence[str | int]) -> str | None:
    """New name, within its tenant, of the key at `location`; None for one that never was.

    The location is pydantic's, e.g. `("tenants", 0, "sip", "known_s")`.
    """
    if location[:1] != ("tenants",):
        return None
    return MOVED.get(".".join(str(part) for part in location[2:]))
