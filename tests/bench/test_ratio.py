"""Does a comparison tell a difference from noise?"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from bench import compare
from bench.compare import Round, Side
from bench.ratio import paired_ratio, t_quantile
from bench.trees import ROOT
from host.errors import HostError

NOISE = 0.12  # of single rounds


def _rounds(chosen: random.Random, cost: float, pairs: int) -> tuple[list[float], list[float]]:
    """Costs of both sides; the machine's speed drifts, and each round has noise of its own."""
    drift = [1 + 0.5 * i / pairs for i in range(pairs)]
    return (
        [cost * d * math.exp(chosen.gauss(0, NOISE)) for d in drift],
        [d * math.exp(chosen.gauss(0, NOISE)) for d in drift],
    )


@pytest.mark.parametrize(
    ("degrees", "published"), [(9, 2.262), (14, 2.145), (19, 2.093), (29, 2.045), (100, 1.984)]
)
def test_quantiles_are_those_of_the_tables(degrees: int, published: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(published, abs=0.0006)


def test_interval_is_that_of_a_textbook() -> None:
    first = [math.exp(x) for x in (0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.2)]

    found = paired_ratio(first, [1.0] * 10)

    # mean 0.2, standard deviation 0.0816, so an error of 0.02582 and a margin of 0.0584
    assert math.log(found.value) == pytest.approx(0.2)
    assert math.log(found.high) == pytest.approx(0.2584, abs=0.0001)
    assert math.log(found.low) == pytest.approx(0.1416, abs=0.0001)


def test_interval_contains_the_truth_in_19_of_20_comparisons() -> None:
    chosen = random.Random(17)
    found = [paired_ratio(*_rounds(chosen, 1.05, 10)) for _ in range(2000)]
    hits = sum(r.low <= 1.05 <= r.high for r in found)
    assert 0.94 <= hits / len(found) <= 0.96


def test_same_tree_is_no_different_and_a_burden_is_found() -> None:
    chosen = random.Random(4)
    same = paired_ratio(*_rounds(chosen, 1.0, 10))
    dearer = paired_ratio(*_rounds(chosen, 1.3, 10))
    assert not same.proven
    assert dearer.proven
    assert dearer.low > 1


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([1.0] * 9, [1.0] * 9, "at least 10"),
        ([1.0] * 10, [1.0] * 11, "make no pairs"),
        ([1.0] * 9 + [0.0], [1.0] * 10, "positive"),
    ],
)
def test_bad_measurements_are_refused(
    first: Sequence[float], second: Sequence[float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        paired_ratio(first, second)


def _sides() -> tuple[Side, Side]:
    return Side("this tree", ROOT, ()), Side("main", ROOT, ())


def _played(*costs: tuple[float, float]) -> list[tuple[Round, Round]]:
    def played(ms: float) -> Round:
        return Round(compare.by_kind({"sbc1": ms / 2, "sbc2": ms / 2, "postgres": 0.0}), 100, 0, 0)

    return [(played(a), played(b)) for a, b in costs]


def test_result_names_the_dearer_tree() -> None:
    noise = [1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.03, 0.97, 1.0, 1.0]
    found = compare.ratios(_played(*((1.5 * n, 1.0) for n in noise)))
    total = found[compare.ALL]
    assert total is not None
    assert "this tree is dearer" in compare.verdict(_sides(), total)
    assert found["postgres"] is None  # it cost nothing, so there is no ratio


def test_a_pair_with_a_lost_call_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = iter([0, 3])  # in the second round of the first pair
    order: list[str] = []

    def play(side: Side, _: compare.Load) -> Round:
        order.append(side.name)
        return Round({compare.ALL: 1.0}, 100, next(lost, 0), 0)

    monkeypatch.setattr(compare, "play", play)

    played = compare.rounds(_sides(), 10, compare.Load(100, 15))

    assert len(played) == 10
    assert not any(r.lost for pair in played for r in pair)
    first = order[2::2]  # who began each counted pair
    assert first.count("this tree") == first.count("main") == 5


def test_a_plane_that_does_not_start_once_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fails = iter([False] * 4 + [True])

    def play(side: Side, _: compare.Load) -> Round:
        if next(fails, False):
            raise compare.NotStarted(side.name)
        return Round({compare.ALL: 1.0}, 100, 0, 0)

    monkeypatch.setattr(compare, "play", play)

    assert len(compare.rounds(_sides(), 10, compare.Load(100, 15))) == 10


def test_a_tree_that_never_starts_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(side: Side, _: compare.Load) -> Round:
        raise compare.NotStarted("no Kamailio")

    monkeypatch.setattr(compare, "play", play)
    with pytest.raises(HostError, match="no Kamailio"):
        compare.rounds(_sides(), 10, compare.Load(100, 15))


def test_a_machine_that_loses_calls_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "play", lambda *_: Round({compare.ALL: 1.0}, 100, 1, 0))
    with pytest.raises(
        HostError, match=r"11 pairs were spoiled at 100 calls/s, .* 1 / 1 calls lost"
    ):
        compare.rounds(_sides(), 10, compare.Load(100, 15))
