"""What holds for every number, expression and URI."""

from __future__ import annotations

import gc
import re
import string
import time
import weakref
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router_confd.auth.crypto import Undecryptable, Vault
from router_confd.config import Secrets
from router_confd.directory.dids import DidIndex
from router_confd.directory.store import Directory
from router_confd.directory.tables import Table
from router_confd.resources.schemas.kamailio import RoutingRequest
from router_confd.routing import patterns, sip_uri
from router_confd.routing.normalization import Normalizer, clean
from router_confd.routing.route import route

pytestmark = pytest.mark.slow

digits = st.text(string.digits, min_size=1, max_size=15)
alnum = string.ascii_letters + string.digits

# Expressions of the kind that people write for DIDs; Python's `re` is the judge.
atoms = st.one_of(
    digits,
    st.sampled_from(["[0-9]", r"\d", ".", "[13-5]", "(12|3)", "(?:4|56)", "0", "39"]),
)
pieces = st.tuples(atoms, st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{0,2}"])).map("".join)
expressions = st.builds(
    lambda start, body, end: start + "".join(body) + end,
    st.sampled_from(["", "^"]),
    st.lists(pieces, min_size=1, max_size=5),
    st.sampled_from(["", "$"]),
)
alternatives = st.lists(expressions, min_size=1, max_size=3).map("|".join)


# --- matching --------------------------------------------------------------------------------


@given(alternatives, digits)
def test_matching_is_full_matching(pattern: str, number: str) -> None:
    assert patterns.matches(pattern, number) == bool(re.fullmatch(f"(?:{pattern})", number))


@given(alternatives, st.data())
def test_whatever_matches_starts_with_the_prefix(pattern: str, data: Any) -> None:
    """The prefix only selects candidates: it must never hide a match."""
    text = data.draw(st.from_regex(f"(?:{pattern})", fullmatch=True, alphabet=string.digits))
    assume(re.fullmatch(f"(?:{pattern})", text))
    assert text.startswith(patterns.digit_prefix(pattern))
    assert text.startswith(patterns.alnum_prefix(pattern))


@given(st.lists(st.tuples(st.one_of(digits, alternatives), st.integers(1, 9)), max_size=12), digits)
def test_the_index_finds_what_a_scan_finds(rows: list[tuple[str, int]], number: str) -> None:
    index = DidIndex()
    for text, ipbx in rows:
        plain = patterns.number_of(text)
        if plain is not None:
            index.put_numbers([(plain, ipbx)])
        else:
            index.put_patterns([(patterns.digit_prefix(text), ipbx, text)])
    plain_ids = sorted({i for text, i in rows if patterns.number_of(text) == number})
    scanned = sorted(
        i
        for text, i in rows
        if patterns.number_of(text) is None and re.fullmatch(f"(?:{text})", number)
    )
    found = list(index.find(number))
    assert sorted(set(found)) == sorted({*plain_ids, *scanned})
    if plain_ids:
        assert found[0] == plain_ids[0]
    elif scanned:
        assert found[0] == scanned[0]


@given(st.lists(st.tuples(digits, st.integers(1, 9)), unique=True, max_size=8))
def test_forgotten_numbers_are_gone(rows: list[tuple[str, int]]) -> None:
    index = DidIndex()
    index.put_numbers(rows)
    index.put_patterns([(number, ipbx, number + "[0-9]") for number, ipbx in rows])
    index.forget([number for number, _ in rows])
    assert len(index) == 0
    assert all(not list(index.find(number)) for number, _ in rows)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    assume(text < "\ud800" or not any("\ud800" <= c <= "\udfff" for c in text))
    try:
        patterns.check(text)
    except patterns.BadPattern:
        return
    patterns.matches(text, "39040123456")
    assert isinstance(patterns.digit_prefix(text), str)


@pytest.mark.parametrize("pattern", ["(1+)+$", "(1|11)+x", "(1*)*(1*)*(1*)*y", "(1|1?){30}2"])
def test_no_expression_takes_long(pattern: str) -> None:
    started = time.perf_counter()
    patterns.matches(pattern, "1" * 64)
    assert time.perf_counter() - started < 0.5


# --- normalization ---------------------------------------------------------------------------


def directory(rules: list[tuple[int, int, str, str]], *, plus: bool = False) -> Directory:
    """One profile, id 1, with rules of (type, priority, match, replace)."""
    result = Directory()
    result.profiles.put([(1, "t", "39", plus)])
    result.normalization_rules.put(
        [(i, "t", 1, kind, order, m, r) for i, (kind, order, m, r) in enumerate(rules, 1)]
    )
    return result


@given(st.text(max_size=30))
def test_cleaning_leaves_letters_and_digits_and_is_idempotent(text: str) -> None:
    cleaned = clean(text)
    assert set(cleaned) <= set(alnum)
    assert cleaned == "".join(c for c in text if c in alnum) == clean(cleaned)


@given(st.text(max_size=30), st.booleans())
def test_a_profile_without_rules_only_cleans(text: str, plus: bool) -> None:
    normalizer = Normalizer(directory([], plus=plus))
    profile = normalizer.profile(1)
    assert normalizer.to_e164(text, profile) == clean(text)
    assert normalizer.to_local(text, profile) == ("+" if plus else "") + clean(text)
    assert normalizer.profile(None) is normalizer.profile(2) is None


rules = st.lists(
    st.tuples(
        st.sampled_from([1, 2]),
        st.integers(0, 3),
        digits.map("^{}".format),
        st.text("0123", max_size=3),
    ),
    max_size=6,
)  # fmt: skip


@given(rules, digits)
def test_rules_apply_in_sequence_by_priority(
    given_rules: list[tuple[int, int, str, str]], number: str
) -> None:
    expected = number
    for kind, _, match, replace in sorted(given_rules, key=lambda rule: rule[1]):
        if kind == 1:
            expected = re.sub(match, replace, expected)
    normalizer = Normalizer(directory(given_rules))
    assert normalizer.to_e164(number, normalizer.profile(1)) == expected


@given(digits)
def test_there_and_back(number: str) -> None:
    normalizer = Normalizer(directory([(1, 0, "^0([1-9])", r"39\1"), (2, 0, "^39([1-9])", r"0\1")]))
    profile = normalizer.profile(1)
    local = normalizer.to_local(number, profile)
    if number.startswith("39") and len(number) > 2 and number[2] != "0":
        assert local == "0" + number[2:]
        assert normalizer.to_e164(local, profile) == number


def test_a_rule_that_explodes_is_left_out() -> None:
    normalizer = Normalizer(directory([(1, 0, "1", "1" * 200)]))
    assert normalizer.to_e164("111", normalizer.profile(1)) == "111"


# --- URIs and whole requests -----------------------------------------------------------------

users = st.text(string.ascii_letters + string.digits + "+-_.!~*'()%", min_size=1, max_size=20)
hosts = st.one_of(
    st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
ports = st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format))
parameters = st.sampled_from(["", ";transport=tcp", ";user=phone;lr", "?Subject=x"])


