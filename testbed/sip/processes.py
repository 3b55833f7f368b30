"""The processes of a plane's nodes, and the memory that they use."""

from __future__ import annotations

from pathlib import Path

from testbed.sip.node import Node
from testbed.sip.plane import Cluster


def processes(node: Node) -> frozenset[int]:
    """Ids of all processes of a node; one that died and was started again has another."""
    assert node.process is not None
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[3]) == node.process.pid:
            found.add(int(path.parent.name))
    return frozenset(found)


def everybody(plane: Cluster) -> dict[str, frozenset[int]]:
    """Ids of the processes of each node, by its name."""
    return {name: processes(node) for name, node in plane.nodes.items()}


def memory(node: Node) -> dict[str, int]:
    """Bytes used in shared memory, and resident bytes of the process that has most of its own."""
    shared = dict(
        line.strip().split(": ") for line in node.rpc("core.shmmem").splitlines() if ": " in line
    )
    largest = 0
    for pid in processes(node):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        fields = dict(line.split(":", 1) for line in text.splitlines() if "kB" in line)
        largest = max(largest, int(fields["Private_Dirty"].split()[0]) * 1024)
    return {"shared": int(shared["used"]), "private": largest}
