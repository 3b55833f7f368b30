"""Network namespaces: create, enter, remove."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from host.run import run

T = TypeVar("T")

RUN_DIR = Path("/run/netns")
ETC_DIR = Path("/etc/netns")
SYSCTL = Path("/proc/sys")  # of the network namespace of whoever looks
CLONE_NEWNET = 0x40000000
IP_FREEBIND = 15

_libc = ctypes.CDLL(None, use_errno=True)


def path(namespace: str) -> Path:
    return RUN_DIR / namespace


def exists(namespace: str) -> bool:
    return path(namespace).exists()


def create(namespace: str, resolver: str | None = None) -> None:
    """Make a namespace with its loopback up; `resolver` is the name server of `ip netns exec`."""
    run(["ip", "netns", "add", namespace])
    ip(namespace, "link set lo up")
    if resolver:
        etc = ETC_DIR / namespace
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")


def delete(namespace: str) -> None:
    """Remove a namespace; its interfaces go with it. No error when there is none."""
    shutil.rmtree(ETC_DIR / namespace, ignore_errors=True)
    if exists(namespace):
        run(["ip", "netns", "delete", namespace], check=False)


def with_prefix(prefix: str) -> list[str]:
    """Names of the existing namespaces that begin with `prefix`."""
    if not RUN_DIR.is_dir():
        return []
    return sorted(p.name for p in RUN_DIR.iterdir() if p.name.startswith(prefix))


def ip(namespace: str, *commands: str) -> None:
    """Run `ip` commands, one per argument, inside a namespace."""
    run(["ip", "-n", namespace, "-batch", "-"], input="".join(f"{c}\n" for c in commands))


def sysctl(namespace: str, **values: int | str) -> None:
    """Set kernel parameters of a namespace; `__` in a name stands for a dot. Raises `OSError`."""

    def write() -> None:
        for key, value in values.items():
            (SYSCTL / key.replace("__", "/")).write_text(f"{value}\n")

    inside(namespace, write)


def enter(namespace: str) -> None:
    """Move the calling thread into a namespace, for good; other threads stay where they are.

    Raises `OSError`.
    """
    fd = os.open(path(namespace), os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    finally:
        os.close(fd)


def inside(namespace: str, action: Callable[[], T]) -> T:
    """Result of `action`, or what it raised, in a namespace.

    The namespace is a property of a thread, so a throw-away thread enters it, and the process
    itself never leaves its own.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def act() -> None:
        try:
            enter(namespace)
            results.append(action())
        except BaseException as error:  # raised in the calling thread
            errors.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def bound_socket(namespace: str, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A socket of this process bound (and listening, for TCP) inside a namespace.

    The address need not exist yet. Raises `OSError`.
    """

    def bound() -> socket.socket:
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
        return sock

    return inside(namespace, bound)
