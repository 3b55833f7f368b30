"""Which tests run side by side when pytest has several processes (`pytest -n 2`).

A module is run as a whole by one process. What it starts has names, ports and directories of its
own, so modules need not be kept apart, but for those that load the machine.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

END_TO_END = "tests/e2e"
# These share something that is expensive to make: a deployment, a database, a synthesized one.
TOGETHER = (END_TO_END, "tests/router_confd", "tests/synth")
# These keep the processors busy, or measure what a busy machine would spoil.
LOAD = "load"
LOADING = (
    "tests/demo/test_interrupted.py",
    "tests/kamailio/test_admission.py",
    "tests/kamailio/test_flood.py",
    "tests/kamailio/test_flood_tcp.py",
    "tests/kamailio/test_matrix.py",
    "tests/kamailio/test_media_hangs.py",
    "tests/kamailio/test_memory.py",
    "tests/kamailio/test_overload.py",
)
# Each of these runs while no other process has anything to do: floods would disturb whatever is
# beside them, and the limits of the end-to-end tests are those of a machine that does only that.
ALONE = (END_TO_END, LOAD)
# What takes longest and does not measure time begins first, then come the tests of Kamailio.
FIRST = ("tests/router_confd", "tests/synth")
TIMED = "tests/kamailio"


def group(nodeid: str) -> str:
    """What the same process runs, one after the other."""
    path = nodeid.partition("::")[0]
    if path in LOADING:
        return LOAD
    folder = str(PurePosixPath(path).parent)
    return folder if folder in TOGETHER else path


def turn(nodeid: str) -> int:
    """Groups with a lower number begin earlier."""
    name = group(nodeid)
    if name in ALONE:
        return len(FIRST) + 2 + ALONE.index(name)
    if nodeid.startswith(f"{TIMED}/"):
        return len(FIRST) + 1
    return FIRST.index(name) if name in FIRST else len(FIRST)


class Scheduling(LoadScopeScheduling):
    """Gives a group to each process, and the next one when it is nearly done.

    A group that runs alone waits until the others have nothing left to do.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        super().mark_test_complete(node, item_index, duration)
        for other in self.nodes:  # one may have waited for this
            self._reschedule(other)

    def _reschedule(self, node: WorkerController) -> None:
        if next(iter(self.workqueue), "") not in ALONE or not self._others_work(node):
            super()._reschedule(node)

    def _others_work(self, node: WorkerController) -> bool:
        # A process keeps its last test until it hears what comes next, or that nothing does.
        return any(
            self._pending_of(self.assigned_work[other]) > 1
            for other in self.nodes
            if other is not node
        )
