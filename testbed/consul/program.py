"""The Consul that tests run: the image's, or another one that a person wants to try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from host import golang

VARIABLE: Final = "C4_TEST_CONSUL"  # path of a `consul` to test with
MODULES: Final = Path(__file__).parent / "go_modules"


def consul_program() -> Path:
    """The program: that which `C4_TEST_CONSUL` names, else built from the image's Go modules."""
    if named := os.environ.get(VARIABLE):
        if not os.access(named, os.X_OK):
            raise AssertionError(f"{VARIABLE}={named} is not a program")
        return Path(named).resolve()
    return golang.tool("consul", lambda _: None)


def supported_versions() -> dict[str, Path]:
    """The versions that tests build, and the directory of each for `golang.tool`.

    They are the image's and older ones that a deployment may still name.
    """
    folders = [golang.TOOLS, *sorted(MODULES.glob("*"))]
    return {golang.version("consul", folder): folder for folder in folders}
