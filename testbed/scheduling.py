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
    "tests/kamailio/test_admission.py",
    "tests/kamailio/test_flood.py",
    "tests/kamailio/test_flood_tcp.py",
    "tests/kamailio/test_media_hangs.py",
    "tests/kamailio/test_memory.py",
    "tests/kamailio/test_overload.py",
)
# The end-to-end tests take longest, and begin first. The machines of their deployment keep the
# processors busy while they boot, so what measures time, the tests of Kamailio, comes after all
# that does not.
FIRST = (END_TO_END, "tests/router_confd", "tests/synth")
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
    if group(nodeid) == LOAD:
        return len(FIRST) + 2
    if nodeid.startswith(f"{TIMED}/"):
        return len(FIRST) + 1
    places = [n for n, place in enumerate(FIRST) if nodeid.startswith(f"{place}/")]
    return places[0] if places else len(FIRST)


class Scheduling(LoadScopeScheduling):
    """Gives a group to each process, and the next one when it is nearly done.

    The group that loads the machine waits until there is nothing beside it but the end-to-end
    tests, which mostly wait themselves.
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
        if next(iter(self.workqueue), "") != LOAD or not self._others_work(node):
            super()._reschedule(node)

    def _others_work(self, node: WorkerController) -> bool:
        # A process keeps its last test until it hears what comes next, or that nothing does.
        return any(self._left(other) > 1 for other in self.nodes if other is not node)

    def _left(self, node: WorkerController) -> int:
        """Tests that a process still has to run, but for end-to-end tests."""
        work = self.assigned_work[node]
        return self._pending_of({name: work[name] for name in work if name != END_TO_END})
