"""Is it known before any work whether this machine can boot machines, and mended what can be?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host import abilities, preflight, programs
from host.errors import HostError
from settings.load import ROOT

# A mount namespace whose mounts vanish with it, with an overlay as a container has it for its root.
ON_OVERLAY = """
set -e
cd "$1"
mkdir lower upper work root
mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work root
shift
exec "$@"
"""
PREPARE = """
import sys
from pathlib import Path
from host import storage
from host.paths import cache_dir, labs_dir

storage.DISK = Path(sys.argv[1], "disk")
storage.LEAST = storage.SPARE = 1 << 20
storage.MOST = 64 << 20
cache_dir().mkdir(parents=True)
(cache_dir() / "before").write_text("kept")
assert not storage.carries_overlays(cache_dir())
storage.prepare(print)
assert storage.carries_overlays(cache_dir())
assert storage.carries_overlays(labs_dir())
assert (cache_dir() / "before").read_text() == "kept"
storage.prepare(lambda _: sys.exit("done already"))
"""
VERSION_1_ONLY = """
set -e
umount --lazy --recursive /sys/fs/cgroup
mount -t tmpfs tmpfs /sys/fs/cgroup
exec "$@"
"""
MOUNT_GROUPS = """
from host import preflight
from lab.machines import cgroups

preflight.mount_control_groups(print)
assert (cgroups.root() / "cgroup.procs").exists()
preflight.mount_control_groups(lambda _: exit("done already"))
"""


def isolated(script: str, *arguments: str | Path, **environment: str) -> str:
    """What a shell script says in a mount namespace of its own."""
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tried(*prefix: str) -> list[str]:
    """What the script finds missing when it is run with less."""
    done = subprocess.run([*prefix, "sh", abilities.SCRIPT], capture_output=True, text=True)
    assert done.returncode == (1 if done.stdout else 0), done.stderr
    return done.stdout.splitlines()


@pytest.mark.lab
def test_who_is_not_root_is_told_so() -> None:
    assert tried("setpriv", "--reuid=65534", "--clear-groups") == ["you are not root"]


@pytest.mark.lab
def test_container_without_privileges_is_recognized() -> None:
    (reason,) = tried("setpriv", "--bounding-set=-all,+chown,+setuid,+sys_chroot,+mknod")

    assert reason.startswith("no namespaces can be made: ")
    assert "not permitted" in reason


@pytest.mark.lab
def test_machine_that_boots_machines_has_all_abilities() -> None:
    assert tried() == []


def test_error_says_what_is_missing_and_where_machines_can_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(abilities, "missing", lambda: ("no bridges: not supported",))

    with pytest.raises(HostError, match="no bridges") as error:
        preflight.require_host()

    assert "docker run --privileged" in str(error.value)
    assert "virtual machine" in str(error.value)


def test_missing_programs_are_named_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abilities, "missing", tuple)
    missing = [
        programs.Program("ip", "iproute2", "lab"),
        programs.Program("nft", "nftables", "lab"),
    ]
    monkeypatch.setattr(programs, "missing", lambda: missing)

    with pytest.raises(HostError, match="missing programs: ip, nft") as error:
        preflight.require_host()

    assert "apt-get install iproute2 nftables" in str(error.value)


@pytest.mark.lab
def test_on_an_overlay_cache_and_labs_get_a_file_system_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "root"
    said = isolated(
        ON_OVERLAY, tmp_path, sys.executable, "-c", PREPARE, root,
        XDG_CACHE_HOME=str(root / "cache"), C4_LAB_DIR=str(root / "lab"),
    )  # fmt: skip

    assert "making a file system for overlays" in said


@pytest.mark.lab
def test_unified_control_groups_are_mounted_beside_version_1() -> None:
    said = isolated(VERSION_1_ONLY, sys.executable, "-c", MOUNT_GROUPS)

    assert "mounting the unified control groups" in said
