"""Is every program that we run on this machine listed, so that set-up can install it?

Commands are lists in Python, and words of a few shell scripts. Both are read, not run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from host import programs
from rendering.templates import ROOT

PACKAGES: Final = ("host", "image", "lab", "sipp", "cli", "demo", "testbed")
# Scripts that run on this machine; those of image/stages run inside the image.
SCRIPTS: Final = (
    "host/abilities.sh", "image/in-root.sh", "lab/machines/boot.sh", "testbed/places/enter.sh",
)  # fmt: skip
# What runs the rest of its own command line, and how many words stand before that.
WRAPPERS: Final = {"nsenter": 0, "unshare": 0, "setpriv": 0, "env": 0, "chroot": 1, "exec": 0}
OPTIONS_WITH_VALUES: Final = {"--propagation", "--pdeathsig"}
# These are run where they are found, and something else serves where they are not.
OPTIONAL: Final = {"apt-get", "terraform", "tofu", "go", "uv", "kamailio", "initdb", "pg_ctl"}
# These run on a machine of the local cloud, or in the image, which have them.
OF_MACHINES: Final = {"curl", "journalctl", "kamcmd", "runuser", "psql", "systemctl", "c4-agent"}
# Functions whose first argument is a command of this machine, as a list.
RUNNERS: Final = {"run", "Popen", "check_output", "argv", "command_in", "cloud_popen", "cloud_exec"}
NAMES: Final = {"command", "args", "isolated", "enter", "nft", "tar", "fields", "mount"}
KEYWORDS: Final = """
    if then else elif fi for in do done while case esac set shift exit return exec export test echo
    printf trap read command cd local eval : [ ! { } true false
"""
SHELL: Final = frozenset(KEYWORDS.split())


def is_word(text: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9._-]*", text) is not None


def commands(tree: ast.AST) -> Iterator[ast.List]:
    """Lists that are run: arguments of a runner, and what is called like a command."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in RUNNERS:
                yield from (a for a in node.args[:1] if isinstance(a, ast.List))
        targets = (
            node.targets if isinstance(node, ast.Assign)
            else [node.target] if isinstance(node, ast.AnnAssign) else []
        )  # fmt: skip
        named = any(isinstance(t, ast.Name) and t.id in NAMES for t in targets)
        value = getattr(node, "value", None)
        if named and isinstance(value, ast.List):
            yield value


def programs_of(command: ast.List) -> Iterator[str]:
    """The program of a command line, and those that it wraps."""
    words = command.elts
    place = 0
    while place < len(words):
        word = words[place]
        if not isinstance(word, ast.Constant) or not isinstance(word.value, str):
            return
        if not is_word(word.value):
            return
        yield word.value
        if word.value == "ip" and [getattr(w, "value", "") for w in words[1:3]] == [
            "netns",
            "exec",
        ]:
            place += 4
            continue
        if word.value not in WRAPPERS:
            return
        place += 1
        while place < len(words) and _is_option(words[place]):
            place += 2 if getattr(words[place], "value", "") in OPTIONS_WITH_VALUES else 1
        place += WRAPPERS[word.value]


def _is_option(word: ast.expr) -> bool:
    if isinstance(word, ast.JoinedStr):
        word = word.values[0]
    return isinstance(word, ast.Constant) and str(word.value).startswith("-")


def run_by_python() -> dict[str, str]:
    """Programs that Python runs on this machine, and a file that does so."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for command in commands(ast.parse(file.read_text(encoding="utf-8"))):
                for name in programs_of(command):
                    found.setdefault(name, str(file.relative_to(ROOT)))
    return found


def run_by_shell(text: str) -> set[str]:
    """Programs that a shell script runs: the first words of its commands."""
    text = re.sub(r"(?m)(^|\s)#.*", "", text)
    text = re.sub(r"'[^']*'", "", text)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    functions = set(re.findall(r"^(\w+)\(\)", text, re.M))
    found = set()
    for line in lines:
        for part in re.split(
            r"\|\|?|&&|;|\$\(|\(|\bthen\b|\bdo\b|\belse\b|\btry \"[^\"]*\"|!", line
        ):
            words = part.strip().lstrip("({ ").split()
            while words and (words[0] in {"exec", "if", "while", "{"} or "=" in words[0]):
                words = words[1:]
            if words and is_word(words[0]) and words[0] not in SHELL | functions:
                found.add(words[0])
    return found


LISTED: Final = {program.name for program in programs.listed()}


def test_every_program_that_python_runs_is_listed() -> None:
    found = run_by_python()

    assert {"ip", "nft", "debootstrap", "unshare", "tar"} <= set(found), "it is looked for"
    unknown = {k: v for k, v in found.items() if k not in LISTED | OPTIONAL | OF_MACHINES}
    assert unknown == {}, "add them to host/programs.txt, with the Debian package that has them"


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_program_that_a_script_runs_is_listed(script: str) -> None:
    found = run_by_shell((ROOT / script).read_text(encoding="utf-8"))

    assert found, "it is looked for"
    assert found - LISTED == set(), "add them to host/programs.txt"


def test_every_shell_script_of_this_machine_is_read() -> None:
    scripts = {str(f.relative_to(ROOT)) for p in PACKAGES for f in (ROOT / p).rglob("*.sh")}
    in_image = {s for s in scripts if s.startswith("image/")} - {"image/in-root.sh"}

    assert scripts - in_image == set(SCRIPTS)


def test_a_program_that_is_wrapped_is_found() -> None:
    text = 'run(["nsenter", f"--net={ns}", "sysctl", "-q"]); run(["ip", "netns", "exec", ns, "tc"])'

    found = {name for command in commands(ast.parse(text)) for name in programs_of(command)}

    assert found == {"nsenter", "sysctl", "ip", "tc"}


def test_programs_of_a_script_are_found() -> None:
    text = (
        'a=1\n[ -e x ] || mount --bind x y # rm\nif ! cp a b | tr c d; then exec chroot "$r"; fi\n'
    )

    assert run_by_shell(text) == {"mount", "cp", "tr", "chroot"}


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    missing = {program.name: program.package for program in programs.missing()}

    assert missing["ip"] == "iproute2"
    assert missing["systemd-nspawn"] == "systemd-container"
    assert programs.package("nft") == "nftables"
    assert programs.package("unheard-of") == "unheard-of"
