"""Does a port or a path of an instance stand anywhere but in `common.ports`, `common.paths`?

Python is searched in its constants, everything else line by line. Prose may name both: docstrings,
comments of Python, and documents.
"""

from __future__ import annotations

import ast
import re
import subprocess
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from agent.kamailio.lists import LISTS as KINDS
from common import kamailio, paths, ports
from rendering.templates import ROOT

NUMBERS: Final = sorted({n for port in ports.ALL.values() for n in (port.first, port.last)})
PLACES: Final = sorted(
    (str(p) for p in vars(paths).values() if isinstance(p, Path)), key=len, reverse=True
)
# The directories that are ours alone.
OURS: Final = re.compile(
    r"(?<![\w/])(?:/(?:etc|opt|run|var/lib)/c4(?![\w-])|/usr/local/bin/c4)[\w./-]*"
)
# What follows such a path may be a file in it, but not more of its name.
PLACE: Final = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, PLACES))})(?![\w-])")
NUMBER: Final = re.compile(rf"(?<![\w.])(?:{'|'.join(map(str, NUMBERS))})(?![\w.])")
# Prose, and what programs have made.
UNREAD: Final = (
    "*.md", "docs/*", "LICENSE", "package-lock.json", "requirements/*",
    "tests/*/snapshots/*", "bench/recorded/*",
)  # fmt: skip
_SIP: Final = frozenset({"5060"})
_SIPS: Final = frozenset({"5061"})
_OTHER: Final = frozenset({"5070"})  # as good as any
_MS: Final = frozenset({"30000"})
# Of files (a pattern): what may stand there, None for everything, and why.
EXEMPT: Final[tuple[tuple[str, frozenset[str] | None, str], ...]] = (
    ("common/paths.py", None, "the home of paths"),
    ("common/ports.py", None, "the home of ports"),
    ("image/stages/*.sh", None, "the image is made by shell; compared with common.paths below"),
    ("image/files/*", None, "likewise"),
    ("image/kamailio-module/build.sh", None, "where Debian's Kamailio looks for its configuration"),
    ("router_confd/database/models.py", _SIP, "SIP's default, the column's since its migration"),
    ("router_confd/resources/schemas/*.py", _SIP | _MS, "the API's defaults: SIP's port; in ms"),
    ("router_confd/routing/route.py", _MS, "milliseconds"),
    ("rendering/contexts.py", _MS, "bytes"),
    ("bench/*", _SIP, "ports of PBXs and carriers in samples"),
    ("testbed/router_confd/call_records.py", _SIP, "likewise"),
    ("testbed/router_confd/samples.py", _SIP | _SIPS | _OTHER, "likewise"),
    ("testbed/sip/router_confd_stub.py", _MS, "milliseconds"),
    ("testbed/sip/torture.py", None, "messages of RFC 4475"),
    ("tests/common/test_one_home.py", None, "this list"),
    ("tests/common/test_journal.py", None, "text of an error, as it came"),
    ("tests/demo/test_kamcmd.py", None, "what a Kamailio has once printed"),
    ("tests/docs_gen/test_words.py", None, "a sample of a file that is no more"),
    ("tests/e2e/test_outbound.py", _SIP, "port of a carrier"),
    ("tests/kamailio/*.py", _SIP | _SIPS, "ports of phones, PBXs and carriers"),
    ("tests/kamailio/test_malformed.py", _MS, "bytes"),
    ("tests/lab/*.py", None, "samples of firewall rules; no part of the product runs there"),
    ("tests/router_confd/*.py", None, "samples of requests, of their answers, and milliseconds"),
)


@cache
def _found() -> dict[str, list[tuple[int, str]]]:
    """Line and text of every port and path, by file."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = {}
    for name in filter(None, done.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or any(fnmatch(name, pattern) for pattern in UNREAD):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # no text
        found[name] = found_in_python(text) if path.suffix == ".py" else found_in_text(text)
    return found


def found_in_python(source: str) -> list[tuple[int, str]]:
    """Line and text of every port and path among the constants of a module."""
    tree = ast.parse(source)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in prose:
            continue
        value = node.value
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            found += [(node.lineno + line - 1, text) for line, text in found_in_text(value)]
        elif isinstance(value, int) and value in NUMBERS:
            found.append((node.lineno, str(value)))
    return found


def found_in_text(text: str) -> list[tuple[int, str]]:
    """Line and text of every port and path in a template, a script, or a string."""
    return [
        (number, match[0])
        for number, line in enumerate(text.splitlines(), 1)
        for pattern in (NUMBER, PLACE)
        for match in pattern.finditer(line)
    ]


def _allowed(name: str, text: str) -> bool:
    return any(
        fnmatch(name, pattern) and (what is None or text in what) for pattern, what, _ in EXEMPT
    )


def test_a_port_or_path_stands_in_its_home_only() -> None:
    outside = [
        f"{name}:{line}: {text}"
        for name, found in _found().items()
        for line, text in found
        if not _allowed(name, text)
    ]
    assert outside == []


def test_every_exemption_is_needed() -> None:
    for pattern, what, _ in EXEMPT:
        there = {
            text for name, found in _found().items() if fnmatch(name, pattern) for _, text in found
        }
        assert there, f"{pattern}: nothing to exempt"
        assert what is None or what <= there, f"{pattern}: {what - there} is not there"


def test_a_port_and_a_path_are_found() -> None:
    source = f'''"""{ports.DMQ}"""\nPORT = {ports.DMQ}\nURI = f"sip:{{host}}:{ports.DMQ}"\n'''
    assert found_in_python(source) == [(2, str(ports.DMQ)), (3, str(ports.DMQ))]
    text = f"a\nb {paths.APPLIED}/dmq {paths.RUN}-build 1{ports.DMQ}"
    assert found_in_text(text) == [(2, str(paths.APPLIED))]


@pytest.mark.parametrize("name", sorted(f.name for f in (ROOT / "image/stages").glob("*.sh")))
def test_the_image_puts_things_where_instances_look_for_them(name: str) -> None:
    """Whatever a stage does below our own directories is known to `common.paths`."""
    text = (ROOT / "image/stages" / name).read_text(encoding="utf-8")
    known = {*PLACES, str(paths.APP.parent), f"{paths.VENV}/bin/python"}
    assert set(OURS.findall(text)) <= known


def test_the_image_starts_what_is_there() -> None:
    text = (ROOT / "image/files/app/c4-agent").read_text(encoding="utf-8")
    assert f"PYTHONPATH={paths.APP}\n" in text
    assert f"exec {paths.VENV}/bin/python -m agent" in text


def test_the_database_of_the_lab_finds_its_files() -> None:
    from lab.machines.databases import FILES

    files = (ROOT / "image/files/rds").iterdir()
    read = {match for path in files for match in re.findall(r"/etc/c4[\w./-]*", path.read_text())}
    assert read == {f"{FILES}/{name}" for name in ("server.pem", "server.key", "init.sql")}


def test_the_agent_knows_every_list_that_is_rendered() -> None:
    assert set(KINDS) == {name for names in kamailio.LISTS.values() for name in names}
