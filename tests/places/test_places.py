"""The README's two commands where a new user sits: containers, and machines without root.

Each place is a bare Debian with namespaces, capabilities and control groups as Docker gives them,
and reaches package mirrors like this machine. With C4_PLACES_COLD=1 nothing is taken from this
machine's cache: then the time of `make demo` is that of a newcomer, who has to build Consul and
OpenTofu.

`python -m testbed.places` runs any other script in such a place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.abilities import missing
from host.storage import carries_overlays
from testbed.places.place import BUNDLE, FOLDER, USER, CgroupVersion, Place, Suite, place

HOUR = 3600.0
pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.slow,
    pytest.mark.last,
    pytest.mark.timeout(4 * HOUR),
    pytest.mark.skipif(bool(missing()), reason=f"no place can be made: {'; '.join(missing())}"),
]
CLONE = f"git -c advice.detachedHead=false clone -q {BUNDLE} c4 && cd c4"
DEBIAN = (
    "export DEBIAN_FRONTEND=noninteractive\n"
    "apt-get update -q >/dev/null && apt-get install -y -q {packages} >/dev/null\n"
)
GIT = DEBIAN.format(packages="git make")
NO_MACHINE = "no machine can boot here"
NO_CALL = "NO CALL WAS PLACED"
SUMMARY = re.compile(r"=+ (.*) in [0-9.]+s")


@pytest.fixture(autouse=True)
def shown(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What happens in a place is shown while it happens: it takes long."""
    if not carries_overlays(FOLDER):
        pytest.skip(f"no overlay can lie on {FOLDER}: this is a container itself")
    with capfd.disabled():
        yield


@contextmanager
def seeded(suite: Suite, privileged: bool, version: CgroupVersion, home: str) -> Iterator[Place]:
    with place(suite, "privileged" if privileged else "default", version) as made:
        if not os.environ.get("C4_PLACES_COLD"):
            made.seed(home)
        yield made


def closing(output: str) -> str:
    """What pytest's last line counts."""
    found = SUMMARY.findall(output)
    assert found, output[-3000:]
    return str(found[-1])


def first_line(output: str) -> str:
    """What set-up says first."""
    return next(line for line in output.splitlines() if line.startswith("bootstrap: "))


@pytest.mark.parametrize(
    ("suite", "version", "tests"),
    [
        ("trixie", "v2", "make test"),
        ("trixie", "v1", "make test PYTEST_ARGS=tests/lab"),
        ("bookworm", "v2", "make test-unit"),
    ],
)
def test_privileged_container(suite: Suite, version: CgroupVersion, tests: str) -> None:
    with seeded(suite, True, version, "/root") as made:
        status, said = made.run(
            f"set -e\n{GIT}{CLONE}\nmake demo\nmake demo-down\n{tests}", timeout=3 * HOUR
        )

    assert status == 0, said[-3000:]
    assert re.search(r"OK: .* calls of \d+ kinds, none failed", said), said[-3000:]
    assert "failed" not in closing(said)


def test_container_with_default_capabilities() -> None:
    with seeded("trixie", False, "v2", "/root") as made:
        status, said = made.run(
            f"set -e\n{GIT}{CLONE}\nmake demo && echo DEMO ENDS\nmake test", timeout=2 * HOUR
        )

    assert status == 0, said[-3000:]
    demo, _, tests = said.partition("DEMO ENDS")
    assert NO_MACHINE in first_line(demo), "it is said before anything else"
    assert "docker run --privileged" in demo
    assert NO_CALL in demo[-2000:]
    assert "Kamailio accepts the configurations" in demo
    assert NO_MACHINE in tests
    assert "failed" not in closing(tests)


def test_user_without_root() -> None:
    home = f"/home/{USER}"
    with seeded("trixie", False, "v2", home) as made:
        _add_user(made, "git make python3 python3-venv")
        status, said = made.run(
            f"set -e\n{CLONE}\nmake demo && echo DEMO ENDS\nmake test",
            user=USER, timeout=2 * HOUR,
        )  # fmt: skip

    assert status == 0, said[-3000:]
    demo, _, tests = said.partition("DEMO ENDS")
    assert NO_MACHINE in first_line(demo)
    assert "you are not root" in demo
    assert NO_CALL in demo[-2000:]
    assert "were not checked: there is no `kamailio`" in demo
    assert "you are not root" in tests
    assert "failed" not in closing(tests)


def test_what_is_missing_is_named_for_a_user_without_root() -> None:
    with place("trixie", "default") as made:
        _add_user(made, "git make")
        status, said = made.run(f"{CLONE} && make demo", user=USER, timeout=HOUR)

    assert status != 0
    assert "apt-get install --no-install-recommends python3 python3-venv" in said
    assert "Traceback" not in said


def test_what_root_left_is_a_sentence_for_another_user() -> None:
    with place("trixie", "default") as made:
        _add_user(made, "git make python3 python3-venv")
        status, said = made.run(
            f"set -e\ncd /home/{USER}\n{CLONE}\nmkdir .venv\nmkdir -p -m 700 /var/tmp/c4-lab/demo",
            timeout=HOUR,
        )
        assert status == 0, said
        status, said = made.run("cd c4 && make demo", user=USER, timeout=HOUR)

    assert status != 0
    assert re.search(r"\.venv belongs to root, and has to change", said), said
    assert "Traceback" not in said


def test_machine_without_make() -> None:
    with place("trixie", "default") as made:
        status, said = made.run(
            f"set -e\n{DEBIAN.format(packages='git')}{CLONE}\n"
            "scripts/bootstrap demo\n./c4 --version",
            timeout=HOUR,
        )

    assert status == 0, said[-3000:]


def test_place_leaves_nothing() -> None:
    with place("trixie", "privileged") as made:
        group = made.group
        status, said = made.run("sleep 1000 & mount -t tmpfs tmpfs /mnt && id -u", timeout=60)
    mounts = Path("/proc/self/mounts").read_text()

    assert (status, said) == (0, "0\n")
    assert not made.directory.exists()
    assert not group.exists()
    assert str(made.directory) not in mounts


def _add_user(made: Place, packages: str) -> None:
    status, said = made.run(
        f"{DEBIAN.format(packages=packages)}useradd --create-home {USER}\n"
        f"chown -R {USER}: /home/{USER}",
        timeout=HOUR,
    )
    assert status == 0, said[-3000:]
