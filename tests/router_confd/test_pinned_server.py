"""The fast path relies on what uvicorn and httptools do not document, in one version of each."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from router_confd.http import uvicorn_adapter
from testbed.router_confd.instance import ROOT

PACKAGES = ("uvicorn", "httptools")


def _pinned(package: str, file: str) -> str:
    text = (ROOT / "requirements" / file).read_text()
    match = re.search(rf"^{package}==([\w.]+)", text, re.MULTILINE)
    assert match, f"requirements/{file} must pin {package} exactly: {package}==VERSION"
    return match[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_version_is_the_one_that_the_adapter_was_written_for(package: str) -> None:
    adapter = Path(uvicorn_adapter.__file__).relative_to(ROOT)
    pinned = _pinned(package, "pins.in")
    for where, found in (
        ("this environment has", version(package)),
        ("requirements/instance.lock has", _pinned(package, "instance.lock")),
    ):
        assert found == pinned, (
            f"{where} {package} {found}, but {adapter} was written for {pinned}. Compare"
            " uvicorn/protocols/http/httptools_impl.py of both versions, run tests/router_confd,"
            " and then change requirements/pins.in."
        )


def test_no_other_module_knows_the_protocol_class() -> None:
    using = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "router_confd").rglob("*.py")
        if re.search(r"\b(import|from) uvicorn\b", path.read_text())
    ]
    assert using == ["router_confd/http/uvicorn_adapter.py"]
