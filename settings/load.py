"""Reading a deployment's YAML: either a valid `Deployment`, or every problem at once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from settings.deployment import Deployment
from settings.moved import moved_to

ROOT = Path(__file__).resolve().parent.parent
DEPLOYMENTS = ROOT / "deployments"
DEFAULT_DEPLOYMENT = "demo"
ENVIRONMENT_VARIABLE = "C4_DEPLOYMENT"


@dataclass(eq=False)  # not frozen: raising sets __traceback__
class SettingsError(Exception):
    """A deployment's file that cannot be used; `str()` is what the user should read."""

    path: Path
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.path}: {len(self.problems)} problem(s)"]
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error, not an overwritten value."""


def _unique_mapping(loader: _UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node)


_UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def deployment_path(name: str | None = None) -> Path:
    """File of a deployment: by name, by path, or as `C4_DEPLOYMENT` says."""
    chosen = name or os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_DEPLOYMENT
    if chosen.endswith((".yaml", ".yml")) or os.sep in chosen:
        return Path(chosen)
    return DEPLOYMENTS / f"{chosen}.yaml"


def load(name: str | None = None) -> Deployment:
    """Read and check a deployment. Raises `SettingsError` with all problems of the file."""
    path = deployment_path(name)
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in DEPLOYMENTS.glob("*.yaml")))
        raise SettingsError(
            shown, (f"no such file; {ENVIRONMENT_VARIABLE} may be one of: {known}, or a path",)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(shown, (f"cannot be read: {error}",)) from None
    return parse(text, shown)


def parse(text: str, path: Path) -> Deployment:
    """Check the text of a deployment's file; `path` is only for messages."""
    try:
        data = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise SettingsError(path, (f"not valid YAML: {' '.join(str(error).split())}",)) from None
    if not isinstance(data, dict):
        raise SettingsError(path, ("must be a mapping with `deployment`, `region`, `zones`",))
    try:
        return Deployment.model_validate(data)
    except ValidationError as error:
        problems: list[str] = []
        for detail in error.errors():
            problems += _problems(detail)
        raise SettingsError(path, tuple(problems)) from None


def _problems(detail: ErrorDetails) -> list[str]:
    field = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        if (place := moved_to(detail["loc"])) is not None:
            return [f"{field}: moved to {place}; see docs/settings.md"]
        return [f"{field}: unknown key (value {detail['input']!r}); see docs/settings.md"]
    if detail["type"] == "missing":
        return [f"{field}: required, but absent"]
    if detail["type"] == "value_error":
        message = str(detail.get("ctx", {}).get("error", detail["msg"]))
        if isinstance(detail["input"], dict):  # a rule over several fields names each of them
            return [f"{field}.{line}" if field else line for line in message.splitlines()]
        return [f"{field}: {detail['input']!r} {message}"]
    return [f"{field}: {detail['input']!r} is not allowed: {detail['msg']}"]
