"""Do the pages that people write lead where they say?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)(#[^)]+)?\)")
CODE_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")  # with a slash, or it is a word


def _pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in _pages():
        prose = re.sub(r"`[^`\n]*`", "", page.read_text())
        for name, anchor in LINK.findall(prose):
            target = (page.parent / name).resolve()
            if not target.exists() or (anchor and anchor[1:] not in _anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {name}{anchor}")

    assert broken == []


@pytest.mark.xfail(strict=True, reason="folders of issue 16 are still being made")
def test_every_place_that_the_index_names_exists() -> None:
    names = CODE_PATH.findall((ROOT / "docs/README.md").read_text())

    assert [name for name in names if "/" in name and not (ROOT / name).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()

    pages = sorted(page.name for page in folder.glob("0*.md"))
    assert [name[:4] for name in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    assert [name for name in pages if f"]({name})" not in index] == []
