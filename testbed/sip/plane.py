"""A tenant's SIP plane in namespaces: two SBCs, two routers, two rtpengines, two router-confd
stand-ins, and a caller and a callee on the internet side."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from agent.consul import pki
from agent.kamailio import rtpengine_revive, tier_addresses
from agent.kamailio.kamcmd import RpcFailed
from agent.kamailio.service_lists import Folders, ServiceLists
from agent.roles.call_tier import PEERS_INTERVAL_S
from common import kamailio, paths, ports
from common.topology import Tier
from host.netns import inside
from rendering.files import File
from rendering.kamailio_files import kamailio_files
from rendering.timers import JOIN_S
from settings.deployment import Deployment
from settings.load import load
from testbed.busy import Stopwatch
from testbed.sip.addresses import CALLEE, CONFDS, ROUTERS, RTPS, SBCS
from testbed.sip.agent import Agent, Call, Server, TcpAgent
from testbed.sip.netns import Network, network, run, socket_in
from testbed.sip.node import Node
from testbed.sip.router_confd_stub import ConfdStub, answer


def _answer() -> dict[str, Any]:
    """The callee's address, as router-confd would give it."""
    port = ports.SIP_DEFAULT
    return answer(f"sip:{CALLEE}:{port}", uri=f"sip:100@{CALLEE}:{port}")


def wait_until(condition: Callable[[], bool], seconds: float = 5.0, what: str = "") -> float:
    """Seconds until `condition` held; fails with `what` when it does not within `seconds`.

    On a busy machine these are as many more as our programs have waited for a processor.
    """
    watch, start, pause_s = Stopwatch(), time.monotonic(), 0.02
    while watch.before(start + seconds):
        if condition():
            return time.monotonic() - start
        time.sleep(pause_s)
        pause_s = min(1.2 * pause_s, 0.1)  # most conditions start a program
    raise AssertionError(f"not within {seconds} s: {what or condition}")


def wait_joined(*nodes: Node) -> None:
    """Until they answer requests of unknown dialogs; before, their peers may know the dialog."""
    for node in nodes:
        wait_until(partial(_joined, node), JOIN_S + 8, f"{node.name} is up for {JOIN_S} s")


def _joined(node: Node) -> bool:
    return int(node.rpc("core.uptime").split("uptime:")[1].split()[0]) > JOIN_S


def accepted(hand_over: Callable[[], None]) -> bool:
    """False when Kamailio refused the list now."""
    try:
        hand_over()
    except RpcFailed:
        return False
    return True


def with_sip(deployment: Deployment, **changes: object) -> Deployment:
    """The deployment, its first tenant's SIP settings changed and checked: `edge={"ban_s": 10}`."""
    data = deployment.model_dump(mode="json")
    sip = data["tenants"][0]["sip"]
    for name, change in changes.items():
        sip[name] = sip[name] | change if isinstance(change, dict) else change
    return Deployment.model_validate(data)


