"""The ratio of paired measurements, and how sure it is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
FEWEST_PAIRS = 10


@dataclass(frozen=True)
class Ratio:
    """A ratio of geometric means, and the bounds of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def proven(self) -> bool:
        """Whether the interval excludes 1."""
        return not self.low <= 1 <= self.high


def paired_ratio(first: Sequence[float], second: Sequence[float]) -> Ratio:
    """Ratio of `first` to `second`, whose values belong together by position.

    The interval is Student's, of the logarithms of the ratios of each pair: what disturbs both
    values of a pair cancels out. Raises `ValueError` for fewer than ten pairs, for unequal
    lengths, and for values that are not positive.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values make no pairs")
    if len(first) < FEWEST_PAIRS:
        raise ValueError(f"{len(first)} pairs; at least {FEWEST_PAIRS} are needed")
    if min(*first, *second) <= 0:
        raise ValueError("a ratio needs positive values")
    logs = [math.log(a / b) for a, b in zip(first, second, strict=True)]
    middle = statistics.fmean(logs)
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    margin = t_quantile((1 + CONFIDENCE) / 2, len(logs) - 1) * error
    return Ratio(math.exp(middle), math.exp(middle - margin), math.exp(middle + margin))


def t_quantile(share: float, degrees: int) -> float:
    """Quantile of Student's distribution, by its expansion around the normal one.

    Right to four digits from nine degrees of freedom on.
    """
    z = statistics.NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(degrees) ** power for power, term in enumerate(terms, 1))
