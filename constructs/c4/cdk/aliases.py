"""Lets an import of one package mean another one, which is installed under its own name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


def install(names: Mapping[str, str]) -> None:
    """Import the packages `names[x]`, and their modules, for the names `x`; idempotent.

    Both names are one module object: the classes of a package are registered with jsii once.
    Raises `RuntimeError` when a package of a replaced name is already imported.
    """
    if any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        return
    if late := sorted(name for name in names if name in sys.modules):
        raise RuntimeError(f"aliases.install() must run before {', '.join(late)} is imported")
    sys.meta_path.insert(0, _Aliases(names))


class _Aliases(MetaPathFinder, Loader):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        return ModuleSpec(fullname, self) if package in self._names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        package, dot, rest = spec.name.partition(".")
        module = importlib.import_module(f"{self._names[package]}{dot}{rest}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module has run under its own name. The import system has given it our spec."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state
