"""Bad settings end with status 2, name variable, value and what is allowed, and show no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from router_confd.config import OLD_PREFIX, PREFIX, settings_table
from testbed.router_confd.instance import ROOT

pytestmark = pytest.mark.slow

SECRET = "a-secret-value-0123456789"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "database.json").write_text(json.dumps({"username": "u", "password": SECRET}))
    secrets = {"api_key": SECRET, "encryption_key": SECRET}
    (tmp_path / "secrets.json").write_text(json.dumps(secrets))
    return {
        "PATH": os.environ["PATH"],
        "C4_ROUTER_CONFD_DATABASE_HOST": "127.0.0.1",
        "C4_ROUTER_CONFD_DATABASE_CREDENTIALS_FILE": f"{tmp_path}/database.json",
        "C4_ROUTER_CONFD_SECRETS_FILE": f"{tmp_path}/secrets.json",
    }


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "router_confd", "check-config"],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stderr + done.stdout
    return done


def test_good(environment: dict[str, str]) -> None:
    done = check(environment)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DATABASE_PORT", "70000", "65535"),
        ("DATABASE_PORT", "x", "integer"),
        ("DATABASE_POOL", "1", "greater than or equal to 2"),
        ("KAMAILIO_LISTEN", "nonsense", "ADDRESS:PORT"),
        ("KAMAILIO_LISTEN", "host.example.com:9600", "ADDRESS:PORT"),
        ("API_LISTEN", "127.0.0.1:x", "ADDRESS:PORT"),
        ("MAX_STALENESS", "0", "greater than or equal to 1"),
        ("LOG_LEVEL", "LOUD", "DEBUG"),
        ("WAZO_AUTH_URL", "no url", "URL"),
        ("DATABASE_CA", "/no/such/file", "file"),
    ],
)
def test_bad_value(environment: dict[str, str], name: str, value: str, allowed: str) -> None:
    done = check(environment | {f"C4_ROUTER_CONFD_{name}": value})
    assert done.returncode == 2
    assert (
        f"C4_ROUTER_CONFD_{name}" in done.stderr and value in done.stderr and allowed in done.stderr
    )


def test_everything_wrong_is_told_at_once(environment: dict[str, str]) -> None:
    done = check(
        environment | {"C4_ROUTER_CONFD_DATABASE_PORT": "x", "C4_ROUTER_CONFD_LOG_LEVEL": "y"}
    )
    assert "DATABASE_PORT" in done.stderr and "LOG_LEVEL" in done.stderr


def test_old_names_are_refused_and_say_where_they_went(environment: dict[str, str]) -> None:
    done = check(
        environment | {f"{OLD_PREFIX}DATABASE_PORT": "5432", f"{OLD_PREFIX}LOG_LEVEL": "DEBUG"}
    )
    assert done.returncode == 2
    for name in ("DATABASE_PORT", "LOG_LEVEL"):
        assert f"{OLD_PREFIX}{name}: moved to {PREFIX}{name}" in done.stderr


def test_the_table_in_the_readme_is_current() -> None:
    assert settings_table() in (ROOT / "router_confd/README.md").read_text()


def test_nothing_set() -> None:
    done = check({"PATH": os.environ["PATH"]})
    assert done.returncode == 2
    for name in ("DATABASE_HOST", "DATABASE_CREDENTIALS_FILE", "SECRETS_FILE"):
        assert f"C4_ROUTER_CONFD_{name}" in done.stderr


def test_a_remote_database_needs_a_ca(environment: dict[str, str]) -> None:
    done = check(environment | {"C4_ROUTER_CONFD_DATABASE_HOST": "db.example.com"})
    assert done.returncode == 2 and "C4_ROUTER_CONFD_DATABASE_CA" in done.stderr


def test_tls_of_the_api_needs_both_files(environment: dict[str, str]) -> None:
    file = environment["C4_ROUTER_CONFD_SECRETS_FILE"]
    done = check(environment | {"C4_ROUTER_CONFD_API_TLS_CERT": file})
    assert done.returncode == 2 and "C4_ROUTER_CONFD_API_TLS_KEY" in done.stderr


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", f'{{"api_key": "short", "encryption_key": "{SECRET}"}}', f'["{SECRET}"]'],
)
def test_bad_secrets_file(environment: dict[str, str], content: str) -> None:
    Path(environment["C4_ROUTER_CONFD_SECRETS_FILE"]).write_text(content)
    done = check(environment)
    assert done.returncode == 2
    assert environment["C4_ROUTER_CONFD_SECRETS_FILE"] in done.stderr
    assert "short" not in done.stderr.replace("too_short", "")


def test_port_in_use_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-m", "router_confd"],
            cwd=ROOT,
            env=environment
            | {
                "C4_ROUTER_CONFD_KAMAILIO_LISTEN": listen,
                "C4_ROUTER_CONFD_API_LISTEN": "127.0.0.1:0",
                "C4_ROUTER_CONFD_SPOOL_DIR": str(tmp_path / "spool"),
            },
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"cannot listen on {listen}" in done.stderr
    assert "Traceback" not in done.stderr
