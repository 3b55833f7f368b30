"""Is the generated documentation that of the present code?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from common import ports
from docs_gen import pages
from settings import Deployment

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#]+)(#[^)]+)?\)")
CODE_PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")  # with a slash, or it is a word


def test_generated_documentation_is_fresh() -> None:
    assert pages.write(check=True) == [], "run: make docs"


def test_every_setting_is_documented() -> None:
    page = pages.settings_page()

    for name, info in Deployment.model_fields.items():
        assert f"| `{name}` |" in page
        assert info.description


def test_open_range_and_default_of_an_absent_section_are_words() -> None:
    page = pages.settings_page()

    assert "integer, 10 or more" in page
    assert "text, at most 242 characters" in page
    assert "| `6`, or `4` without this section |" in page


def test_every_port_is_documented_with_its_use() -> None:
    page = pages.ports_page()

    for name, port in ports.ALL.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert str(port) in line and port.use in line


def test_stale_file_is_reported_and_left_alone_by_check(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "<!-- begin architecture: made by `make docs` -->\nold\n<!-- end architecture -->\n"
    )
    assert "README.md" in pages.write(check=True, root=tmp_path)
    assert "old" in (tmp_path / "README.md").read_text()

    assert "docs/settings.md" in pages.write(root=tmp_path)
    assert pages.write(check=True, root=tmp_path) == []


def test_readme_without_the_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="architecture"):
        pages.replace_block("no markers", "architecture", "picture")


def _markdown() -> list[Path]:
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
    for page in _markdown():
        prose = re.sub(r"`[^`\n]*`", "", page.read_text())
        for name, anchor in LINK.findall(prose):
            target = (page.parent / name).resolve()
            if not target.exists() or (anchor and anchor[1:] not in _anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {name}{anchor}")

    assert broken == []


def test_every_place_that_the_index_names_exists() -> None:
    names = CODE_PATH.findall((ROOT / "docs/README.md").read_text())

    assert [name for name in names if "/" in name and not (ROOT / name).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text()

    found = sorted(page.name for page in folder.glob("0*.md"))
    numbers = [name[:4] for name in found]
    assert numbers == sorted(set(numbers)), "a number twice"
    assert [name for name in found if f"]({name})" not in index] == []
