"""Prometheus metrics: the page, and gauges of the instance. `routing.lookup` has its own."""

from __future__ import annotations

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from common.router_confd import LOGIN_REFUSED
from router_confd.container import Service

_age = Gauge(
    "router_confd_directory_age_seconds", "Seconds since the configuration was last confirmed"
)
_loads = Gauge("router_confd_directory_loads", "Full loads of the configuration since the start")
_dids = Gauge("router_confd_dids", "DIDs in the configuration")
_trunks = Gauge("router_confd_carrier_trunks", "Carrier trunks in the configuration")
_connected = Gauge("router_confd_database_connected", "1 while the database announces changes")
_refused = Gauge(
    LOGIN_REFUSED, "1 while the database refuses the login; the agent then reads the secret again"
)
_spooled = Gauge("router_confd_cdrs_waiting", "CDRs on disk that wait for the database")
_cdrs = Gauge("router_confd_cdrs", "CDRs since the start: stored, spooled, rejected", ["fate"])


def response(service: Service) -> Response:
    """The page that Prometheus scrapes."""
    _age.set(service.sync.age)
    _loads.set(service.sync.loads)
    _connected.set(service.sync.connected)
    _refused.set(service.database.login_refused)
    _spooled.set(service.cdrs.waiting)
    for fate in ("stored", "spooled", "rejected"):
        _cdrs.labels(fate).set(getattr(service.cdrs, fate))
    if (directory := service.sync.peek()) is not None:
        _dids.set(len(directory.dids))
        _trunks.set(len(directory.trunks.rows))
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
