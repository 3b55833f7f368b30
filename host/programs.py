"""The programs of this machine that we run: `programs.txt`, which scripts/bootstrap reads too."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LIST: Final = Path(__file__).with_name("programs.txt")
# Debian keeps some programs where a plain user's PATH does not look.
PATH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

Purpose = Literal["lab", "tests"]


@dataclass(frozen=True)
class Program:
    """A program, or the path of a file (with wildcards), and the Debian package that has it."""

    name: str
    package: str
    purpose: str

    @property
    def installed(self) -> bool:
        if self.name.startswith("/"):
            return any(Path("/").glob(self.name.lstrip("/")))
        return shutil.which(self.name, path=PATH) is not None


def listed() -> list[Program]:
    """Every program of the list."""
    lines = (line.partition("#")[0].split() for line in LIST.read_text().splitlines())
    return [Program(*fields) for fields in lines if fields]


def missing(purpose: Purpose = "lab") -> list[Program]:
    """Those of a purpose that this machine lacks."""
    return [p for p in listed() if p.purpose == purpose and not p.installed]


def package(name: str) -> str:
    """The Debian package of a program; its own name when the list has none."""
    return next((p.package for p in listed() if p.name == name), name)
