"""The lists as consul-template renders them from a real Consul's catalogue."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from agent.kamailio.lists import LISTS, whole
from common import paths, ports
from common.kamailio import RTPENGINE_SET_MOVED, node_id
from common.topology import Tier
from rendering.kamailio_files import kamailio_files
from settings import load
from testbed.consul.program import consul_program
from testbed.sip.netns import ip, own_prefix

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
NAMESPACE = own_prefix() + "consul"


def program(name: str) -> str:
    """A binary that the image build made, or one of the PATH; Consul as in other tests."""
    from host.paths import cache_dir

    if name == "consul":
        return str(consul_program())

    built = sorted((cache_dir() / "bin").glob(f"{name}-[0-9]*/{name}"))
    if found := shutil.which(name):
        return found
    if built:
        return str(built[-1])
    message = f"needs {name}: the image build makes it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class Catalogue:
    """A Consul server in a namespace without any link but loopback."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.inside = ["ip", "netns", "exec", NAMESPACE]

    def curl(self, path: str, body: dict[str, Any]) -> None:
        subprocess.run(
            [*self.inside, "python3", "-c", _PUT, path],
            input=json.dumps(body),
            text=True,
            check=True,
        )

    def wait(self) -> None:
        """Until the server has a leader, and so takes writes."""
        for _ in range(50):
            done = subprocess.run(
                [*self.inside, "python3", "-c", _PUT, "/v1/kv/ready"],
                input="{}", text=True, stderr=subprocess.DEVNULL, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return
            time.sleep(0.1)
        pytest.fail("Consul did not start")

    def service(
        self, name: str, address: str, port: int, *, status: str = "passing",
        maintenance: bool = False, **meta: str,
    ) -> None:  # fmt: skip
        """Register an instance on a node of its own."""
        checks = [{"Name": "c4", "Status": status, "ServiceID": name}]
        if maintenance:
            checks.append({"Name": "Maintenance", "CheckID": f"_service_maintenance:{name}",
                           "Status": "critical", "ServiceID": name})  # fmt: skip
        self.curl("/v1/catalog/register", {
            "Node": f"n-{address}", "Address": address,
            "Service": {"ID": name, "Service": name, "Address": address, "Port": port,
                        "Meta": meta},
            "Checks": [{**check, "Node": f"n-{address}"} for check in checks],
        })  # fmt: skip

    def render(self, tier: Tier, name: str) -> list[str]:
        """Lines of a list, rendered once and accepted by the agent's check."""
        deployment = load("demo")
        path = f"{paths.LISTS}/{name}.ctmpl"
        files = kamailio_files(deployment, deployment.tenants[0], tier)
        source, target = self.work / "source", self.work / "target"
        source.write_text(next(f.content for f in files if f.path == path))
        subprocess.run(
            [*self.inside, program("consul-template"), "-once", "-log-level=err",
             f"-consul-addr=127.0.0.1:{ports.CONSUL_HTTP}", f"-template={source}:{target}"],
            check=True, timeout=100,
        )  # fmt: skip
        text = whole(target.read_bytes())
        LISTS[name].check(text)
        return [line for line in text.splitlines() if line]


_PUT = f"""
import sys, urllib.request
request = urllib.request.Request(
    "http://127.0.0.1:{ports.CONSUL_HTTP}" + sys.argv[1],
    data=sys.stdin.read().encode(), method="PUT")
urllib.request.urlopen(request, timeout=60).read()
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path)
    ip("netns", "add", NAMESPACE)
    process = None
    try:
        ip("-n", NAMESPACE, "link", "set", "lo", "up")
        process = subprocess.Popen(
            [*made.inside, program("consul"), "agent", "-dev", "-bind=127.0.0.1",
             "-log-level=error", f"-data-dir={tmp_path}/consul"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        made.wait()
        yield made
    finally:
        if process:
            process.kill()
            process.wait()
        ip("netns", "delete", NAMESPACE)


def test_dispatcher_list_has_routers_that_are_well_and_stay(catalogue: Catalogue) -> None:
    catalogue.service("acme-router", "10.40.64.1", ports.SIP_INTERNAL.number, weight="70")
    catalogue.service("acme-router", "10.40.64.2", ports.SIP_INTERNAL.number, maintenance=True)
    catalogue.service("acme-router", "10.40.64.3", ports.SIP_INTERNAL.number, status="critical")
    catalogue.service("globex-router", "10.40.64.9", ports.SIP_INTERNAL.number)
    assert catalogue.render(Tier.SBC, "dispatcher.list") == [
        f"1 sip:10.40.64.1:{ports.SIP_INTERNAL} 0 0 weight=70;rweight=70;duid=10.40.64.1",
        f"2 sip:10.40.64.1:{ports.SIP_INTERNAL} 0 0 weight=70;rweight=70;duid=10.40.64.1",
        f"3 sip:10.40.64.1:{ports.SIP_INTERNAL} 32 0 weight=70;rweight=70;duid=10.40.64.1",
    ]
    _, row = catalogue.render(Tier.SBC, "draining-routers")
    assert row.endswith(":10.40.64.2:0:0:1:0")


def test_rtpengine_list_has_a_common_set_and_one_set_each(catalogue: Catalogue) -> None:
    catalogue.service("acme-rtp", "10.40.16.5", ports.RTPENGINE_NG.number)
    catalogue.service("acme-rtp", "10.40.21.7", ports.RTPENGINE_NG.number, maintenance=True)
    _, *rows = catalogue.render(Tier.ROUTER, "rtpengine")
    assert [row.split(":", 1)[1] for row in rows] == [
        rf"0:udp\:10.40.16.5\:{ports.RTPENGINE_NG}:1:0:0",
        rf"{RTPENGINE_SET_MOVED}:udp\:10.40.16.5\:{ports.RTPENGINE_NG}:1:0:0",
        rf"{node_id(IPv4Address('10.40.16.5'))}:udp\:10.40.16.5\:{ports.RTPENGINE_NG}:1:0:0",
        rf"{node_id(IPv4Address('10.40.21.7'))}:udp\:10.40.21.7\:{ports.RTPENGINE_NG}:1:0:0",
    ]
    assert len({row.split(":")[0] for row in rows}) == len(rows)


def test_router_confd_list_is_counted(catalogue: Catalogue) -> None:
    port = ports.ROUTER_CONFD_INTERNAL.number
    catalogue.service("acme-router-confd", "10.40.64.7", port)
    catalogue.service("acme-router-confd", "10.40.64.8", port)
    catalogue.service("acme-router-confd", "10.40.64.9", port, status="critical")
    _, count, *rows = catalogue.render(Tier.ROUTER, "router-confd")
    assert count == "0:n:0:0:2:0"
    assert rows == [
        rf"1:0:0:0:http\://10.40.64.7\:{port}:0",
        rf"2:1:0:0:http\://10.40.64.8\:{port}:0",
    ]


def test_dmq_list_has_every_living_node_of_the_tier(catalogue: Catalogue) -> None:
    catalogue.service("acme-sbc", "10.40.0.4", ports.SIP_INTERNAL.number)
    catalogue.service("acme-sbc", "10.40.5.4", ports.SIP_INTERNAL.number, maintenance=True)
    catalogue.service("acme-sbc", "10.40.10.4", ports.SIP_INTERNAL.number, status="critical")
    assert catalogue.render(Tier.SBC, "dmq") == [
        f"sip:10.40.0.4:{ports.DMQ}",
        f"sip:10.40.5.4:{ports.DMQ}",
    ]


def test_sources_list_is_what_a_router_published(catalogue: Catalogue) -> None:
    assert (
        len(catalogue.render(Tier.SBC, "provisioned-sources")) == 1
    )  # none yet: the line of columns
    value = {"until": "1790000300", "addresses": ["198.51.100.10", "198.51.100.20"]}
    catalogue.curl("/v1/kv/c4/acme/sources", value)
    assert catalogue.render(Tier.SBC, "provisioned-sources")[1:] == [
        "0:until:0:0:1790000300:0", "1:198.51.100.10:0:0:1:0", "2:198.51.100.20:0:0:1:0",
    ]  # fmt: skip
    catalogue.curl("/v1/kv/c4/acme/sources", value | {"addresses": []})
    assert len(catalogue.render(Tier.SBC, "provisioned-sources")) == 1
