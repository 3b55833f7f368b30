"""The image's Kamailio loads the registrations that we write; nothing less tells a good table."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from router_confd.auth.crypto import Vault
from router_confd.config import Secrets
from router_confd.directory.store import Directory
from router_confd.routing.registrations import table

pytestmark = [pytest.mark.lab, pytest.mark.slow]

CONFIG = """#!KAMAILIO
log_stderror=yes
children=1
listen=udp:127.0.0.1:5999
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "ctl.so"
loadmodule "rr.so"
loadmodule "db_text.so"
loadmodule "uac.so"
modparam("ctl", "binrpc", "unix:/run/ctl")
modparam("uac", "reg_db_url", "text:///run/db")
modparam("uac", "reg_contact_addr", "127.0.0.1:5999")
modparam("uac", "restore_mode", "none")
modparam("uac", "reg_timer_interval", 3000)
request_route { exit; }
"""
# In mount, network and process namespaces of its own: everything is gone when the script ends.
SCRIPT = """
set -e
ip link set lo up
mount -t tmpfs tmpfs "$1/space"
mkdir "$1/space/up" "$1/space/work" "$1/space/root"
root=$1/space/root
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/space/up,workdir=$1/space/work" "$root"
mkdir -p "$root/run" "$root/dev" "$root/proc"
mount --bind "$1/run" "$root/run"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
chroot "$root" /usr/sbin/kamailio -f /run/kamailio.cfg -DD -E -u root >"$1/log" 2>&1 &
for _ in $(seq 100); do
  chroot "$root" kamcmd -s unix:/run/ctl uac.reg_dump 2>/dev/null && break
  sleep 0.1
done
kill %1
"""


@pytest.fixture(scope="module")
def layers() -> str:
    """The machine image's file system, as overlayfs names it."""
    from host.paths import cache_dir
    from image import layers

    if os.environ.get("CI") != "true" and not list((cache_dir() / "image").glob("os-*")):
        pytest.skip("no machine image yet: run `make demo` once")
    return ":".join(map(str, layers.build(print).instance))


def directory(vault: Vault) -> Directory:
    result = Directory()
    for number, realm, password in ((1, "realm.example", "p:a\\ss"), (2, None, "plain")):
        sealed = vault.encrypt(password, "t")
        proxy, registrar, origin = "192.0.2.1", "127.0.0.1", "from.example"
        login = (f"user{number}", sealed, realm)
        result.trunks.put(
            [
                (
                    number,
                    "t",
                    None,
                    proxy,
                    5060,
                    None,
                    True,
                    *login,
                    registrar,
                    origin,
                    600,
                    None,
                    None,
                    None,
                )
            ]
        )
    return result


def test_kamailio_loads_every_registration(layers: str, tmp_path: Path) -> None:
    vault = Vault(Secrets.model_validate({"api_key": "x" * 16, "encryption_key": "y" * 16}))
    (tmp_path / "run/db").mkdir(parents=True)
    (tmp_path / "space").mkdir()
    (tmp_path / "run/kamailio.cfg").write_text(CONFIG)
    (tmp_path / "run/db/uacreg").write_text(table(directory(vault), vault))
    (tmp_path / "run/db/version").write_text("table_name(string) table_version(int)\nuacreg:5\n")
    done = subprocess.run(
        ["unshare", "-m", "-n", "-p", "-f", "bash", "-c", SCRIPT, "bash", str(tmp_path), layers],
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    shown = [line.strip().split(": ", 1) for line in done.stdout.splitlines() if ": " in line]
    loaded: dict[str, dict[str, str]] = {}
    for name, value in shown:
        if name == "l_uuid":
            loaded[value] = {}
        if loaded:
            loaded[list(loaded)[-1]][name] = value
    assert sorted(loaded) == ["1", "2"], done.stderr + (tmp_path / "log").read_text()
    assert loaded["1"]["auth_password"] == "p:a\\ss"
    assert loaded["1"]["realm"] == "realm.example"
    assert loaded["2"]["auth_password"] == "plain"
    assert loaded["2"]["auth_proxy"] == "sip:127.0.0.1"
