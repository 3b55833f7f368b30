"""Is an old name left anywhere but in the glossary and the changelog?

`docs/renamed.yaml` has what was renamed, `settings/moved.py` the settings. A name is looked for as
what it was (a table, a route, a setting), never as a word: "over" and "known" are good English.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from settings.load import ROOT
from settings.moved import MOVED

RENAMED = ROOT / "docs/renamed.yaml"
# Where old names belong.
EXEMPT = (
    "docs/glossary.md",
    "docs/renamed.yaml",
    "bench/plane_server_0_1.py",  # for trees that have the old names
    "CHANGELOG.md",
    "tests/docs_gen/test_words.py",
    "settings/moved.py",  # tells a user where a key went
)
# Made by programs of others, or without any name of ours in it: large, and slow to search.
FOREIGN = ("package-lock.json", "requirements/", "tests/synth/snapshots/", "bench/recorded/")
Row = dict[str, Any]


def _module(old: str) -> str:
    path = old.replace(".", "/")
    package, _, name = old.rpartition(".")
    return (
        rf"(?<![\w.]){re.escape(old)}(?![\w])|(?<![\w/]){re.escape(path)}(?:\.py|/)"
        rf"|from {re.escape(package)} import (?:\w+, )*{name}\b(?!\s*as)"
    )


def _setting(old: str) -> str:
    """The whole key; its last part alone only when nothing bears that name now."""
    if old.isupper():  # a variable of the environment
        return rf"\b{old}\b"
    if "." not in old:  # a construct may have the same name
        return rf"^[\s-]*{old}:|`{old}`|\.{old}\b"
    last = old.rpartition(".")[2]
    now = {row["new"].rpartition(".")[2] for row in rows()}
    name = old if last in now else last
    return rf"(?<![\w.-]){re.escape(name)}(?![\w(-])"


# Of each kind: how an old name looks where it is used. `{old}` is the escaped name.
PATTERNS: dict[str, str | Callable[[str], str]] = {
    "file": lambda old: (
        rf"(?<![\w/-])(?:kamailio/)?{re.escape(old.removeprefix('kamailio/').removesuffix('.j2'))}"
    ),
    "list": (
        r"(?:lists|initial|rendered|run/c4/kamailio)/{old}(?![\w-])|dbtable={old};"
        r'|\bapply(?:\(\w+, "| ){old}(?![\w-])'
    ),
    "htable": (
        r'\bsht\w*\({old}=>|sht_iterator_start\("\w+", "{old}"|"htable", "{old}=>'
        r'|"htable\.\w+",\s*"{old}"|\bhtable\.\w+ {old}\b|name: {old}\b'
    ),
    "avp": r"\bavp\({old}\)",
    "xavp": r"\bxavp\({old}[=\[)]",
    "dlg_var": r"\bdlg_var\({old}\)",
    "shv": r'\bshv\({old}\)|"shvset", "{old}=|"pv\.shv\w+",\s*"{old}"',
    "timer": r'"(?:name|timer)={old};',
    "method": r'"{old} sip:|CSeq: \d+ {old}\b|\$rm [!=]= "{old}"',
    "route": (
        r"(?<!reply_)\broute[(\[]{old}[)\]]|`{old}`"
        r'|\bt_on_(?!reply)\w+\("{old}"|;route={old}"'
    ),
    "onreply_route": r'\bonreply_route\[{old}\]|\bt_on_reply\("{old}"',
    "header": r"{old}(?![\w-])",
    "metric": r"\b{old}\b",
    "label": r"label={old}:|[{{,]\s*{old}=\"",
    "reason": r'"c4_refused", "1", "{old}"|reason\) = "{old}"|reason="{old}"|reason `{old}`',
    "phase": r'"c4_failovers", "1", "{old}"|phase="{old}"',
    "limit": r'c4_call_limit_reached.*limit="{old}"',
    "nft_set": r'"c4_edge", "{old}"|^\s*set {old} \{{|@{old}\b(?= |$)',
    "nft_counter": r"\bcounter (?:name )?{old}\b(?= (?:drop|\{{))",
    "module": _module,
    "setting": _setting,
}


@cache
def rows() -> list[Row]:
    """Every entry of the table."""
    found: list[Row] = yaml.safe_load(RENAMED.read_text(encoding="utf-8"))
    return found + [{"kind": "setting", "old": old, "new": new} for old, new in MOVED.items()]


def pattern(row: Row) -> re.Pattern[str]:
    """How the old name of a row looks where it is used."""
    how = PATTERNS[row["kind"]]
    old = row["old"]
    text = how(old) if callable(how) else how.format(old=re.escape(old))
    return re.compile(text, re.MULTILINE)


def concerns(row: Row, path: str) -> bool:
    """A name of one tier may stand for something else in the other tier's templates."""
    where = row.get("where")
    other = {"sbc": "router", "router": "sbc"}.get(where or "")
    if other is None:
        return True
    return not path.startswith((f"kamailio/{other}", f"tests/rendering/snapshots/{other}"))


