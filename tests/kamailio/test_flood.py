"""Floods: calls of those who are known go on, nothing leaks."""

from __future__ import annotations

import pytest

from common import paths
from common.topology import Tier
from rendering.kamailio_files import kamailio_files
from testbed.load import sipp
from testbed.load.flood import (
    CALLS_PER_S,
    PER_S,
    SECONDS,
    Flood,
    calls_beside,
    crowd,
    dropped,
    payloads,
    warmed_up,
)
from testbed.load.undisturbed import undisturbed
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.netns import run
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.processes import everybody, memory

pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(600)]
SBC = SBC1[0]


@pytest.mark.parametrize(
    "sources",
    [
        pytest.param([ATTACKER], id="one"),
        pytest.param(crowd(1000), id="thousand", marks=pytest.mark.exhaustive),
        pytest.param(crowd(60_000), id="spoofed"),
    ],
)
def test_calls_go_on_in_a_flood(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    start = warmed_up(plane, hosts[:2])
    counted, floods = dict[str, int](), list[Flood]()
    packets = list(payloads(sources, max(5000, len(sources))))

    def measure() -> sipp.Outcome:
        counted.update(dropped(sbc))
        floods.append(Flood(hosts[2], packets, SECONDS))
        floods[-1].start()
        outcome = calls_beside(hosts[:2])
        floods[-1].stop()
        return outcome

    outcome, busy = undisturbed(measure)
    flood = floods[-1]
    gone = {name: value - counted[name] for name, value in dropped(sbc).items()}
    rate = flood.sent / flood.elapsed
    print(
        f"{len(sources)} sources: {flood.sent} packets, {rate:.0f}/s; kernel dropped {gone}; "
        f"calls {outcome.calls}, failed {outcome.failed}, refused {outcome.refused}, "
        f"retransmissions {outcome.retransmissions}, p99 {sipp.quantile(outcome.setup_ms, 0.99)} ms"
    )
    assert rate > PER_S / 8 or busy, "the generator was too slow for a flood"
    assert outcome.calls == CALLS_PER_S * SECONDS
    assert (outcome.failed, outcome.refused) == (0, 0) or busy
    assert everybody(plane) == before
    assert sum(gone.values()) > 0.8 * flood.sent
    kernel = run(
        ["ip", "netns", "exec", sbc.namespace, "nft", "list", "set", "ip", "c4_edge", "flooding"]
    )
    if len(sources) == 1:
        assert f"{ATTACKER} " in kernel
    assert CALLER not in kernel
    assert "10.40." not in kernel
    for address in (CALLER, CALLEE, *(node.address for node in plane.nodes.values())):
        assert sbc.rpc("htable.get", "ban", address, check=False).startswith("error")
    wait_until(lambda: memory(sbc)["shared"] < start["shared"] + 2_000_000, 40, "shared memory")
    assert memory(sbc)["private"] < start["private"] + 1_000_000
    print("memory", start, memory(sbc))


def test_rules_may_be_loaded_again(plane: Cluster) -> None:
    """As when Kamailio is started again: no rule twice, nothing learned is lost."""
    sbc = plane.nodes["sbc1"]
    nft = ["ip", "netns", "exec", sbc.namespace, "nft"]
    run([*nft, "add", "element", "ip", "c4_edge", "trusted", "{ 192.0.2.7 }"])
    before = run([*nft, "list", "chain", "ip", "c4_edge", "pre"])
    files = kamailio_files(plane.deployment, plane.tenant, Tier.SBC)
    (rules,) = [file for file in files if file.path == str(paths.EDGE_RULES)]
    run([*nft, "-f", "-"], text=rules.content)
    assert run([*nft, "list", "chain", "ip", "c4_edge", "pre"]) == before
    assert "192.0.2.7" in run([*nft, "list", "set", "ip", "c4_edge", "trusted"])
