"""Consul for the image: built from Go modules, or an official release that a setting names.

The setting is `image.consul.release`, with the URL and the SHA-256 of a zip file as HashiCorp
publishes them. Nothing of the file is used before its hash is known to be right.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host import golang
from host.caches import build_once, digest
from host.download import download
from host.errors import HostError, InputError
from host.paths import cache_dir

NAME: Final = "consul"
SETTING: Final = "image.consul.release"
# The first and the last version that tests/agent/test_consul_versions.py tests.
FIRST: Final = (1, 19)
LAST: Final = (1, 19)
START_LIMIT_S: Final = 60
VERSION: Final = re.compile(r"^Consul v(\d+)\.(\d+)\.(\d+)(\S*)", re.MULTILINE)


@dataclass(frozen=True)
class Release:
    """An official release: URL of its zip file, and the file's SHA-256 in hexadecimal.

    With `allow_untested` it may be newer than the versions that this project is tested with.
    """

    url: str
    sha256: str
    allow_untested: bool = False


@dataclass(frozen=True)
class Program:
    """A program that can be installed; `version` is what it says itself, e.g. `1.21.0`."""

    path: Path
    version: str


def identity(release: Release | None) -> str:
    """What the program depends on, as a part of a hash."""
    return digest([golang.TOOLS / NAME]) if release is None else f"release {release.sha256.lower()}"


def program(release: Release | None, progress: Callable[[str], None]) -> Program:
    """The program: of `release`, or built from Go modules when that is None. Made once.

    Raises `InputError` when the release is not what the setting says or not a Consul that the
    configuration is made for, and `HostError` when it cannot be fetched or built.
    """
    if release is None:
        return Program(golang.tool(NAME, progress), golang.version(NAME))
    target = cache_dir() / "bin" / f"{NAME}-release-{release.sha256.lower()[:16]}"

    def build(part: Path) -> None:
        progress(f"fetching Consul from {release.url}")
        archive = part / "release.zip"
        download(release.url, release.sha256, archive)
        unpack(archive, part / NAME, release.url)
        archive.unlink()
        version = version_of(part / NAME, release.url)
        require_supported(version, release)
        (part / "version").write_text(version)
        progress(f"the release is Consul {version}, and its SHA-256 is right")

    try:
        build_once(target, build)
        version = (target / "version").read_text()
        require_supported(version, release)
    except HostError as error:
        raise type(error)(f"{SETTING}: {error}") from None
    return Program(target / NAME, version)


def unpack(archive: Path, target: Path, source: str) -> None:
    """Write the program in a release's zip file to `target`. Raises `InputError`."""
    try:
        with zipfile.ZipFile(archive) as file:
            names = file.namelist()
            if NAME not in names:
                others = ", ".join(sorted(names)[:5]) or "nothing"
                raise InputError(
                    f"{source} contains no {NAME!r}, but {others}",
                    f"name the zip file of Consul for Linux, {NAME}_VERSION_linux_{_goarch()}.zip",
                )
            with file.open(NAME) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{source} is not a zip file that can be read: {error}",
            "a release is a zip file, and its SHA-256 that of the zip file",
        ) from None
    target.chmod(0o755)


def version_of(path: Path, source: str) -> str:
    """The version that a program says it is, e.g. `1.21.0`, or `1.21.0+ent`."""
    try:
        done = subprocess.run(
            [path, "version"], capture_output=True, text=True, timeout=START_LIMIT_S,
            stdin=subprocess.DEVNULL, env={"PATH": os.defpath}, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"{source}: its {NAME!r} does not run on this machine ({platform.machine()}): {error}",
            f"name the zip file for linux_{_goarch()}",
        ) from None
    found = VERSION.search(done.stdout)
    if found is None:
        said = (done.stdout or done.stderr).strip()[:200]
        raise InputError(f"{source}: its {NAME!r} is not Consul; its version is {said!r}")
    return found[0].removeprefix("Consul v")


def require_supported(version: str, release: Release) -> None:
    """Raise `InputError` unless the version is one that this project is made for."""
    source = release.url
    number, plus, _ = version.partition("+")
    if plus:
        raise InputError(
            f"{source} is Consul {version}, the Enterprise edition, which needs a licence key",
            f"name the release {number}",
        )
    major, minor = (int(part) for part in number.split(".")[:2])
    if FIRST <= (major, minor) <= LAST:
        return
    if (major, minor) < FIRST or not release.allow_untested:
        allowed = f"{_dotted(FIRST)} to {_dotted(LAST)}"
        raise InputError(
            f"{source} is Consul {version}; allowed are versions {allowed}",
            "docs/image.md says how to try a newer one (image.consul.release.allow_untested)",
        )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(str(part) for part in version)


def _goarch() -> str:
    """This machine's architecture as HashiCorp writes it in the names of files."""
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
