"""The packages of the repository, measured: who imports whom, and whether the layers allow it.

The layers are those that import-linter enforces; `pyproject.toml` is their one home.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

Layers = Sequence[Sequence[str]]

# The folder of a package that is not a folder of its name at the top.
FOLDERS = {"c4": "constructs/c4", "main": "main.py"}


class Import(NamedTuple):
    """One package imports another; both by their names in Python."""

    importer: str
    imported: str


def declared_layers(root: Path) -> tuple[tuple[str, ...], ...]:
    """Packages by layer, the highest first. Raises `ValueError` when no layers are declared.

    A name in parentheses is a single module, which import-linter leaves out.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project.get("tool", {}).get("importlinter", {}).get("contracts", [])
    for contract in contracts:
        if contract["type"] == "layers":
            return tuple(
                tuple(name.strip().strip("()") for name in layer.split("|"))
                for layer in contract["layers"]
            )
    raise ValueError("pyproject.toml: import-linter has no contract with layers")


def imports(root: Path, packages: Iterable[str]) -> set[Import]:
    """Imports between the packages, those within functions included."""
    known = set(packages)
    return {
        Import(package, name)
        for package in known
        for file in _files(root / FOLDERS.get(package, package))
        for name in _imported(file)
        if name in known and name != package
    }


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else path.rglob("*.py")


@cache  # several pages show them
def _imported(file: Path) -> frozenset[str]:
    """Top-level names of what a module imports; relative imports are banned."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return frozenset(found)


def against_the_layers(layers: Layers, found: Iterable[Import]) -> list[Import]:
    """Imports that lead upwards, or to a neighbour in the same layer."""
    layer_of = {name: layer for layer, names in enumerate(layers) for name in names}
    return sorted(i for i in found if layer_of[i.importer] >= layer_of[i.imported])


def direct(found: set[Import]) -> set[Import]:
    """Imports without those that a longer way implies: few enough for a drawing.

    The imports must have no circle.
    """
    below: dict[str, set[str]] = {}
    for importer, imported in found:
        below.setdefault(importer, set()).add(imported)

    def reached(name: str) -> set[str]:
        return {name}.union(*(reached(other) for other in below.get(name, ())))

    return {
        Import(importer, imported)
        for importer, imported in found
        if not any(imported in reached(o) for o in below[importer] if o != imported)
    }


def section(root: Path) -> list[str]:
    """Lines of Markdown: the drawing, and a table of all imports.

    Raises `ValueError` when an import is against the layers.
    """
    layers = declared_layers(root)
    found = imports(root, (name for names in layers for name in names))
    if wrong := against_the_layers(layers, found):
        listed = ", ".join(f"{i.importer} imports {i.imported}" for i in wrong)
        raise ValueError(f"against the layers of pyproject.toml: {listed}")
    lines = [
        "## Packages",
        "",
        "Who imports whom, measured from the code. Every arrow leads to a lower layer. An arrow is",
        "left out when a longer way implies it; the table below the drawing has all of them.",
        "",
        "```mermaid",
        "flowchart TB",
    ]
    for number, names in zip(range(len(layers), 0, -1), layers, strict=True):
        lines.append(f'  subgraph layer{number}["layer {number}"]')
        lines += [f'    {name}["{FOLDERS.get(name, name)}"]' for name in names]
        lines.append("  end")
    lines += [f"  {i.importer} --> {i.imported}" for i in _in_order(layers, direct(found))]
    lines += ["```", "", "| layer | package | imports |", "| --: | --- | --- |"]
    for number, names in zip(range(len(layers), 0, -1), layers, strict=True):
        for name in names:
            own = [f"`{i.imported}`" for i in _in_order(layers, found) if i.importer == name]
            lines.append(f"| {number} | `{name}` | {', '.join(own) or 'none'} |")
    return lines


def _in_order(layers: Layers, found: Iterable[Import]) -> list[Import]:
    """From the top layer to the bottom one."""
    order = [name for names in layers for name in names]
    return sorted(found, key=lambda i: (order.index(i.importer), order.index(i.imported)))
