"""Floods: calls of those who are known go on, nothing leaks."""

from __future__ import annotations

import time

import pytest

from common import paths, ports
from common.topology import Tier
from rendering.kamailio_files import kamailio_files
from testbed.load import sipp
from testbed.load.flood import CALLS_PER_S, PER_S, SECONDS, Flood, crowd, dropped, payloads
from testbed.sip.addresses import ATTACKER, CALLEE, CALLER, SBC1
from testbed.sip.netns import run
from testbed.sip.plane import Cluster, wait_until
from testbed.sip.processes import everybody, memory

pytestmark = [pytest.mark.sip, pytest.mark.slow, pytest.mark.timeout(600)]
SBC = SBC1[0]


@pytest.mark.parametrize(
    "sources", [[ATTACKER], crowd(1000), crowd(60_000)], ids=["one", "thousand", "spoofed"]
)
def test_calls_go_on_in_a_flood(
    plane: Cluster, hosts: tuple[str, str, str], sources: list[str]
) -> None:
    sbc, before = plane.nodes["sbc1"], everybody(plane)
    talk = sipp.Talk(1, 1)
    sipp.call(
        hosts[:2], (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], 20, 2, talk
    )  # caches, known
    time.sleep(6)  # transactions of the warm-up
    start, counted = memory(sbc), dropped(sbc)
    packets = list(payloads(sources, max(5000, len(sources))))
    flood = Flood(hosts[2], packets, SECONDS)
    flood.start()
    outcome = sipp.call(
        hosts[:2], (CALLER, CALLEE), f"{SBC}:{ports.SIP}", ["100"], CALLS_PER_S, SECONDS, talk
    )
    flood.join()
    gone = {name: value - counted[name] for name, value in dropped(sbc).items()}
    rate = flood.sent / flood.elapsed
    print(
        f"{len(sources)} sources: {flood.sent} packets, {rate:.0f}/s; kernel dropped {gone}; "
        f"calls {outcome.calls}, failed {outcome.failed}, refused {outcome.refused}, "
        f"retransmissions {outcome.retransmissions}, p99 {sipp.quantile(outcome.setup_ms, 0.99)} ms"
    )
    assert rate > PER_S / 8, "the generator was too slow for a flood"
    assert outcome.calls == CALLS_PER_S * SECONDS
    assert (outcome.failed, outcome.refused) == (0, 0)
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
