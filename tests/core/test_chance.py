"""The tests' own statistics, against published tables."""

from __future__ import annotations

import random

import pytest

from tests.core import chance


@pytest.mark.parametrize(
    ("statistic", "freedom", "tail"),
    [
        (3.841, 1, 0.05),
        (10.828, 1, 0.001),
        (5.991, 2, 0.05),
        (13.277, 4, 0.01),
        (16.919, 9, 0.05),
        (2.733, 8, 0.95),
        (124.342, 100, 0.05),
        (61.754, 90, 0.99),
        (1142.85, 999, 0.001),
    ],
)
def test_the_tail_of_chi_square_is_that_of_the_tables(statistic: float, freedom: int, tail: float) -> None:
    assert chance.chi_square_tail(statistic, freedom) == pytest.approx(tail, rel=0.003)


def test_a_rare_count_is_judged_exactly_and_a_frequent_one_by_its_standard_error() -> None:
    assert chance.of_share(25, 1_000_000, 0.00001) == pytest.approx(2 * 4.69e-5, rel=0.01)
    assert chance.of_share(0, 1_000_000, 0.00001) == pytest.approx(2 * 4.54e-5, rel=0.01)
    assert chance.of_share(501_645, 1_000_000, 0.5) == pytest.approx(0.001, rel=0.01)


def test_an_uneven_count_is_improbable() -> None:
    assert chance.of_shares([340, 330, 330], [0.34, 0.33, 0.33]) == pytest.approx(1.0)
    assert chance.of_shares([400, 300, 300], [0.34, 0.33, 0.33]) < 0.001


def test_dependence_is_improbable_and_independence_is_not() -> None:
    rng = random.Random(1)
    dice = [(rng.randrange(3), rng.randrange(3)) for _ in range(20_000)]
    loaded = [(a, a if rng.random() < 0.03 else b) for a, b in dice]

    assert chance.of_independence(dice) > 0.01
    assert chance.of_independence(loaded) < 1e-6


def test_probabilities_that_crowd_are_improbable() -> None:
    assert chance.of_uniformity([(index + 0.5) / 200 for index in range(200)]) == pytest.approx(1.0)
    assert chance.of_uniformity([(index + 0.5) / 250 for index in range(200)]) < 1e-6
    assert chance.of_uniformity([0.5] * 200) < 1e-6
