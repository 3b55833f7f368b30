"""Every synthesized stack is as it was when somebody last looked at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.synthesized import Synthesized, readable


def test_stacks_match_their_snapshots(
    synthesized: Synthesized, deployment_name: str, matches_snapshot: Callable[[str, str], None]
) -> None:
    for stack in synthesized.names:
        matches_snapshot(f"{deployment_name}/{stack}.yaml", readable(synthesized.stack(stack)))


def test_no_snapshot_is_left_of_a_stack_that_is_gone(
    synthesized: Synthesized,
    deployment_name: str,
    snapshots: Path,
    request: pytest.FixtureRequest,
) -> None:
    for path in (snapshots / deployment_name).glob("*.yaml"):
        if path.stem not in synthesized.names and request.config.getoption("update_snapshots"):
            path.unlink()
        else:
            assert path.stem in synthesized.names, f"{path} has no stack"
