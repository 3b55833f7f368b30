"""The file system layers that machines of the local cloud boot from.

Each layer is an overlay directory in the cache, named by the hash of everything that went into it:

    root   debootstrap                            half a minute, once
    os     provision.sh os                        a minute, when packages change
    lab    lab-layer.sh                           seconds
    tools  provision.sh tools                     seconds; builds Consul before, once
    app    provision.sh app                       a second, when our code changes
    rds    rds-layer.sh, beside `tools` and `app`

An interrupted build loses one layer at most. From complete caches nothing touches the network.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host import certificates, golang
from host.caches import build_once, digest, prune
from host.errors import HostError
from host.paths import cache_dir, labs_dir
from host.run import argv, run
from image import debian, payload

HERE: Final = Path(__file__).parent
STAGE_LIMIT: Final = 1800  # seconds

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """Layers of a machine, topmost first."""

    instance: tuple[Path, ...]
    database: tuple[Path, ...]


def build(progress: Progress) -> Image:
    """Complete layers, made as far as the cache lacks them. Raises `HostError`."""
    ca = certificates.authority().certificate_file
    root = debian.root(progress)
    files = HERE / "files"
    os_layer = _layer(
        "os", [root], ["provision.sh", "os"], progress, "installing Debian packages",
        inputs=[HERE / "packages.txt", files / "apt.conf", files / "dpkg.cfg", files / "cloud.cfg",
                files / "http_async_client.patch", _function("mend_kamailio"),
                _function("os_stage"), _function("system_user")],
        online=True,
    )  # fmt: skip
    lab_layer = _layer(
        "lab", [os_layer, root], ["lab-layer.sh", "/run/c4-build/ca.pem"], progress,
        "adapting the image to the local cloud",
        inputs=[HERE / "lab-layer.sh", files / "cloud-lab.cfg", files / "journald-lab.conf",
                files / "resolv.conf", ca],
        shared={"ca.pem": ca},
    )  # fmt: skip
    system = [lab_layer, os_layer, root]
    tools = _tools(system, ca, progress)
    app = _app([tools, *system], progress)
    database = _layer(
        "rds", system, ["rds-layer.sh"], progress, "installing PostgreSQL",
        inputs=[HERE / "rds-layer.sh", files / "postgresql-rds.conf", files / "pg_hba-rds.conf",
                files / "c4-database.service"],
        online=True,
    )  # fmt: skip
    return Image(instance=(app, tools, *system), database=(database, *system))


def _tools(system: Sequence[Path], ca: Path, progress: Progress) -> Path:
    content = [
        digest([payload.REQUIREMENTS]),
        *(digest([golang.TOOLS / n]) for n in payload.PROGRAMS),
    ]

    def share(shared: Path) -> None:
        payload.write_tools(shared / "payload", ca, progress)
        (shared / "payload/site-packages").unlink()
        shutil.copytree(
            payload.wheels(progress), shared / "payload/site-packages", copy_function=os.link
        )

    return _layer(
        "tools", system, ["provision.sh", "tools", "/run/c4-build/payload"], progress,
        "installing Consul and the Python environment",
        inputs=[_function("tools_stage"), ca, *content], prepare=share,
    )  # fmt: skip


def _app(below: Sequence[Path], progress: Progress) -> Path:
    def share(shared: Path) -> None:
        payload.copy_code(shared / "payload/app")

    return _layer(
        "app", below, ["provision.sh", "app", "/run/c4-build/payload"], progress,
        "installing our code",
        inputs=[_function("app_stage"), payload.code_digest()], prepare=share,
    )  # fmt: skip


def _layer(
    name: str,
    below: Sequence[Path],
    command: Sequence[str],
    progress: Progress,
    message: str,
    *,
    inputs: Sequence[Path | str],
    shared: dict[str, Path] | None = None,
    prepare: Callable[[Path], None] | None = None,
    online: bool = False,
) -> Path:
    """Directory with what `command` (a script of image/) changes on the layers `below`."""
    target = _directory() / f"{name}-{digest([*inputs, *(b.name for b in below)])}"

    def build_layer(part: Path) -> None:
        work = part.with_name(part.name + ".work")
        shutil.rmtree(work, ignore_errors=True)
        dirs = {d: work / d for d in ("work", "root", "shared")}
        for directory in dirs.values():
            directory.mkdir(parents=True)
        try:
            shutil.copytree(HERE, dirs["shared"] / "image", ignore=payload.IGNORED)
            for file_name, source in (shared or {}).items():
                shutil.copy(source, dirs["shared"] / file_name)
            if prepare:
                prepare(dirs["shared"])
            progress(message)
            script, *arguments = command
            done = run(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                 "--propagation", "private", HERE / "in-root.sh",
                 overlay_option(below), part, dirs["work"], dirs["root"], dirs["shared"],
                 "host" if online else "none", f"/run/c4-build/image/{script}", *arguments],
                timeout=STAGE_LIMIT, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                raise HostError(f"image: {script} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        finally:
            shutil.rmtree(work, ignore_errors=True)

    if build_once(target, build_layer):
        prune(_directory(), f"{name}-", keep={target, *_in_use()})
    return target


def overlay_option(layers: Sequence[Path]) -> str:
    """The layers, topmost first, as overlayfs wants them."""
    return ":".join(argv(layers))


def _in_use() -> set[Path]:
    """Layers that a lab boots its machines from, also later on."""
    used: set[Path] = set()
    for file in labs_dir().glob("*/config.json"):
        try:
            config = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        used |= {Path(layer) for kind in ("instance", "database") for layer in config.get(kind, [])}
    return used


def _function(name: str) -> str:
    """Text of one shell function of provision.sh: another stage's change leaves a layer valid."""
    lines = (HERE / "provision.sh").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{name}() {{"))
    return "\n".join(lines[start : lines.index("}", start) + 1])


def _directory() -> Path:
    return cache_dir() / "image"
