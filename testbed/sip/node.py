"""Kamailio and rtpengine of the machine image, each in a namespace with its own /run and /etc."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.kamailio.kamcmd import RpcFailed
from common import paths, ports
from common.kamailio import node_id
from rendering.files import File
from testbed.sip.netns import socket_in

INITIALIZING = "Initializing - try later"  # Kamailio's word for it
START_TIMEOUT_S = 60


@dataclass
class Node:
    """One instance: the rendered files of its tier, run by the image's own programs."""

    name: str
    namespace: str
    address: str
    layers: tuple[Path, ...]  # Debian 13 with Kamailio, topmost first
    work: Path  # becomes /run, /etc/kamailio and /etc/c4 of the node
    public: str = ""
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.work / "log"

    def at(self, path: Path) -> Path:
        """Where a path of an instance is on this host."""
        return self.work / path.relative_to("/")

    @property
    def lists(self) -> Path:
        return self.at(paths.KAMAILIO)

    def install(self, files: Sequence[File], local: str = "") -> None:
        """Lay down what cloud-init and `c4-agent boot` would."""
        for directory in (self.lists, self.work / "run/kamailio", self.at(paths.KAMAILIO_CONFIG)):
            directory.mkdir(parents=True, exist_ok=True)
        for file in files:
            path = Path(file.path)
            if path.parent in (paths.INITIAL_LISTS, paths.KAMAILIO):
                (self.lists / path.name).write_text(file.content)
            elif path.parent == paths.KAMAILIO_CONFIG:
                self.at(path).write_text(file.content)
        number = node_id(ipaddress.IPv4Address(self.address))
        self.at(paths.LOCAL_CFG).write_text(
            f"#!define PRIVATE_IP {self.address}\n"
            f"#!define PUBLIC_IP {self.public or self.address}\n"
            f"#!define NODE_ID {number}\n#!define ZONE eu-central-1a\n" + local
        )
        for path in (self.work, *self.work.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)

    def _spawn(self, program: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            self._in_image(["ip", "netns", "exec", self.namespace], program),
            stdout=self.log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def _in_image(self, prefix: Sequence[str], program: Sequence[str]) -> list[str]:
        """Command that runs `program` on the image's file system; `prefix` must give it a mount
        namespace of its own, with which these mounts vanish."""
        root = self.work / "root"
        root.mkdir(exist_ok=True)
        hosts = self.work / "hosts"  # Kamailio looks for its own name; no resolver answers here
        hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        lower = ":".join(map(str, self.layers))
        image = (
            f"mount -t overlay overlay -o lowerdir={lower} {root}"
            if len(self.layers) > 1
            else f"mount --bind {lower} {root}"
        )
        script = f"""
            set -e
            {image}
            mount --bind {self.work}/run {root}/run
            mount --bind {self.work}{paths.KAMAILIO_CONFIG} {root}{paths.KAMAILIO_CONFIG}
            mount --bind {hosts} {root}/etc/hosts
            mount --rbind /dev {root}/dev
            mount -t proc proc {root}/proc
            exec chroot {root} "$@"
        """
        return [*prefix, "sh", "-c", script, "sh", *program]

    def check(self) -> subprocess.CompletedProcess[str]:
        """`kamailio -c` of the installed files."""
        command = ["/usr/sbin/kamailio", "-c", "-f", str(paths.KAMAILIO_CFG)]
        return subprocess.run(
            self._in_image(["unshare", "-m"], command),
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def start_kamailio(self, *, memory_mb: int = 128) -> None:
        self._spawn(["/usr/sbin/kamailio", "-DD", "-E", "-m", str(memory_mb), "-M", "16",
                     "-x", "fm", "-X", "fm", "-b", "2097152",
                     "-u", "kamailio", "-g", "kamailio", "-f", str(paths.KAMAILIO_CFG),
                     "-P", "/run/kamailio/kamailio.pid"])  # fmt: skip
        self._wait_for(lambda: self.rpc("core.version", check=False).startswith("kamailio"))

    def start_rtpengine(self, port: int) -> None:
        (self.work / "run").mkdir(parents=True, exist_ok=True)
        self.at(paths.KAMAILIO_CONFIG).mkdir(parents=True, exist_ok=True)
        self._spawn(["/usr/bin/rtpengine", "--foreground", "--log-stderr", "--table=-1",
                     f"--interface={self.address}!{self.public or self.address}",
                     f"--listen-ng={self.address}:{port}", f"--port-min={ports.RTP.first}",
                     f"--port-max={ports.RTP.last}", "--num-threads=1",
                     "--log-level=5"])  # fmt: skip
        self._wait_for(lambda: b"pong" in self.ng(port, "d7:command4:pinge", timeout_s=0.1))

    def ng(self, port: int, question: str, *, timeout_s: float = 3.0) -> bytes:
        """rtpengine's answer to a command (bencode); empty when there is none."""
        with socket_in(self.namespace, socket.SOCK_DGRAM, (self.address, 0)) as asker:
            asker.settimeout(timeout_s)
            asker.connect((self.address, port))
            cookie = f"{time.monotonic_ns():x}"  # a repeated one gets the same reply again
            try:
                asker.send(f"{cookie} {question}".encode())
                return asker.recv(65535)
            except (TimeoutError, ConnectionRefusedError):
                return b""

    def _wait_for(self, ready: object) -> None:
        assert callable(ready)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            if ready():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-3000:]}")

    def rpc(self, *command: str, check: bool = True) -> str:
        """Reply of kamcmd, run inside the node.

        Kamailio refuses some commands until all of its processes run: that is waited for.
        """
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            done = subprocess.run(
                ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-r", "-w",
                 "/usr/sbin/kamcmd", *command],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            reply = done.stdout.strip()
            if INITIALIZING not in reply or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if check and (reply.startswith("error:") or done.returncode):
            raise RpcFailed(f"{self.name} {' '.join(command)}: {reply or done.stderr}")
        return reply

    def rpc_of_host(self, *command: str) -> str:
        """The same, for who sees the node's files from outside."""
        return self.rpc(*(part.replace(str(self.work), "") for part in command))

    def logged(self, text: str) -> int:
        """How many lines of the log hold `text`."""
        return sum(text in line for line in self.log.read_text(errors="replace").splitlines())

    def active_dialogs(self) -> int:
        lines = self.rpc("stats.fetch", "dialog.active_dialogs").splitlines()
        return sum(int(line.split(":")[1]) for line in lines if "active_dialogs" in line)

    def send_signal(self, number: signal.Signals) -> None:
        """To every process of the node, as a power cut or a hang would hit them."""
        if self.process is not None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Power cut: no process gets a chance to say goodbye."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
