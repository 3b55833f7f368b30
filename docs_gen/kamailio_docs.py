"""Generated documentation of the Kamailio plane: its state, and what its names were."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

RENAMED = "docs/renamed.yaml"
GLOSSARY = "docs/glossary.md"
# Kinds of names in the order of the table, with what a reader calls them.
KINDS = {
    "file": "template",
    "list": "list",
    "htable": "table",
    "avp": "AVP",
    "xavp": "XAVP",
    "dlg_var": "dialog variable",
    "shv": "shared variable",
    "route": "route block",
    "onreply_route": "reply route",
    "header": "internal header",
    "metric": "metric",
    "label": "label",
    "reason": "`reason` of `c4_refused`",
    "phase": "`phase` of `c4_failovers`",
    "limit": "`limit` of `c4_call_limit_reached`",
    "timer": "timer",
    "method": "internal method",
    "nft_set": "set of the kernel's rules",
    "nft_counter": "counter of the kernel's rules",
}
_BLOCK = re.compile(
    r"(?P<begin><!-- begin renamed: made by `make docs` -->\n).*?(?P<end><!-- end renamed -->)",
    re.DOTALL,
)


def pages(root: Path) -> dict[str, str]:
    """Path below `root` and whole text of each page that is made here."""
    made: dict[str, str] = {}
    glossary = root / GLOSSARY
    if glossary.exists():
        made[GLOSSARY] = with_renames(glossary.read_text(encoding="utf-8"), root)
    return made


def with_renames(glossary: str, root: Path) -> str:
    """The glossary with the table of old names in its block. Raises `ValueError` without one."""
    if not _BLOCK.search(glossary):
        raise ValueError(f"{GLOSSARY}: no block of renamed things")
    rows = yaml.safe_load((root / RENAMED).read_text(encoding="utf-8"))
    lines = ["| what | where | old | new |", "| --- | --- | --- | --- |"]
    order = list(dict.fromkeys([*KINDS, *(row["kind"] for row in rows)]))
    for row in sorted(rows, key=lambda row: order.index(row["kind"])):
        kind = KINDS.get(row["kind"], row["kind"])
        where = row.get("where", "")
        lines.append(f"| {kind} | {where} | `{row['old']}` | `{row['new']}` |")
    table = "\n".join(lines)
    return _BLOCK.sub(lambda m: f"{m['begin']}{table}\n{m['end']}", glossary)