@given(st.sampled_from(["sip:", "sips:", ""]), users, hosts, ports, parameters)
def test_uris_come_apart(scheme: str, user: str, host: str, port: str, more: str) -> None:
    assert sip_uri.parse(f"{scheme}{user}@{host}{port}{more}") == (scheme, user, host, port)


@given(st.text(max_size=80))
def test_any_text_is_taken_apart_without_control_characters(text: str) -> None:
    for part in sip_uri.parse(text):
        assert not any(ord(c) < 32 or ord(c) == 127 for c in part)


def test_long_nonsense_is_quick() -> None:
    started = time.perf_counter()
    for text in ("sip:" + "a" * 2000, "a:" * 1000, "@" * 2000, "<" * 2000, "[" * 2000 + "@"):
        sip_uri.parse(text)
    assert time.perf_counter() - started < 0.5


def vault(key: str, *previous: str) -> Vault:
    secrets = {"api_key": "x" * 16, "encryption_key": key, "previous_encryption_keys": previous}
    return Vault(Secrets.model_validate(secrets))


VAULT = vault("y" * 16)


def populated() -> Directory:
    result = directory([(1, 0, "^0", "39")])
    result.domains.put([(1, "t", "known.example.com")])
    none = (None,) * 6
    result.ipbxs.put([(1, "t", 1, None, "10.0.0.1", 5060, *none, None, None, None)])
    result.trunks.put([(1, "t", 1, "10.0.0.2", 5060, None, False, *none[:5], 60, None, None, None)])
    result.dids.put_patterns([("", 1, "[0-9]{3}")])
    return result


def test_a_directory_goes_with_its_last_reference() -> None:
    """The garbage collector does not look at it: a cycle would stay for ever at each new load."""
    made = populated()
    known = weakref.ref(made), weakref.ref(made.ipbxs), weakref.ref(made.dids)
    gc.disable()
    try:
        del made
        assert [ref() for ref in known] == [None] * 3
    finally:
        gc.enable()


WIRE = st.one_of(st.none(), st.text(max_size=40))


@settings(max_examples=300)
@given(st.text(max_size=40), st.text(max_size=40), WIRE, WIRE, WIRE)
def test_any_request_gets_a_safe_answer(
    from_uri: str, to_uri: str, from_name: str | None, to_name: str | None, request_uri: str | None
) -> None:
    request = RoutingRequest(
        from_uri=from_uri, to_uri=to_uri, from_name=from_name, to_name=to_name,
        request_uri=request_uri, source_ip="10.0.0.1",
    )  # fmt: skip
    reply = route(populated(), VAULT, request, None)
    for hop in reply["routes"]:
        headers = hop["headers"]
        texts = [
            hop["dst_uri"], hop["uri"], headers["from"]["uri"], headers["to"]["uri"],
            headers["from"]["display"], headers["to"]["display"],
            headers["extra"].removesuffix("\r\n"),
        ]  # fmt: skip
        assert not any(ord(c) < 32 or ord(c) == 127 for text in texts for c in text)


# --- the directory and the vault -------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("abc"), st.booleans()), max_size=30))
def test_indexes_follow_every_change(changes: list[tuple[int, str, bool]]) -> None:
    from router_confd.directory.rows import Domain

    table = Table("domains", Domain)
    index = table.index(lambda row: row.domain)
    model: dict[int, str] = {}
    for row_id, text, keep in changes:
        if keep:
            table.put([(row_id, "t", text)])
            model[row_id] = text
        else:
            table.drop([row_id])
            model.pop(row_id, None)
        for key in "abc":
            assert [r.id for r in index[key]] == sorted(i for i, t in model.items() if t == key)


@given(st.text(max_size=50).filter(lambda t: t.isprintable()), st.uuids(version=4))
def test_credentials_open_only_for_their_owner(text: str, owner: Any) -> None:
    sealed = VAULT.encrypt(text, str(owner))
    assert VAULT.decrypt(sealed, str(owner)) == text
    assert text == "" or len(text) < 3 or text not in sealed
    for key, who in (("y" * 16, "other"), ("z" * 16, str(owner))):
        with pytest.raises(Undecryptable):
            vault(key).decrypt(sealed, who)


def test_a_rotated_key_still_reads_what_the_old_one_wrote() -> None:
    sealed = VAULT.encrypt("text", "owner")
    new = vault("n" * 16, "y" * 16)
    assert new.decrypt(sealed, "owner") == "text"
    assert new.encrypt("text", "owner") != sealed
