"""Requests generated from the served OpenAPI: nothing ends in an internal error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from testbed.router_confd.instance import API_KEY, Instance, Site
from testbed.router_confd.postgres import Postgres, new_database

pytestmark = [pytest.mark.db, pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 12  # per operation
OPENAPI = "/api/v1/openapi.json"


@pytest.fixture(scope="module")
def fuzzed(postgres: Postgres, instances: Callable[..., Instance]) -> Instance:
    """An instance on a database of its own: what is generated may be deleted again."""
    started: Instance = instances(postgres, new_database(postgres)).start()
    for _ in range(3):
        Site(started).add_did(None)  # something for small ids to hit
    return started


def _fuzz(client: httpx.Client, headers: dict[str, str]) -> int:
    document = client.get(OPENAPI).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.base_url = str(client.base_url)
    profile: Any = settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        given_case: Any = given(case=result.ok().as_strategy())

        def exchange(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers, timeout=10)

        profile(given_case(exchange))()
        count += 1
    return count


def test_management_api(fuzzed: Instance) -> None:
    assert _fuzz(fuzzed.api, {"X-API-Key": API_KEY}) >= 11 * 6


def test_kamailio_api(fuzzed: Instance) -> None:
    assert _fuzz(fuzzed.kamailio, {}) >= 6


def test_the_document_is_served_where_clients_look_for_it(fuzzed: Instance) -> None:
    paths = json.loads(fuzzed.api.get(OPENAPI).text)["paths"]
    for resource in (
        "tenants", "domains", "ipbxs", "carriers", "carrier_trunks", "dids",
        "normalization-profiles", "normalization-rules", "routing-rules", "routing-groups", "cdrs",
    ):  # fmt: skip
        assert set(paths[f"/1.0/{resource}"]) == {"get", "post"}
    kamailio = fuzzed.kamailio.get(OPENAPI).json()["paths"]
    assert {"/1.0/kamailio/routing", "/1.0/kamailio/auth", "/1.0/kamailio/cdr"} <= set(kamailio)
