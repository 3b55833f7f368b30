"""Is the generated documentation that of the present code?"""

from __future__ import annotations

from pathlib import Path

import pytest

from common import ports
from docs_gen import pages
from settings import Deployment


def test_generated_documentation_is_fresh() -> None:
    assert pages.write(check=True) == [], "run: make docs"


def test_every_setting_is_documented() -> None:
    page = pages.settings_page()

    for name, info in Deployment.model_fields.items():
        assert f"| `{name}` |" in page
        assert info.description


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