def lines_with(word: str, text: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that contains `word`; much faster than to try every line."""
    at = text.find(word)
    while at >= 0:
        end = text.find("\n", at)
        if end < 0:
            end = len(text)
        yield text.count("\n", 0, at) + 1, text[text.rfind("\n", 0, at) + 1 : end]
        at = text.find(word, end)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text of the repository that may not use an old name."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = {}
    for name in listed.split("\0"):
        path = ROOT / name
        if not name or name in EXEMPT or name.startswith(FOREIGN) or path.is_symlink():
            continue
        if not path.is_file():
            continue
        try:
            found[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def test_no_old_name_is_left(texts: dict[str, str]) -> None:
    left = []
    for row in rows():
        looks = pattern(row)
        word = row["old"].rpartition(".")[2] if row["kind"] in ("module", "setting") else row["old"]
        word = word.removeprefix("kamailio/").removesuffix(".j2")
        for path, text in texts.items():
            if word not in text or not concerns(row, path):
                continue
            for number, line in lines_with(word, text):
                if found := looks.search(line):
                    what = f"{row['kind']} {found[0]!r} is now {row['new']!r}"
                    left.append(f"{path}:{number}: {what}")
    assert not left, "\n".join(left)


def test_every_row_is_complete_and_of_a_kind_that_is_looked_for() -> None:
    for row in rows():
        assert row.keys() <= {"kind", "old", "new", "where"}, row
        assert row["kind"] in PATTERNS, f"{row}: no pattern"
        assert row["old"] != row["new"], row


def test_every_new_module_exists() -> None:
    """`c4` is imported from constructs/."""
    missing = []
    for row in rows():
        if row["kind"] == "module":
            for name in row["new"].split(", "):
                path = name.replace(".", "/")
                places = (base / path for base in (ROOT, ROOT / "constructs"))
                if not any(p.is_dir() or p.with_suffix(".py").is_file() for p in places):
                    missing.append(name)
    assert missing == []


def test_no_new_name_is_an_old_one_of_its_kind() -> None:
    """Else the old one could not be looked for."""
    old = {(row["kind"], row.get("where", "both"), row["old"]) for row in rows()}
    for row in rows():
        for where in {row.get("where", "both"), "both"}:
            assert (row["kind"], where, row["new"]) not in old, row


@pytest.mark.parametrize(
    ("kind", "old", "text"),
    [
        ("htable", "over", "$sht(over=>$ci) = 1;"),
        ("htable", "over", 'rpc("htable.dump", "over")'),
        ("htable", "known", 'modparam("htable", "htable", "known=>size=4;")'),
        ("route", "WAIT", "    route(WAIT);"),
        ("route", "BAN", 'modparam("rtimer", "exec", "timer=tick;route=BAN")'),
        ("reason", "limit", 'c4_refused{reason="limit"} 1'),
        ("list", "leaving", "/etc/c4/lists/leaving.ctmpl"),
        ("header", "X-C4-Copy", "X-C4-Copy: 1"),
        ("module", "agent.young", "from agent import paths, young"),
        ("module", "agent.young", "import agent.young"),
        ("setting", "sip.known_s", "sip: {known_s: 3}"),
        ("setting", "sip.known_s", 'update={"known_s": 3}'),
        ("setting", "sip.max_call_s", "`sip.max_call_s`"),
        ("setting", "sip_name", "    sip_name: {name: sip.acme.example}"),
    ],
)
def test_old_name_is_found_where_it_is_used(kind: str, old: str, text: str) -> None:
    assert pattern({"kind": kind, "old": old, "new": "x"}).search(text)


@pytest.mark.parametrize(
    ("kind", "old", "text"),
    [
        ("htable", "over", "the call is over; handed over=>"),
        ("htable", "known", "no longer known to the SBC"),
        ("route", "WAIT", "WAIT = 3"),
        ("header", "X-C4-Answered", "X-C4-Answered-At: 1"),
        ("list", "sources", "the sources of the calls"),
        ("module", "agent.young", "a young instance"),
        ("setting", "sip.max_call_s", "timers: {max_call_s: 60}"),
        ("setting", "sip.max_call_s", "sip.timers.max_call_s"),
    ],
)
def test_english_is_not_mistaken_for_an_old_name(kind: str, old: str, text: str) -> None:
    assert not pattern({"kind": kind, "old": old, "new": "x"}).search(text)


def test_exempt_files_exist() -> None:
    missing = [name for name in EXEMPT if not (ROOT / name).exists()]
    assert missing in ([], ["CHANGELOG.md"]), missing
