"""Input of the stages of `provision.sh`: their files here, programs, packages, our own code."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host import golang
from host.caches import build_once, digest
from host.errors import HostError
from host.paths import cache_dir
from host.run import argv, run
from image import consul

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
REQUIREMENTS: Final = ROOT / "requirements/instance.lock"
PYTHON: Final = "3.13"  # Debian 13's
# Our own packages that run on an instance.
CODE: Final = ("common", "agent", "router_confd")
# The stages of `provision.sh`, with the files of this directory that each reads beside its script.
STAGES: Final[dict[str, tuple[str, ...]]] = {
    "os": ("files/os", "kamailio-module", "kamailio-backport"),
    "tools": (),
    "app": ("files/app",),
    "lab": ("files/lab",),
    "rds": ("files/rds",),
}
AMI_STAGES: Final = ("os", "tools", "app")
IGNORED: Final = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def stage_files(stage: str) -> list[Path]:
    """The files, and whole directories, that a stage of `STAGES` consists of."""
    names = ("provision.sh", "stages/common.sh", f"stages/{stage}.sh", *STAGES[stage])
    return [HERE / name for name in names]


def copy_stages(target: Path, *stages: str) -> None:
    """Copy `provision.sh` to the directory `target`, with the files of these stages only.

    So a stage fails when it reads a file that is not one of its own.
    """
    for source in {path for stage in stages for path in stage_files(stage)}:
        copy = target / source.relative_to(HERE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=IGNORED)
        else:
            shutil.copy(source, copy)


def wheels(progress: Callable[[str], None]) -> Path:
    """Directory with the instances' Python packages, built for Debian 13's Python."""
    if not REQUIREMENTS.exists():
        raise HostError(f"{REQUIREMENTS} is missing", "make lock")
    arch = platform.machine()
    target = cache_dir() / "wheels" / f"{arch}-{digest([REQUIREMENTS, PYTHON])}"

    def build(part: Path) -> None:
        progress("fetching the instances' Python packages")
        common = ["--target", str(part), "--python-version", PYTHON, "--only-binary", ":all:"]
        common += ["--no-deps", "--require-hashes", "-r", str(REQUIREMENTS)]
        uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        if uv:
            platform_args = ["--python-platform", f"{arch}-manylinux_2_40"]
            command = [uv, "pip", "install", "--quiet", *platform_args, *common]
        else:
            platforms = [f"manylinux_2_{minor}_{arch}" for minor in range(40, 16, -1)]
            platform_args = [
                a for p in (*platforms, f"manylinux2014_{arch}") for a in ("--platform", p)
            ]
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
            command = [*pip, "--implementation", "cp", *platform_args, *common]
        run(
            command,
            timeout=900,
            hint="the Python package index must be reachable for this",
            ends=True,
        )

    build_once(target, build)
    return target


def copy_code(target: Path) -> None:
    """Copy our own packages that run on an instance to `target`."""
    target.mkdir(parents=True)
    for package in CODE:
        shutil.copytree(ROOT / package, target / package, ignore=IGNORED)


def code_digest() -> str:
    """Hash of the packages that `copy_code` copies."""
    return digest(ROOT / package for package in CODE)


def tools_identity(release: consul.Release | None) -> list[str]:
    """What the input of the stage `tools` is made of, as parts of a hash."""
    template = digest([golang.TOOLS / "consul-template"])
    return [digest([REQUIREMENTS]), consul.identity(release), template]


def write_tools(
    target: Path,
    rds_ca: Path,
    progress: Callable[[str], None],
    release: consul.Release | None = None,
) -> None:
    """Fill `target` with the input of the stage `tools`, as hard links where possible.

    Consul is that of `release`, or built from Go modules. Raises `HostError`.
    """
    (target / "bin").mkdir(parents=True)
    program = consul.program(release, progress)
    origin = "built from Go modules" if release is None else f"the release at {release.url}"
    progress(f"Consul {program.version}, {origin}")
    _link(program.path, target / "bin" / consul.NAME)
    _link(golang.tool("consul-template", progress), target / "bin" / "consul-template")
    shutil.copy(rds_ca, target / "rds-ca.pem")
    (target / "site-packages").symlink_to(wheels(progress))


def write_archive(
    archive: Path,
    rds_ca: Path,
    progress: Callable[[str], None],
    release: consul.Release | None = None,
) -> None:
    """Write the payload of an AMI, with provision.sh beside it, as a gzip'd tar file.

    Consul is that of `release`, or built from Go modules. Raises `HostError`, and then `archive`
    is as it was.
    """
    work = archive.with_name(archive.name + ".part.d")
    shutil.rmtree(work, ignore_errors=True)
    try:
        payload = work / "payload"
        write_tools(payload, rds_ca, progress, release)
        copy_code(payload / "app")
        copy_stages(work, *AMI_STAGES)
        progress(f"writing {archive}")
        part = archive.with_name(archive.name + ".part")
        # Order, owner and time are fixed, so that the same inputs give the same archive.
        tar = ["tar", "--create", "--gzip", "--dereference", "--sort=name", "--mtime=@0"]
        tar += ["--owner=0", "--group=0", "--numeric-owner", f"--file={part}"]
        subprocess.run(argv([*tar, f"--directory={work}", "."]), check=True)
        part.rename(archive)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy2(source, target)
