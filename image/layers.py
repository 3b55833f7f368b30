"""The file system layers that machines of the local cloud boot from.

Each layer is an overlay directory in the cache, named by the hash of everything that it is made of:

    root   debootstrap, half a minute, once
    os     one to three minutes, when packages change
    lab    seconds
    tools  seconds; Consul is built before that, once
    app    a second, when our code changes
    rds    up to a minute; an alternative to `tools` and `app`

Each layer but `root` is made by the stage of `provision.sh` of the same name. A stage sees only
those files of this folder that its hash covers (`payload.STAGES`).

An interrupted build loses one layer at most. With complete caches nothing uses the network.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.sip_packages import SipPackages
from host import certificates
from host.caches import build_once, digest, prune
from host.errors import HostError
from host.paths import cache_dir, labs_dir
from host.preflight import prepare
from host.run import argv, run
from image import consul, debian, payload

HERE: Final = Path(__file__).parent
STAGE_LIMIT: Final = 1800  # seconds
VARIABLE: Final = "C4_SIP_PACKAGES"  # variant of the image for the local cloud and the tests

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """Layers of a machine, topmost first."""

    instance: tuple[Path, ...]
    database: tuple[Path, ...]


def sip_packages() -> SipPackages:
    """The variant that the environment asks for. Raises `HostError` for an unknown one."""
    chosen = os.environ.get(VARIABLE) or SipPackages.DEBIAN13
    try:
        return SipPackages(chosen)
    except ValueError:
        raise HostError(f"{VARIABLE}: {chosen!r}; allowed: {', '.join(SipPackages)}") from None


def build(progress: Progress, release: consul.Release | None = None) -> Image:
    """The complete layers; those that the cache lacks are made. Raises `HostError`.

    Consul is that of `release`, or built from Go modules.
    """
    variant = sip_packages()
    prepare(progress)
    ca = certificates.authority().certificate_file
    root = debian.root(progress)
    os_layer = _layer(
        "os", [root], progress, f"installing Debian packages, SIP packages: {variant}",
        arguments=[variant], inputs=[variant], online=True,
    )  # fmt: skip
    lab_layer = _layer(
        "lab", [os_layer, root], progress, "adapting the image to the local cloud",
        arguments=["/run/c4-build/ca.pem"], inputs=[ca],
        prepare=lambda shared: shutil.copy(ca, shared / "ca.pem"),
    )  # fmt: skip
    system = [lab_layer, os_layer, root]
    tools = _tools(system, ca, release, progress)
    app = _app([tools, *system], progress)
    database = _layer("rds", system, progress, "installing PostgreSQL", online=True)
    return Image(instance=(app, tools, *system), database=(database, *system))


def _tools(
    system: Sequence[Path], ca: Path, release: consul.Release | None, progress: Progress
) -> Path:
    content = payload.tools_identity(release)

    def share(shared: Path) -> None:
        payload.write_tools(shared / "payload", ca, progress, release)
        (shared / "payload/site-packages").unlink()
        shutil.copytree(
            payload.wheels(progress), shared / "payload/site-packages", copy_function=os.link
        )

    return _layer(
        "tools", system, progress, "installing Consul and the Python environment",
        arguments=["/run/c4-build/payload"], inputs=[ca, *content], prepare=share,
    )  # fmt: skip


def _app(below: Sequence[Path], progress: Progress) -> Path:
    return _layer(
        "app", below, progress, "installing our code",
        arguments=["/run/c4-build/payload"], inputs=[payload.code_digest()],
        prepare=lambda shared: payload.copy_code(shared / "payload/app"),
    )  # fmt: skip


def _layer(
    stage: str,
    below: Sequence[Path],
    progress: Progress,
    message: str,
    *,
    arguments: Sequence[str] = (),
    inputs: Sequence[Path | str] = (),
    prepare: Callable[[Path], object] | None = None,
    online: bool = False,
) -> Path:
    """Directory with the changes that a stage of provision.sh makes to the layers `below`.

    `prepare` fills a directory that the stage sees as /run/c4-build; `inputs` represents its
    content in the hash. The stage has the host's resolver only when it is `online`.
    """
    parts = [*payload.stage_files(stage), *inputs, *(b.name for b in below)]
    target = _directory() / f"{stage}-{digest(parts)}"

    def build_layer(part: Path) -> None:
        work = part.with_name(part.name + ".work")
        shutil.rmtree(work, ignore_errors=True)
        dirs = {d: work / d for d in ("work", "root", "shared")}
        for directory in dirs.values():
            directory.mkdir(parents=True)
        try:
            payload.copy_stages(dirs["shared"] / "image", stage)
            if prepare:
                prepare(dirs["shared"])
            progress(message)
            done = run(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                 "--propagation", "private", HERE / "in-root.sh",
                 overlay_option(below), part, dirs["work"], dirs["root"], dirs["shared"],
                 "host" if online else "none",
                 "/run/c4-build/image/provision.sh", stage, *arguments],
                timeout=STAGE_LIMIT, check=False, ends=True,
            )  # fmt: skip
            if done.returncode != 0:
                output = done.stdout + done.stderr
                raise HostError(f"image: stage {stage} failed:\n{output[-3000:]}")
        finally:
            shutil.rmtree(work, ignore_errors=True)

    if build_once(target, build_layer):
        prune(_directory(), f"{stage}-", keep={target, *_in_use()})
    return target


def overlay_option(layers: Sequence[Path]) -> str:
    """The layers, topmost first, as an option of overlayfs."""
    return ":".join(argv(layers))


def _in_use() -> set[Path]:
    """Layers that a lab boots its machines from, now or later."""
    used: set[Path] = set()
    for file in labs_dir().glob("*/config.json"):
        try:
            config = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        used |= {Path(layer) for kind in ("instance", "database") for layer in config.get(kind, [])}
    return used


def _directory() -> Path:
    return cache_dir() / "image"
