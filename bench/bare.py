"""The reference of the benchmark: two Kamailios that only relay, in place of SBC and router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from common import ports
from testbed.sip.addresses import CALLEE
from testbed.sip.node import Node
from testbed.sip.plane import Cluster

_CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
children={children}
auto_aliases=no
listen=udp:{address}:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "kex.so"
loadmodule "ctl.so"
loadmodule "siputils.so"
loadmodule "textops.so"
request_route {{
    if (has_totag()) {{
        if (!loose_route()) $du = "sip:{next}";
    }} else if (is_method("INVITE")) {{
        record_route();
        $du = "sip:{next}";
    }}
    if (is_method("CANCEL") && !t_check_trans()) exit;
    t_relay();
}}
"""


@contextmanager
def bare_proxy(plane: Cluster, stopped: Sequence[Node]) -> Iterator[list[Node]]:
    """Two nodes with a proxy that has no dialogs, lookups and checks, while SBC and router stop."""
    for node in stopped:
        node.kill()
    sbc, router = plane.nodes["sbc1"], plane.nodes["rtr1"]
    kept = {}
    for node, port, following in (
        (sbc, ports.SIP.number, f"{router.address}:{ports.SIP_INTERNAL}"),
        (router, ports.SIP_INTERNAL.number, f"{CALLEE}:5060"),
    ):
        config = node.work / "etc/kamailio/kamailio.cfg"
        kept[config] = config.read_text()
        config.write_text(
            _CONFIG.format(
                address=node.address,
                port=port,
                next=following,
                children=plane.tenant.sbc.workers,
            )
        )
        node.start_kamailio(memory_mb=plane.memory_mb)
    try:
        yield [sbc, router]
    finally:
        for config, text in kept.items():
            config.write_text(text)
