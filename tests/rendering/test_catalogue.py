"""Do the catalogues of tables and variables say what the templates use, no more and no less?"""

from __future__ import annotations

import re

import pytest

from common.kamailio import LISTS
from common.topology import Tier
from rendering import tables, variables
from rendering.contexts import KamailioContext
from rendering.kamailio_files import configuration
from rendering.templates import ROOT
from settings import Deployment
from settings.sip import DispatchAlgorithm

_TABLE = re.compile(r"\bsht(?:inc|dec|ex|cv)?\((\w+)=>")
_ITERATED = re.compile(r'sht_iterator_start\("\w+", "(\w+)"')
_BLOCK = re.compile(
    r"^(?:\w+_)?(?:route\[([\w:-]+)\]|(reply_route|onsend_route)) \{$", re.MULTILINE
)


@pytest.fixture(params=[Tier.SBC, Tier.ROUTER], ids=str)
def tier(request: pytest.FixtureRequest) -> Tier:
    found: Tier = request.param
    return found


@pytest.fixture
def text(deployment: Deployment, tier: Tier) -> str:
    """The configuration with everything that is off by default."""
    tenant = deployment.tenants[0]
    options = {"homer": "10.50.0.9:9060", "dispatch": DispatchAlgorithm.CALL_LOAD}
    changed = tenant.model_copy(update={"sip": tenant.sip.model_copy(update=options)})
    return configuration(KamailioContext.of(deployment, changed, tier))


def blocks(text: str) -> dict[str, str]:
    """Route blocks by name; of blocks with one name (of several kinds) all texts."""
    found: dict[str, str] = {}
    starts = list(_BLOCK.finditer(text))
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        name = start[1] or start[2]
        found[name] = found.get(name, "") + text[start.end() : end.start() if end else len(text)]
    return found


def test_every_table_is_used_and_every_used_table_is_in_the_catalogue(
    text: str, tier: Tier
) -> None:
    used = {*_TABLE.findall(text), *_ITERATED.findall(text)}
    assert used == {table.name for table in tables.of_tier(tier, call_load=True)}


def test_every_table_is_declared_once_and_nowhere_else(text: str, tier: Tier) -> None:
    names = re.findall(r'modparam\("htable", "htable", "(\w+)=>', text)
    assert sorted(names) == sorted(t.name for t in tables.of_tier(tier, call_load=True))
    for path in (ROOT / "kamailio").rglob("*.j2"):
        if path.name != "tables.cfg.j2":
            assert '"htable", "htable"' not in path.read_text(), path
            assert "shvset" not in path.read_text(), path


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda t: f"{t.tier}-{t.name}")
def test_the_owner_of_a_table_uses_it(table: tables.Table) -> None:
    owner = ROOT / "kamailio" / f"{table.owner}.cfg.j2"
    assert f"({table.name}=>" in owner.read_text()
    assert table.file is None or table.file in LISTS[table.tier]


def test_a_table_of_one_name_in_both_tiers_is_one_subject() -> None:
    names = [table.name for table in tables.TABLES]
    assert {name for name in names if names.count(name) > 1} <= {"call_owner"}


@pytest.mark.parametrize(
    ("kind", "catalogue"),
    [("avp", variables.AVPS), ("dlg_var", variables.DIALOG_VARIABLES)],
    ids=["avp", "dlg_var"],
)
def test_variables_are_those_that_the_catalogue_describes(
    text: str, tier: Tier, kind: str, catalogue: tuple[variables.Variable, ...]
) -> None:
    described = [v for v in catalogue if v.tier is tier]
    assert set(re.findall(rf"(?<![a-z]){kind}\((\w+)\)", text)) == {v.name for v in described}
    assert len({v.name for v in described}) == len(described)
    found = blocks(text)
    for variable in described:
        for name in variable.set_by.split(", "):
            if not name.startswith("module "):
                assert f"{kind}({variable.name})" in found[name], f"{variable.name}: {name}"


def test_shared_variables_are_those_that_the_catalogue_describes(text: str, tier: Tier) -> None:
    used = set(re.findall(r"\bshv\((\w+)\)", text))
    described = {v.name for v in variables.SHARED_VARIABLES if v.tier in (None, tier)}
    assert used == described == set(re.findall(r'"shvset", "(\w+)=i:\d+"', text))
