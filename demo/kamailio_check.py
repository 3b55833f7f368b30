"""Kamailio's own check of an instance's configuration, by a Kamailio of this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

from agent import facts
from agent.boot import local_cfg
from agent.consul import pki
from agent.kamailio import tier_addresses
from common import paths
from host import programs

OLDEST = (6, 0)  # what the configurations are written for
LIMIT_S = 60
PUBLIC = IPv4Address("203.0.113.10")  # stands for the Elastic IP that an SBC claims at boot
# The folders of an instance that its configuration names.
FOLDERS = (paths.KAMAILIO_CONFIG, paths.RUN, Path("/run/kamailio"))


def obstacle() -> str:
    """Why no configuration can be checked here; empty when it can."""
    program = find()
    if program is None:
        return "there is no `kamailio` on this machine; Debian 13 has the right one"
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"kamailio (\d+)\.(\d+)", said)
    if found is None or tuple(map(int, found.groups())) < OLDEST:
        version = found[0] if found else "this kamailio"
        return f"{version} is too old: {'.'.join(map(str, OLDEST))} or newer is needed"
    return ""


def find() -> str | None:
    return shutil.which("kamailio", path=programs.PATH)


def check(folder: Path) -> str:
    """What Kamailio complains about in the files of an instance below `folder`; empty: nothing.

    `folder` gets what the agent writes at boot, and paths in its files begin with `folder`.
    """
    program = find()
    assert program is not None, obstacle()
    folder = folder.resolve()
    _boot(folder)
    for file in (f for f in folder.rglob("*") if f.is_file()):
        text = file.read_text(encoding="utf-8")
        for place in FOLDERS:
            text = re.sub(rf"(?<![\w.-]){place}(?=[/\"\s]|$)", f"{folder}{place}", text, flags=re.M)
        file.write_text(text, encoding="utf-8")
    config = folder / paths.KAMAILIO_CFG.relative_to("/")
    done = subprocess.run(
        [program, "-c", "-f", str(config), "-Y", str(folder / "run/kamailio")],
        capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = (done.stdout + done.stderr).splitlines()
    words = ("ERROR", "WARNING", "CRITICAL")
    complaints = [line for line in lines if any(word in line for word in words)]
    if done.returncode and not complaints:
        complaints = [f"exit status {done.returncode}", *lines[-3:]]
    return "\n".join(complaints)


def _boot(folder: Path) -> None:
    """What `c4-agent boot` adds to the files of cloud-init."""

    def at(path: Path) -> Path:
        place = folder / path.relative_to("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    at(Path("/run/kamailio/pid"))
    own = facts.load(at(paths.INSTANCE))
    at(paths.LOCAL_CFG).write_text(local_cfg(own), encoding="utf-8")
    for source in at(paths.INITIAL_LISTS).glob("*"):
        shutil.copy(source, at(paths.KAMAILIO / source.name))
    pair = pki.issue_server(pki.new_authority("demo"), ["sbc"], PUBLIC)
    at(paths.TLS_CERTIFICATE).write_text(pair.certificate, encoding="utf-8")
    at(paths.TLS_KEY).write_text(pair.key, encoding="utf-8")
    table = tier_addresses.table([PUBLIC])
    at(paths.KAMAILIO / tier_addresses.TABLE).write_text(table, encoding="utf-8")
