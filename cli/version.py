"""The version of this project, which only `pyproject.toml` states."""

from __future__ import annotations

import tomllib

from settings.load import ROOT


def project_version() -> str:
    """The checkout's version, such as `1.4.2`, no matter how it was installed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        version: str = tomllib.load(file)["project"]["version"]
    return version
