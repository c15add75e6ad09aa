"""How likely a count is by chance alone: exact tails, so that a bound in a test says what it is worth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count, cycle


def poisson_below(observed: float, expected: float) -> float:
    """The probability that a Poisson variable is below `observed`: the upper regularised gamma function Q."""
    if observed <= 0:
        return 0.0
    scale = math.exp(observed * math.log(expected) - expected - math.lgamma(observed)) if expected else 0.0
    if expected < observed + 1:
        return 1.0 - scale * _series(observed, expected)
    return scale * _fraction(observed, expected)


def _series(a: float, x: float) -> float:
    term = total = 1.0 / a
    for n in count(1):
        term *= x / (a + n)
        total += term
        if term < total * 1e-16:
            return total
    raise AssertionError


def _fraction(a: float, x: float) -> float:
    """Lentz's way through the continued fraction."""
    b = x + 1.0 - a
    c, d = 1e300, 1.0 / b
    value = d
    for n in count(1):
        an = -n * (n - a)
        b += 2.0
        d = 1.0 / (an * d + b)
        c = b + an / c
        value *= d * c
        if abs(d * c - 1.0) < 1e-15:
            return value
    raise AssertionError


def chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability of a chi-square statistic at least as large."""
    return poisson_below(freedom / 2, statistic / 2)


def of_share(observed: int, trials: int, share: float) -> float:
    """The probability of a count at least as far off: exact where it is rare, else normal."""
    expected = trials * share
    if expected < 1_000:
        below, above = poisson_below(observed + 1, expected), 1.0 - poisson_below(observed, expected)
        return min(1.0, 2.0 * min(below, above))
    return math.erfc(abs(observed - expected) / math.sqrt(2.0 * expected * (1.0 - share)))


def of_shares(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The probability of counts at least as far from their shares (Pearson's chi-square)."""
    total = sum(counts)
    statistic = sum(
        (counted - total * share) ** 2 / (total * share)
        for counted, share in zip(counts, shares, strict=True)
    )
    return chi_square_tail(statistic, len(counts) - 1)


def of_independence(pairs: Iterable[tuple[object, object]]) -> float:
    """The probability of two things at least as dependent, if they are not (Pearson's chi-square)."""
    table = Counter(pairs)
    rows, columns = Counter[object](), Counter[object]()
    for (row, column), counted in table.items():
        rows[row] += counted
        columns[column] += counted
    total = sum(rows.values())
    statistic = -total + total * sum(
        table[row, column] ** 2 / (rows[row] * columns[column]) for row in rows for column in columns
    )
    return chi_square_tail(statistic, (len(rows) - 1) * (len(columns) - 1))


def of_uniformity(probabilities: Iterable[float]) -> float:
    """The probability that fair probabilities are spread at least as unevenly (Kolmogorov and Smirnov)."""
    ordered = sorted(probabilities)
    size = len(ordered)
    distance: float = max(
        max((index + 1) / size - value, value - index / size) for index, value in enumerate(ordered)
    )
    scaled = (math.sqrt(size) + 0.12 + 0.11 / math.sqrt(size)) * distance
    tail = sum(sign * math.exp(-2.0 * (k * scaled) ** 2) for k, sign in zip(range(1, 101), cycle([1, -1])))
    return min(1.0, 2.0 * tail)
