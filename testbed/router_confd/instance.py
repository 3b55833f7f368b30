"""One running router-confd process, as production starts it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from testbed.router_confd.postgres import PASSWORD, USER, Postgres

ROOT = Path(__file__).parents[2]
API_KEY = "operator-key-0123456789"
ENCRYPTION_KEY = "encryption-key-0123456789"
START_LIMIT = 120.0  # seconds; the machine may be busy


def free_port() -> int:
    """Below those that the kernel gives to connections: it stays free until it is used."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def eventually(check: Callable[[], Any], limit: float = 60.0) -> Any:
    """The first true value of `check`; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        try:
            if value := check():
                return value
        except (httpx.HTTPError, AssertionError, KeyError):
            pass
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


class Instance:
    """Process, settings, and a client for each listener."""

    def __init__(self, postgres: Postgres, directory: Path, database: str, **extra: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.database = database
        self.internal_port, self.api_port = free_port(), free_port()
        self.credentials = directory / "database.json"
        self.credentials.write_text(json.dumps({"username": USER, "password": PASSWORD}))
        self.secrets = directory / "secrets.json"
        self.secrets.write_text(json.dumps({"api_key": API_KEY, "encryption_key": ENCRYPTION_KEY}))
        self.spool = directory / "spool"
        self.log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "C4_ROUTER_CONFD_DATABASE_HOST": str(postgres.directory),
            "C4_ROUTER_CONFD_DATABASE_PORT": str(postgres.port),
            "C4_ROUTER_CONFD_DATABASE_NAME": database,
            "C4_ROUTER_CONFD_DATABASE_CREDENTIALS_FILE": str(self.credentials),
            "C4_ROUTER_CONFD_SECRETS_FILE": str(self.secrets),
            "C4_ROUTER_CONFD_KAMAILIO_LISTEN": f"127.0.0.1:{self.internal_port}",
            "C4_ROUTER_CONFD_API_LISTEN": f"127.0.0.1:{self.api_port}",
            "C4_ROUTER_CONFD_SPOOL_DIR": str(self.spool),
        } | extra
        self.kamailio = httpx.Client(base_url=f"http://127.0.0.1:{self.internal_port}", timeout=60)
        self.api = self.user({"X-API-Key": API_KEY})

    def user(self, headers: dict[str, str]) -> httpx.Client:
        """A client of the management API that sends these headers."""
        url = f"http://127.0.0.1:{self.api_port}"
        return httpx.Client(base_url=url, timeout=60, headers=headers)

    def start(self, *, wait: bool = True) -> Instance:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "router_confd"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        if wait:
            self.wait()
        return self

    def wait(self) -> None:
        """Until it serves. Fails with its log when it ends instead."""
        deadline = time.monotonic() + START_LIMIT
        while not self.serving:
            assert self._process is not None
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    @property
    def serving(self) -> bool:
        try:
            return self.kamailio.get("/status").status_code == 204
        except httpx.HTTPError:
            return False

    def stop(self, *, kill: bool = False) -> int:
        """End the process; its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.kill() if kill else process.terminate()
        self._process = None
        return process.wait(timeout=60)

    # --- shorthands ----------------------------------------------------------------------

    def post(self, path: str, **body: Any) -> Any:
        """Create through the management API; the new object."""
        answer = self.api.post(f"/1.0/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def route(self, **body: Any) -> Any:
        """A routing question; `auth` and `rtjson`."""
        body = {"from_uri": "sip:100@from.example.com", "from_name": "Bob"} | body
        answer = self.kamailio.post("/1.0/kamailio/routing", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def auth(self, **body: Any) -> Any:
        answer = self.kamailio.post("/1.0/kamailio/auth", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Site:
    """A tenant with one domain, PBX, carrier and trunk; addresses are its own."""

    def __init__(self, confd: Instance, *, client: httpx.Client | None = None) -> None:
        self.confd = confd
        self.client = client or confd.api
        self.uuid = str(uuid4())
        short = self.uuid[:8]
        octets = bytes.fromhex(self.uuid.replace("-", "")[:6])
        self.pbx_address = f"10.{octets[0]}.{octets[1]}.{octets[2] | 1}"
        self.trunk_address = f"11.{octets[0]}.{octets[1]}.{octets[2] | 1}"
        self.domain_text = f"pbx-{short}.example.com"
        self.tenant = self.post("tenants", name=f"tenant {short}", uuid=self.uuid)
        self.domain = self.post("domains", domain=self.domain_text)
        self.ipbx = self.post(
            "ipbxs",
            domain_id=self.domain["id"],
            ip_fqdn=self.pbx_address,
            ip_address=self.pbx_address,
        )
        self.carrier = self.post("carriers", name=f"carrier {short}")
        self.trunk = self.add_trunk(f"trunk {short}", self.trunk_address)

    def post(self, path: str, **body: Any) -> Any:
        """Create an object of this tenant."""
        if path not in ("tenants", "normalization-rules", "routing-rules"):
            body.setdefault("tenant_uuid", self.uuid)
        answer = self.client.post(f"/1.0/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add_trunk(self, name: str, address: str, **more: Any) -> Any:
        return self.post(
            "carrier_trunks",
            carrier_id=self.carrier["id"],
            name=name,
            sip_proxy=address,
            ip_address=address,
            **more,
        )

    def add_did(self, regex: str | None, **more: Any) -> Any:
        body = {"ipbx_id": self.ipbx["id"], "carrier_trunk_id": self.trunk["id"]} | more
        return self.post("dids", did_regex=regex, **body)

    def put(self, path: str, key: Any, **body: Any) -> Any:
        answer = self.client.put(f"/1.0/{path}/{key}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def inbound(self, number: str, **more: Any) -> Any:
        """A call from the carrier to a number."""
        to = f"sip:{number}@sbc.example.com"
        return self.confd.route(auth="1", source_ip=self.trunk_address, to_uri=to, **more)

    def outbound(self, number: str, **more: Any) -> Any:
        """A call from the PBX to a number."""
        to = f"sip:{number}@sbc.example.com"
        return self.confd.route(auth="1", source_ip=self.pbx_address, to_uri=to, **more)
