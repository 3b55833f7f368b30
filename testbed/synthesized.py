"""A synthesized deployment, as tests look at it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cdktf import App

import main
from settings import Deployment
from settings.load import ROOT

Json = dict[str, Any]
RENDERED = frozenset({"user_data", "content_base64"})  # arguments with the files of an instance


@dataclass(frozen=True)
class Synthesized:
    """Terraform's JSON of every stack of a deployment."""

    settings: Deployment
    folder: Path

    def path(self, stack: str) -> Path:
        return self.folder / "stacks" / stack / "cdk.tf.json"

    @property
    def names(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob("stacks/*/cdk.tf.json"))

    def text(self, stack: str) -> str:
        return self.path(stack).read_text(encoding="utf-8")

    def stack(self, stack: str) -> Json:
        document: Json = json.loads(self.text(stack))
        return document

    def resources(self, kind: str, stack: str | None = None) -> Iterator[tuple[str, Json]]:
        """`(stack/logical id, arguments)` of the resources of a type."""
        for name in self.names if stack is None else [stack]:
            for id_, body in self.stack(name).get("resource", {}).get(kind, {}).items():
                yield f"{name}/{id_}", body

    def statements(self) -> Iterator[tuple[str, Json]]:
        """`(stack/logical id, statement)` of every IAM policy document."""
        for name in self.names:
            documents = self.stack(name).get("data", {}).get("aws_iam_policy_document", {})
            for id_, body in documents.items():
                for statement in body["statement"]:
                    yield f"{name}/{id_}", statement

    def user_data(self) -> Iterator[tuple[str, bytes]]:
        """`(stack/logical id, compressed user data)` of every launch template."""
        for where, body in self.resources("aws_launch_template"):
            yield where, base64.b64decode(body["user_data"], validate=True)


def synthesize(settings: Deployment, folder: Path) -> Synthesized:
    """Run the app in this process; Node is started once per test run."""
    outdir = folder / "cdktf.out"
    app = App(outdir=str(outdir))
    main.build(app, settings)
    app.synth()
    return Synthesized(settings, outdir)


def run_app(
    outdir: Path, *arguments: str, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the app in a process of its own, as users do, with `arguments` for Python.

    It writes to `outdir`. The variables of `environment` come on top of ours, but for the hook
    that our own process has in NODE_OPTIONS.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    own = {"CDKTF_OUTDIR": str(outdir), "PYTHONPATH": f"{ROOT}:{ROOT / 'constructs'}"}
    return subprocess.run(
        [sys.executable, *(arguments or ("main.py",))], cwd=ROOT, env=inherited | own | environment,
        check=check, capture_output=True, text=True, timeout=800,
    )  # fmt: skip


def files(outdir: Path) -> Mapping[str, bytes]:
    """Every file of a synthesized deployment, by its path in `outdir`."""
    paths = sorted(path for path in outdir.rglob("*") if path.is_file())
    return {str(path.relative_to(outdir)): path.read_bytes() for path in paths}


def unpack(user_data: bytes) -> str:
    return gzip.decompress(user_data).decode()


def readable(stack: Json) -> str:
    """A stack as YAML, for eyes: without CDKTF's own notes, user data as a pointer."""
    return yaml.dump(_readable(stack), Dumper=_Dumper, width=100, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stay texts of several lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "see tests/rendering/snapshots" if key in RENDERED else _readable(item)
            for key, item in value.items()
            if key != "//"
        }
    return [_readable(item) for item in value] if isinstance(value, list) else value
