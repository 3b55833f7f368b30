"""The first layer: a minimal Debian from the host's mirror."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.caches import build_once, digest
from host.paths import cache_dir
from host.run import run

LIMIT: Final = 1800  # seconds
SUITE: Final = "trixie"
FIRST_PACKAGES: Final = (
    "systemd-sysv,dbus,ca-certificates"  # apt installs the rest, because it resolves better
)


def root(progress: Callable[[str], None]) -> Path:
    """Directory of the first layer, made on first use."""
    target = cache_dir() / "image" / f"root-{digest([SUITE, FIRST_PACKAGES])}"

    def build_root(part: Path) -> None:
        progress(f"debootstrap of Debian {SUITE}")
        # With mounts of its own: those that it makes below `part` end with it, whatever ends it.
        command = [
            *("unshare", "--mount", "--propagation", "private"),
            "debootstrap",
            "--variant=minbase",
            f"--include={FIRST_PACKAGES}",
            SUITE,
            str(part),
        ]
        run([*command, *debian_mirror()], timeout=LIMIT, ends=True,
            hint="a Debian mirror must be reachable; see debootstrap/debootstrap.log in the "
            f"cache {target}.part")  # fmt: skip

    build_once(target, build_root)
    return target


def debian_mirror() -> list[str]:
    """The mirror of the host's apt if the host is a Debian, else debootstrap's default."""
    fields = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Origin: Debian"]
    if shutil.which("apt-get") is None:
        return []
    lines = run(fields, check=False).stdout.splitlines()
    plain = [line.split() for line in lines if "-" not in line.split(" ")[0]]
    return [plain[0][1]] if plain else []
