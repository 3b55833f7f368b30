"""The version of this project, which `pyproject.toml` alone says."""

from __future__ import annotations

import tomllib

from settings.load import ROOT


def project_version() -> str:
    """Major, minor and patch, as in `1.4.2`; those of the checkout, however it was installed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        version: str = tomllib.load(file)["project"]["version"]
    return version
