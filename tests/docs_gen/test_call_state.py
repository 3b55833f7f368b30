"""Does the page on the states of a call name what the templates have?"""

from __future__ import annotations

import re

import pytest

from rendering import tables, variables
from settings.load import ROOT

PAGE = (ROOT / "docs/kamailio/call-state.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^(?:\w+_)?route\[([\w:-]+)\] \{$", re.MULTILINE)


@pytest.fixture(scope="module")
def blocks() -> set[str]:
    """Names of the route blocks of both tiers."""
    texts = (p.read_text(encoding="utf-8") for p in (ROOT / "kamailio").rglob("*.cfg.j2"))
    return {name for text in texts for name in _BLOCK.findall(text)}


def test_every_route_block_of_the_page_exists(blocks: set[str]) -> None:
    """In text they stand in backticks, in the diagram bare."""
    named = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b", PAGE)) | set(
        re.findall(r"`([A-Z]{3,})`", PAGE)
    )
    assert named
    assert named - blocks == set()


def rows() -> list[tuple[str, str, str]]:
    """State, SBC and router of each row of the table of who keeps what."""
    section = PAGE[PAGE.index("## Who keeps what") : PAGE.index("## Who goes on")]
    found = []
    for line in section.splitlines():
        state, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) == 2 and state != "state" and not state.startswith("---"):
            found.append((state, cells[0], cells[1]))
    return found


@pytest.mark.parametrize("tier", ["sbc", "router"])
def test_every_table_of_the_page_exists_and_is_replicated_where_the_page_says_so(
    tier: str,
) -> None:
    known = {table.name: table for table in tables.TABLES if table.tier.value == tier}
    for _, sbc, router in rows():
        for name, everywhere in re.findall(
            r"`([a-z_]+)`( \(all\))?", sbc if tier == "sbc" else router
        ):
            assert name in known, f"{name}: no table of {tier}"
            assert known[name].replicated == bool(everywhere), name


def test_every_table_that_has_entries_of_a_call_is_on_the_page() -> None:
    missing = {t.name for t in tables.TABLES if t.of_call and f"`{t.name}`" not in PAGE}
    assert missing <= {"limit_headroom"}, missing


def test_every_dialog_variable_of_the_page_exists() -> None:
    named = set(re.findall(r"\$dlg_var\((\w+)\)", PAGE))
    assert named <= {v.name for v in variables.DIALOG_VARIABLES}


def test_every_state_of_the_diagram_is_in_the_tables() -> None:
    diagram = PAGE[PAGE.index("stateDiagram") : PAGE.index("## Who keeps what")]
    states = set(re.findall(r"(\w+) --> ", diagram)) - {"RouterFails", "SbcFails"}
    after = PAGE[PAGE.index("## Who keeps what") :]
    for state in states:
        assert re.search(rf"^\|[^|]*\b{state}\b[^|]*\|", after, re.MULTILINE), state
