"""Versions: of this project, of what it uses on this machine, and of what is in an image."""

from __future__ import annotations

import json
import platform
import re
import shutil
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from rich.table import Table

from common import paths
from host.errors import HostError
from host.paths import cache_dir
from host.run import run
from settings.load import ROOT

# Python packages that decide what is synthesized and what the local cloud answers.
PACKAGES: Final = (
    "cdktf", "cdktf-cdktf-provider-aws", "cdktn", "cdktn-provider-aws", "jsii", "moto", "pydantic",
)  # fmt: skip
PROGRAMS: Final = {"node": "node", "terraform": "terraform", "tofu": "opentofu"}
NUMBER: Final = re.compile(r"v(\d[\w.+-]*)")


@dataclass(frozen=True)
class Versions:
    """Versions by name; what is not there has none."""

    version: str  # of this project
    revision: str  # short hash of the commit, `+` when files differ from it; empty without git
    tools: Mapping[str, str]  # on this machine
    image: Mapping[str, str]  # in the newest machine image of this machine

    def json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def table(self) -> Table:
        """For a terminal."""
        made = Table.grid(padding=(0, 2))
        made.add_row("wazo-c4-aws", f"{self.version} ({self.revision or 'no git revision'})")
        for title, found in (("on this machine", self.tools), ("in the machine image", self.image)):
            made.add_row()
            made.add_row(f"[bold]{title}")
            if not found:
                made.add_row("none", "make demo builds it")
            for name, number in found.items():
                made.add_row(name, number)
        return made


def project_version() -> str:
    """The checkout's version, such as `1.4.2`, no matter how it was installed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        version: str = tomllib.load(file)["project"]["version"]
    return version


def revision() -> str:
    """Short hash of the checkout's commit, `+` when files differ from it; empty without git."""
    try:
        command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--dirty=+"]
        return run(command, check=False).stdout.strip()
    except HostError:
        return ""


def tools() -> dict[str, str]:
    """Versions of what synthesizes, deploys and tests on this machine."""
    found = {"python": platform.python_version()}
    for program, name in PROGRAMS.items():
        if shutil.which(program):
            # Terraform would ask its maker for a newer version.
            command = ["env", "CHECKPOINT_DISABLE=1", program, "--version"]
            said = NUMBER.search(run(command, check=False).stdout)
            found |= {name: said[1]} if said else {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def in_image(layers: Iterable[Path]) -> dict[str, str]:
    """Versions in an image, whose layers are given topmost first; none for one that has no list."""
    for layer in layers:
        manifest = layer / paths.VERSIONS.relative_to("/")
        if manifest.exists():
            versions: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
            return versions
    return {}


def newest_image() -> list[Path]:
    """The topmost layer of the image that was built last on this machine, if there is one."""
    layers = [p for p in (cache_dir() / "image").glob("app-*") if not p.suffix]  # `.part`: not yet
    return sorted(layers, key=lambda layer: layer.stat().st_mtime)[-1:]


def versions() -> Versions:
    """All of them."""
    return Versions(project_version(), revision(), tools(), in_image(newest_image()))


def in_a_line(found: Mapping[str, str]) -> str:
    """`kamailio 6.0.1, consul 1.19.2`."""
    return ", ".join(f"{name} {number}" for name, number in found.items())
