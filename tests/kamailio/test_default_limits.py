"""Limits of a deployment hold where router-confd sets none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from settings.limits import Limits
from settings.load import load
from testbed.sip.addresses import CALLEE, CALLER, SBC1, SBC2
from testbed.sip.calls import established
from testbed.sip.plane import Cluster, cluster
from testbed.sip.router_confd_stub import answer, limited

pytestmark = pytest.mark.sip


@pytest.fixture(scope="module")
def plane(image_root: tuple[Path, ...]) -> Iterator[Cluster]:
    deployment = load("demo")
    limits = Limits(tenant_calls=3, pbx_calls=2, trunk_calls=1)
    tenant = deployment.tenants[0].model_copy(update={"limits": limits})
    with cluster(image_root, deployment.model_copy(update={"tenants": [tenant]})) as made:
        yield made


@pytest.mark.parametrize(
    ("numbers", "most"),
    [((0, 9, 9), 3), ((9, 0, 9), 2), ((9, 9, 0), 1), ((0, 0, 0), 1), ((5, 5, 5), 5)],
    ids=["tenant", "pbx", "trunk", "all", "own"],
)
def test_default_holds_without_an_own_limit(
    plane: Cluster, numbers: tuple[int, ...], most: int
) -> None:
    caller, callee = plane.ua(CALLER), plane.ua(CALLEE)
    for stub in plane.confds:
        stub.answer = limited(answer(f"sip:{CALLEE}:5060", uri=f"sip:100@{CALLEE}:5060"), *numbers)
    calls = [established(caller, callee, (SBC1, SBC2)[i % 2])[0] for i in range(most)]
    assert caller.call(SBC1).invite().status == 503
    for call in calls:
        assert call.bye().status == 200