class Cluster:
    """Handles to everything; `start` brings it up as an instance's agent would."""

    def __init__(
        self, net: Network, layers: tuple[Path, ...], work: Path, deployment: Deployment,
        memory_mb: int, authority: pki.Pair | None,
    ) -> None:  # fmt: skip
        self.memory_mb = memory_mb
        self.net, self.layers, self.work = net, layers, work
        self.deployment, self.tenant = deployment, deployment.tenants[0]
        self.authority = authority or pki.new_authority("tests")
        self.nodes: dict[str, Node] = {}
        self.agents: list[Agent] = []
        namespace = net.host("confd", *CONFDS)
        self.confds = [ConfdStub(namespace, a, ports.ROUTER_CONFD_INTERNAL.number) for a in CONFDS]
        self._hosts: dict[str, str] = {}

    def add(self, name: str, tier: Tier, address: str, public: str = "") -> Node:
        """Boot one instance; its lists are still empty."""
        work = self.work / name
        work.mkdir()
        namespace = self._hosts.get(address) or self.net.host(name, address)
        self._hosts[address] = namespace
        node = Node(name, namespace, address, self.layers, work, public)
        self.nodes[name] = node
        if public:
            self.net.associate(public, address)
        if tier is Tier.RTP:
            node.start_rtpengine(ports.RTPENGINE_NG.number)
            return node
        files = kamailio_files(self.deployment, self.tenant, tier)
        if tier is Tier.SBC:
            files += self.certificate_of(public)
            pool_ = [ipaddress.IPv4Address(p) for _, p in SBCS.values()]
            files += (
                File(f"{paths.KAMAILIO}/{tier_addresses.TABLE}", tier_addresses.table(pool_)),
            )
        node.install(files)
        for file in files:
            if file.path == str(paths.EDGE_RULES):  # ExecStartPre of kamailio.service
                run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], text=file.content)
        if tier is Tier.ROUTER:  # consul-template was there before; a reload waits up to 10 s
            rows = self.rtpengine_rows([address for address, _ in RTPS.values()])
            (node.lists / kamailio.RTPENGINE_LIST).write_text("\n".join(rows) + "\n")
        node.start_kamailio(memory_mb=self.memory_mb)
        return node

    def certificate_of(self, public: str) -> tuple[File, File]:
        """A new certificate and its key, as `agent.kamailio.certificate` lays them down."""
        pair = pki.issue_server(self.authority, ["sbc.test"], ipaddress.IPv4Address(public))
        return (
            File(str(paths.TLS_CERTIFICATE), pair.certificate),
            File(str(paths.TLS_KEY), pair.key),
        )

    def start(self) -> None:
        for stub in self.confds:
            stub.answer = _answer()
            stub.start()
        for name, (address, public) in RTPS.items():
            self.add(name, Tier.RTP, address, public)
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(self.add, name, Tier.ROUTER, a) for name, a in ROUTERS.items()]
            started += [
                pool.submit(self.add, name, Tier.SBC, a, public)
                for name, (a, public) in SBCS.items()
            ]
        for future in started:
            future.result()
        self.apply_lists()
        self.settle()

    def tier(self, prefix: str) -> list[Node]:
        return [n for name, n in self.nodes.items() if name.startswith(prefix) and n.process]

    def apply_lists(self) -> None:
        for sbc in self.tier("sbc"):
            self.apply_leaving(sbc, [])
            self.apply_dispatcher(sbc, [r.address for r in self.tier("rtr")])
            self.apply_dmq(sbc, self.tier("sbc"))
        for router in self.tier("rtr"):
            self.apply_confd(router, CONFDS)
            self.apply_dmq(router, self.tier("rtr"))

    def apply(self, node: Node, name: str, lines: Sequence[str]) -> None:
        """What `c4-agent apply` does on the node, by the agent's own code."""
        lists = self._service_lists(node)
        (lists.folders.rendered / name).write_text("\n".join([*lines, kamailio.LIST_END, ""]))
        inside(node.namespace, lambda: lists.apply(name))

    def _service_lists(self, node: Node) -> ServiceLists:
        folders = Folders(node.work / "rendered", node.lists, node.work / "applied")
        for directory in (folders.rendered, folders.applied):
            directory.mkdir(exist_ok=True)
        return ServiceLists(folders, node.rpc)

    def apply_leaving(self, sbc: Node, addresses: Sequence[str]) -> None:
        self.apply(sbc, kamailio.DRAINING_ROUTERS, [
            kamailio.HTABLE_HEAD, *(f"{i}:{a}:0:0:1:0" for i, a in enumerate(addresses))
        ])  # fmt: skip

    def apply_dispatcher(
        self, sbc: Node, addresses: Sequence[str], weights: Sequence[int] = ()
    ) -> None:
        weight = dict(zip(addresses, weights, strict=False))
        lines = []
        for number, flags in (
            (kamailio.DISPATCHER_SET_NEW, 0),
            (kamailio.DISPATCHER_SET_ALL, 0),
            (kamailio.DISPATCHER_SET_LAST, 32),
        ):
            for a in addresses:
                w = weight.get(a, kamailio.WEIGHT)
                attributes = f"weight={w};rweight={w};duid={a}"
                lines.append(f"{number} sip:{a}:{ports.SIP_INTERNAL.number} {flags} 0 {attributes}")
        self.apply(sbc, kamailio.DISPATCHER_LIST, lines)

    def rtpengine_rows(self, addresses: Sequence[str]) -> list[str]:
        rows = [kamailio.RTPENGINE_HEAD]
        for a in addresses:
            for set_id in (
                0,
                kamailio.RTPENGINE_SET_MOVED,
                kamailio.node_id(ipaddress.IPv4Address(a)),
            ):
                rows.append(f"{len(rows)}:{set_id}:udp\\:{a}\\:{ports.RTPENGINE_NG.number}:1:0:0")
        return rows

    def apply_rtpengine(self, router: Node, addresses: Sequence[str]) -> None:
        """Repeated as by the agent's daemon: Kamailio refuses a reload within 10 s of another."""
        rows = self.rtpengine_rows(addresses)
        wait_until(
            lambda: accepted(lambda: self.apply(router, kamailio.RTPENGINE_LIST, rows)),
            15,
            "rtpengine.reload",
        )

    def apply_confd(self, router: Node, addresses: Sequence[str]) -> None:
        rows = [kamailio.HTABLE_HEAD, f"0:n:0:0:{len(addresses)}:0"]
        rows += [
            f"{i}:{i - 1}:0:0:http\\://{a}\\:{ports.ROUTER_CONFD_INTERNAL.number}:0"
            for i, a in enumerate(addresses, 1)
        ]
        self.apply(router, kamailio.ROUTER_CONFD_LIST, rows)

    def apply_dmq(self, node: Node, peers: Sequence[Node]) -> None:
        self.apply(node, kamailio.DMQ_PEERS, [f"sip:{p.address}:{ports.DMQ.number}" for p in peers])

    def ua(self, address: str, port: int = ports.SIP_DEFAULT) -> Agent:
        """A user agent on the internet side."""
        agent = Agent(socket_in(self._host_of(address), socket.SOCK_DGRAM, (address, port)))
        self.agents.append(agent)
        return agent

    def tcp_ua(self, address: str, to: tuple[str, int]) -> TcpAgent:
        """A user agent on the internet side, connected to an SBC."""
        return self._connected(self.connection(address, to))

    def tls_ua(
        self, address: str, to: tuple[str, int], context: ssl.SSLContext | None = None
    ) -> TcpAgent:
        """The same by TLS; it believes only the cluster's authority."""
        context = context or self.trust()
        sock = self.connection(address, to)
        return self._connected(context.wrap_socket(sock, server_hostname=to[0]))

    def server_ua(self, address: str, port: int, context: ssl.SSLContext | None = None) -> Server:
        """A user agent on the internet side to which an SBC connects."""
        self._host_of(address)
        server = Server(
            socket_in(self._hosts[address], socket.SOCK_STREAM, (address, port)), context
        )
        self.agents.append(server)
        return server

    def trust(self) -> ssl.SSLContext:
        """A client's context that believes the cluster's authority."""
        return ssl.create_default_context(cadata=self.authority.certificate)

    def server_context(self, address: str, authority: pki.Pair | None = None) -> ssl.SSLContext:
        """A server's context with a certificate of the authority, the cluster's by default."""
        pair = pki.issue_server(
            authority or self.authority, ["callee.test"], ipaddress.IPv4Address(address)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(pair.certificate + pair.key)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def _host_of(self, address: str) -> str:
        if address not in self._hosts:
            self._hosts[address] = self.net.host(f"ua{len(self._hosts)}", address)
        return self._hosts[address]

    def connection(self, address: str, to: tuple[str, int]) -> socket.socket:
        """A TCP connection from the internet side."""
        sock = socket_in(self._host_of(address), socket.SOCK_STREAM, (address, 0))
        sock.settimeout(5)
        sock.connect(to)
        return sock

    def _connected(self, sock: socket.socket) -> TcpAgent:
        agent = TcpAgent(sock)
        self.agents.append(agent)
        return agent

    def host_of(self, address: str) -> str:
        """Namespace of a host on the internet side that has no user agent now."""
        for agent in self.agents:
            agent.close()
        self.agents.clear()
        if address not in self._hosts:
            self._hosts[address] = self.net.host(f"ua{len(self._hosts)}", address)
        return self._hosts[address]

    def namespace_of(self, address: str) -> str:
        return self._hosts[address]

    def router_of(self, sbc: Node, call_id: str = "") -> Node:
        """The router that carries that call, or the newest, by the SBC's dialog variables."""
        listed, state, dialog = [], "", ""
        for line in map(str.strip, sbc.rpc("dlg.list").splitlines()):
            if line.startswith("call-id:"):
                dialog = line.split()[1]
            elif line.startswith("state:"):
                state = line
            elif (
                line.startswith("router: sip:")
                and state != "state: 5"  # an ended call lingers
                and call_id in ("", dialog)
            ):
                listed.append(line.split("sip:")[1].split(":")[0])
        assert listed, sbc.rpc("dlg.list")
        return next(n for n in self.tier("rtr") if n.address == listed[-1])

    def kill_router_of(self, call: Call) -> threading.Thread:
        """The router of a call dies as soon as the caller hears it ring; to be joined."""

        def kill() -> None:
            wait_until(lambda: any(m.status == 180 for m in call.replies), what="180")
            self.router_of(self.nodes["sbc1"], call.call_id).kill()

        thread = threading.Thread(target=kill)
        thread.start()
        return thread

    def restore(self) -> None:
        """After a test: no user agents, default answers, every node of the beginning alive."""
        for agent in self.agents:
            agent.close()
        self.agents.clear()
        for stub in self.confds:
            stub.status, stub.delay_s, stub.knows_tenant = 200, 0.0, True
            stub.answer = _answer()
            stub.requests.clear()
            stub.kept.clear()
            stub.start()
        dead = [node for node in self.nodes.values() if node.process is None]
        for node in dead:
            self.revive(node)
        for router in self.tier("rtr"):
            router.rpc("htable.flush", "failed_confd")
        self.revive_relays()
        if dead:
            self.apply_lists()
            self.settle()

    def revive(self, node: Node) -> None:
        """Start the program of a killed node again, with what it has in its directories."""
        if node.name.startswith("rtp"):
            node.start_rtpengine(ports.RTPENGINE_NG.number)
            return
        node.start_kamailio(memory_mb=self.memory_mb)
        self.repeat_dmq(node.name[:3])

    def revive_relays(self) -> list[str]:
        """As every router's agent, each 2 s: the rtpengines that are used again."""
        back = []
        for router in self.tier("rtr"):
            back += inside(router.namespace, lambda: rtpengine_revive.revive(router.rpc))  # noqa: B023
        return back

    def retire(self, replacement: Node, public: str, owner: Node) -> None:
        """The end of a node that was added in a test; its Elastic IP goes back to its owner."""
        replacement.kill()
        del self.nodes[replacement.name]
        self.net.associate(public, owner.address)

    def repeat_dmq(self, prefix: str) -> None:
        """As every agent's daemon: Kamailio forgets its peers, and who missed a ping is out."""

        def repeat(node: Node) -> None:
            inside(node.namespace, lambda: self._service_lists(node).repeat(kamailio.DMQ_PEERS))

        wait_until(
            lambda: sum(not accepted(partial(repeat, node)) for node in self.tier(prefix)) == 0,
            10,
            f"{prefix}: DMQ peers",
        )

    def settle(self) -> None:
        """Wait until every SBC has seen every router answer, and every node its peers."""
        routers = len(self.tier("rtr"))
        for sbc in self.tier("sbc"):
            self._count(sbc, "dispatcher.list", "FLAGS: AP", 2 * routers)  # probed sets
        for prefix in ("sbc", "rtr"):
            self._settle_peers(prefix)

    def _settle_peers(self, prefix: str) -> None:
        """Wait until all know each other; peers are announced again, as the agents do."""
        nodes = self.tier(prefix)

        def settled() -> bool:
            lists = [node.rpc("dmq.list_nodes") for node in nodes]
            return all(text.count("status: active") == len(nodes) for text in lists)

        for _ in range(4):
            end = time.monotonic() + PEERS_INTERVAL_S
            while time.monotonic() < end:
                if settled():
                    return
                time.sleep(0.05)
            self.repeat_dmq(prefix)
        wait_until(settled, PEERS_INTERVAL_S, f"{prefix}: DMQ peers active")

    def _count(self, node: Node, command: str, text: str, number: int) -> None:
        wait_until(
            lambda: node.rpc(command).count(text) == number, 15, f"{node.name}: {number} {text!r}"
        )

    def close(self) -> None:
        for agent in self.agents:
            agent.close()
        for stub in self.confds:
            stub.stop()
        for node in self.nodes.values():
            node.kill()


@contextmanager
def cluster(
    layers: tuple[Path, ...],
    deployment: Deployment | None = None,
    *,
    memory_mb: int = 256,
    authority: pki.Pair | None = None,
) -> Iterator[Cluster]:
    """A running cluster; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="kt-", dir="/var/tmp") as work, network() as net:
        Path(work).chmod(0o755)
        made = Cluster(net, layers, Path(work), deployment or load("demo"), memory_mb, authority)
        try:
            made.start()
            yield made
        finally:
            made.close()
            if keep := os.environ.get("C4_KEEP_LOGS"):
                for node in made.nodes.values():
                    (Path(keep) / f"{node.name}.log").write_bytes(node.log.read_bytes())
