"""A place where a new user sits: a bare Debian in namespaces of its own, laid out as by Docker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from host import golang
from host.caches import build_once, digest
from host.errors import HostError
from host.paths import cache_dir
from host.run import Argument, argv, run
from image.debian import debian_mirror
from lab.machines import cgroups

ENTER: Final = Path(__file__).parent / "enter.sh"
ROOT: Final = Path(__file__).parents[2]
PREFIX: Final = "c4-place-"
FOLDER: Final = Path("/var/tmp")
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUNDLE: Final = Path("/mnt/c4.bundle")
USER: Final = "dev"
DEBOOTSTRAP_LIMIT: Final = 1800  # seconds
# What tells programs how this machine reaches package mirrors: proxies, certificates, indexes.
HANDED_IN: Final = re.compile(
    r"^(pip|uv|npm_config)_\w+$|^(https?|no|all)_proxy$|^go(proxy|sumdb|noproxy|nosumdb|insecure)$"
    r"|^ssl_cert_(file|dir)$|^(curl|requests)_ca_bundle$|^node_extra_ca_certs$"
    r"|^c4_terraform_mirror$",
    re.IGNORECASE,
)
APT: Final = re.compile(r'^Acquire::(\w+::Proxy\S*|Check-\w+|https?::\S*) "[^"]+";$', re.MULTILINE)
CONFIGURATION: Final = ("/etc/pip.conf", "/etc/npmrc", "/usr/etc/npmrc", "/root/.npmrc")
CERTIFICATES: Final = Path("/usr/local/share/ca-certificates")

SEEDS: Final = ("bin", "wheels", "terraform/mirror")

Suite = Literal["trixie", "bookworm"]
Privileges = Literal["privileged", "default"]
CgroupVersion = Literal["v1", "v2"]


@dataclass(frozen=True)
class Place:
    """A place that exists until its context ends."""

    directory: Path
    root: Path  # the bare Debian below it
    group: Path  # control group of everything that runs in it
    privileges: Privileges
    cgroups: CgroupVersion

    @property
    def upper(self) -> Path:
        """What has been written in the place, by path."""
        return self.directory / "upper"

    def run(
        self,
        script: str,
        *,
        user: str = "root",
        privileges: Privileges | None = None,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> tuple[int, str]:
        """Exit status and output of a shell script, whose lines also appear on our standard error.

        Everything that it starts ends with it. Raises `HostError` after `timeout` seconds.
        """
        home = "/root" if user == "root" else f"/home/{user}"
        handed_in = {k: v for k, v in os.environ.items() if HANDED_IN.match(k)}
        folders = [v for v in handed_in.values() if v.startswith("/") and Path(v).is_dir()]
        binds = sorted({f for f in folders if not f.startswith("/etc/")})
        inside = {"PATH": PATH, "HOME": home, "LC_ALL": "C.UTF-8", "TERM": "dumb", **handed_in}
        enter: list[Argument] = [
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork",
            "--kill-child=KILL", "--propagation", "private",
            ENTER, self.root, self.directory, privileges or self.privileges, self.cgroups, user,
            ":".join(binds), "/bin/sh", "-c", f"cd {home}\n{script}",
        ]  # fmt: skip
        move = 'for f in "$@"; do shift; [ "$f" != -- ] || break; echo $$ >"$f"; done; exec "$@"'
        command: list[Argument] = [
            "sh",
            "-c",
            move,
            "sh",
            self.group / "cgroup.procs",
            "--",
            *enter,
        ]
        log = log or self.directory / "log"
        deadline = time.monotonic() + timeout
        with log.open("ab") as out:
            start = out.tell()
            process = subprocess.Popen(
                argv(command), env=inside | dict(environment or {}), stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            with log.open("rb") as read:
                read.seek(start)
                while True:
                    ended = process.poll() is not None
                    sys.stderr.write(read.read().decode(errors="replace"))
                    sys.stderr.flush()
                    if ended:
                        break
                    if time.monotonic() > deadline:
                        raise HostError(f"not finished after {timeout:.0f} s", f"see {log}")
                    time.sleep(0.2)
        finally:
            self._end()
            process.wait()
        with log.open("rb") as read:
            read.seek(start)
            return process.returncode, read.read().decode(errors="replace")

    def seed(self, home: str = "/root") -> None:
        """Put what takes long to build and does not depend on a place into its cache.

        That is what this machine has of Consul, Python packages and the AWS provider, and OpenTofu,
        which it builds if it has none.
        """
        golang.tool("opentofu", print)
        for name in SEEDS:
            if (source := cache_dir() / name).is_dir():
                target = self.upper / home.lstrip("/") / ".cache/c4" / name
                shutil.copytree(source, target, symlinks=True)

    def _end(self) -> None:
        cgroups.kill(self.group)
        self.group.mkdir(exist_ok=True)


@contextmanager
def place(
    suite: Suite = "trixie",
    privileges: Privileges = "privileged",
    cgroup_version: CgroupVersion = "v2",
) -> Iterator[Place]:
    """A bare Debian with the machine's configuration of package mirrors, and a bundle of our code.

    Nothing of it is left afterwards. Raises `HostError`.
    """
    sweep()
    root = debian(suite)
    name = f"{PREFIX}{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=FOLDER) as temporary:
        directory = Path(temporary)
        for part in ("upper", "work", "root"):
            (directory / part).mkdir()
        made = Place(directory, root, cgroups.create(name), privileges, cgroup_version)
        try:
            _configure(made.upper)
            yield made
        finally:
            cgroups.kill(made.group)


def debian(suite: Suite) -> Path:
    """A bare Debian as in Docker's image, in the cache."""
    target = cache_dir() / "places" / f"{suite}-{digest([suite])}"

    def build(part: Path) -> None:
        run(
            ["debootstrap", "--variant=minbase", suite, part, *debian_mirror()],
            timeout=DEBOOTSTRAP_LIMIT,
            hint="a Debian mirror must be reachable",
        )
        for lists in (part / "var/lib/apt/lists", part / "var/cache/apt/archives"):
            for file in lists.glob("*_*"):
                file.unlink()

    build_once(target, build)
    return target


def _configure(upper: Path) -> None:
    """Write into a place how this machine reaches package mirrors, and our code as committed."""
    apt = run(["apt-config", "dump", "Acquire"], check=False).stdout
    lines = "".join(m[0] + "\n" for m in APT.finditer(apt))
    _write(upper / "etc/apt/apt.conf.d/90host", lines)
    for name in CONFIGURATION:
        if Path(name).is_file():
            _write(upper / name.lstrip("/"), Path(name).read_text())
    if CERTIFICATES.is_dir():
        shutil.copytree(CERTIFICATES, upper / str(CERTIFICATES).lstrip("/"))
    bundle = upper / str(BUNDLE).lstrip("/")
    bundle.parent.mkdir(parents=True)
    run(["git", "-C", ROOT, "bundle", "create", "--quiet", bundle, "HEAD"])
    bundle.chmod(0o644)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def sweep() -> None:
    """Remove what a killed run has left."""
    for group in cgroups.root().glob(f"{PREFIX}*"):
        if not _alive(group.name.removeprefix(PREFIX)):
            cgroups.kill(group)
    for directory in FOLDER.glob(f"{PREFIX}*-*"):
        if not _alive(directory.name.removeprefix(PREFIX).split("-")[0]):
            shutil.rmtree(directory, ignore_errors=True)


def _alive(pid: str) -> bool:
    return not pid.isdigit() or Path("/proc", pid).exists()
