"""Does every import between packages lead to a lower layer?"""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_gen import packages
from docs_gen.packages import Import

ROOT = Path(__file__).parents[2]


def test_no_import_is_against_the_layers() -> None:
    """`main.py` included, which import-linter leaves out."""
    layers = packages.declared_layers(ROOT)
    found = packages.imports(ROOT, (name for names in layers for name in names))

    assert Import("main", "stacks") in found
    assert Import("stacks", "c4") in found
    assert packages.against_the_layers(layers, found) == []


def test_every_package_of_the_repository_has_a_layer() -> None:
    known = {name for names in packages.declared_layers(ROOT) for name in names}
    places = [path.parent for path in (*ROOT.glob("*/*.py"), *ROOT.glob("constructs/*/*.py"))]
    modules = [path.stem for path in ROOT.glob("*.py")]

    assert {path.name for path in places if not path.name.startswith(".")} | set(modules) == known


def test_import_of_a_higher_layer_or_of_a_neighbour_is_found() -> None:
    layers = [["top"], ["left", "right"], ["bottom"]]
    good, up, beside = Import("top", "bottom"), Import("bottom", "left"), Import("left", "right")

    assert packages.against_the_layers(layers, [good, up, beside]) == [up, beside]


def test_drawing_leaves_out_what_a_longer_way_implies() -> None:
    short, first, second = Import("a", "c"), Import("a", "b"), Import("b", "c")

    assert packages.direct({short, first, second}) == {first, second}


def test_layers_that_nobody_declared_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(ValueError, match="layers"):
        packages.declared_layers(tmp_path)
