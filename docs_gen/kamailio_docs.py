"""Generated documentation of the Kamailio plane: its state, and what its names were."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from common.topology import Tier
from rendering import tables, variables
from settings.moved import MOVED

STATE = "docs/kamailio/state.md"
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
    made = {STATE: state_page()}
    glossary = root / GLOSSARY
    if glossary.exists():
        made[GLOSSARY] = with_renames(glossary.read_text(encoding="utf-8"), root)
    return made


def with_renames(glossary: str, root: Path) -> str:
    """The glossary with the table of old names in its block. Raises `ValueError` without one."""
    if not _BLOCK.search(glossary):
        raise ValueError(f"{GLOSSARY}: no block of renamed things")
    rows = yaml.safe_load((root / RENAMED).read_text(encoding="utf-8"))
    rows += [{"kind": "setting", "old": old, "new": new} for old, new in MOVED.items()]
    lines = ["| what | where | old | new |", "| --- | --- | --- | --- |"]
    order = list(dict.fromkeys([*KINDS, *(row["kind"] for row in rows)]))
    for row in sorted(rows, key=lambda row: order.index(row["kind"])):
        kind = KINDS.get(row["kind"], row["kind"])
        where = row.get("where", "")
        lines.append(f"| {kind} | {where} | `{row['old']}` | `{row['new']}` |")
    table = "\n".join(lines)
    return _BLOCK.sub(lambda m: f"{m['begin']}{table}\n{m['end']}", glossary)


def state_page() -> str:
    """Every table and variable of both tiers, from the catalogues of `rendering`."""
    lines = [
        "# State of Kamailio",
        "<!-- Made by `make docs`; do not edit. -->",
        "",
        "What an SBC and a router keep, from `rendering/tables.py` and `rendering/variables.py`.",
        "[The states of a call](call-state.md) show who takes over what.",
        "",
        "- A *replicated* table sends each change to all nodes of its tier by DMQ; a node that",
        "  starts fetches it from them. Any other table is this node's alone.",
        "- A *dialog id* is `h_entry.h_id` of the dialog; it is the same on all nodes of the tier.",
        "- A lifetime runs from the last change of an entry; with *(window)*, from its first.",
        "- The names in the column *owner* are templates below `kamailio/`.",
    ]
    for tier, title in ((Tier.SBC, "SBC"), (Tier.ROUTER, "Router")):
        lines += [
            "",
            f"## {title}",
            "",
            f"### Tables of {'an SBC' if tier is Tier.SBC else 'a router'}",
            "",
            "| table | owner | key | value | kept | replicated | of a call |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *(_table(t) for t in tables.of_tier(tier, call_load=True)),
            "",
            "### Dialog variables",
            "",
            "They live as long as the dialog, and DMQ replicates them with it.",
            "",
            *_variables(variables.DIALOG_VARIABLES, tier),
            "",
            "### AVPs",
            "",
            "They live as long as the transaction, or with the message where there is none.",
            "",
            *_variables(variables.AVPS, tier),
            "",
            "### Shared variables",
            "",
            "All processes of the node see them, until Kamailio ends.",
            "",
            "| variable | meaning |",
            "| --- | --- |",
            *(
                f"| `{v.name}` | {v.meaning} |"
                for v in variables.SHARED_VARIABLES
                if v.tier in (None, tier)
            ),
        ]
    return "\n".join(lines) + "\n"


def _table(table: tables.Table) -> str:
    if table.file is not None:
        kept = f"until the list `{table.file}` changes"
    elif table.lifetime is None:
        kept = "until Kamailio ends"
    else:
        kept = table.lifetime.words + (" (window)" if table.counted_from_first else "")
    cells = (
        f"`{table.name}`" + (" (`call-load` only)" if table.call_load else ""),
        f"`{table.owner}`",
        table.key,
        table.value,
        kept,
        "yes" if table.replicated else "",
        "yes" if table.of_call else "",
    )
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _variables(catalogue: tuple[variables.Variable, ...], tier: Tier) -> list[str]:
    return [
        "| variable | meaning | set by |",
        "| --- | --- | --- |",
        *(
            f"| `{v.name}` | {_cell(v.meaning)} | {_blocks(v.set_by)} |"
            for v in catalogue
            if v.tier is tier
        ),
    ]


def _blocks(set_by: str) -> str:
    names = set_by.split(", ")
    return ", ".join(name if name.startswith("module ") else f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
