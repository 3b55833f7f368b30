"""Terraform itself, with the real AWS provider, accepts every synthesized stack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.terraform.provider import Toolchain, toolchain
from testbed.synthesized import Synthesized

pytestmark = [pytest.mark.terraform, pytest.mark.slow, pytest.mark.timeout(900)]


def _terraform(tools: Toolchain, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [tools.program, *arguments],
        cwd=folder,
        env={**os.environ, **tools.environment, "CHECKPOINT_DISABLE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 or arguments[0] == "validate", done.stdout + done.stderr
    return done.stdout


def test_terraform_validates_every_stack(synthesized: Synthesized, tmp_path: Path) -> None:
    for stack in synthesized.names:
        folder = tmp_path / stack
        folder.mkdir()
        shutil.copy(synthesized.path(stack), folder)
        tools = toolchain(folder, print)
        _terraform(tools, folder, "init", "-backend=false", "-input=false", "-no-color")
        result = json.loads(_terraform(tools, folder, "validate", "-json"))
        assert result["diagnostics"] == [], f"{stack}: {json.dumps(result, indent=2)}"
        assert result["valid"], stack
