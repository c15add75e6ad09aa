"""Fair and independent draws, measured over a million units.

Every figure here is fixed by its salts and units: nothing is random, and what passes once passes for ever.
A probability is that of a result at least as uneven by chance alone. There are a few hundred of them, so by
chance none would be below the bound of one in a million (about five standard errors).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import pytest

from flagstaff.core.buckets import draw
from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from tests.core import chance
from tests.core.lab import HALVES, THIRDS, experiments, flag, snapshot

pytestmark = pytest.mark.slow

MILLION = 1_000_000
IMPROBABLE = 1e-6

FIFTHS = {"a": 0.1, "b": 9.9, "c": 20, "d": 20, "e": 50}


def numbered(count: int) -> Iterable[str]:
    return (f"user-{number}" for number in range(count))


def plain(count: int) -> Iterable[int]:
    return range(count)


def uuids(count: int) -> Iterable[str]:
    bits = random.Random(1).getrandbits
    return (f"{bits(128):032x}" for _ in range(count))


def addresses(count: int) -> Iterable[str]:
    return (f"{number:x}.{number % 97}@{'mail' if number % 3 else 'post'}.example" for number in range(count))


def variants(rules: Snapshot, key: str, units: Iterable[Any]) -> Iterator[str | None]:
    """Give what each unit gets, by the function that every evaluation runs."""
    function, context = rules.function(key), Context()
    assert function is not None
    for unit in units:
        context.targeting_key = unit
        yield function(context).variant


def drawn(salt: str, parts: int, units: Iterable[Any]) -> Iterator[str | None]:
    """Give the part, of so many equal ones, that each unit falls into under a salt."""
    names = [f"part-{number}" for number in range(parts)]
    split = dict.fromkeys(names, 100 / parts)
    return variants(snapshot(flags={salt: flag({"split": split}, variants=["z", *names])}), salt, units)


def probability_of(counts: Counter[str | None], total: int, shares: Mapping[str, float]) -> dict[str, float]:
    """Give the probability of each variant's count by itself, in a share given in percent."""
    assert sum(counts.values()) == total
    assert counts.keys() <= shares.keys()
    return {name: chance.of_share(counts[name], total, share / 100) for name, share in shares.items()}


# -- shares ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [numbered, plain, uuids, addresses])
def test_a_million_units_fall_evenly_into_a_thousand_ranges(kind: Callable[[int], Iterable[object]]) -> None:
    counts = Counter(drawn("even", 1_000, kind(MILLION)))

    assert len(counts) == 1_000
    assert chance.of_shares([*counts.values()], [0.001] * 1_000) > IMPROBABLE


@pytest.mark.parametrize("kind", [numbered, uuids])
def test_variants_get_their_shares_of_a_million(kind: Callable[[int], Iterable[str]]) -> None:
    rules = experiments({"cta": {"split": FIFTHS}})
    counts = Counter(variants(rules, "cta", kind(MILLION)))

    assert min(probability_of(counts, MILLION, FIFTHS).values()) > IMPROBABLE


@pytest.mark.parametrize(
    "experiment",
    [{"traffic": 20}, {"layer": "page", "slots": [[40, 55], [90, 95]]}],
    ids=["traffic", "layer"],
)
def test_part_of_a_million_takes_part_and_is_split_fairly(experiment: dict[str, Any]) -> None:
    rules = experiments(
        {"cta": {"split": THIRDS, **experiment}}, layers={"page": {}} if "layer" in experiment else {}
    )
    counts = Counter(variants(rules, "cta", numbered(MILLION)))
    part = MILLION - counts.pop("z")

    assert chance.of_share(part, MILLION, 0.20) > IMPROBABLE
    assert min(probability_of(counts, part, THIRDS).values()) > IMPROBABLE


@pytest.mark.parametrize("percent", [0.001, 0.5, 33.333])
def test_a_rollout_reaches_its_share(percent: float) -> None:
    rules = snapshot(flags={"search": flag({"serve": "a", "rollout": percent})})
    counts = Counter(variants(rules, "search", numbered(MILLION)))

    assert chance.of_share(counts["a"], MILLION, percent / 100) > IMPROBABLE


def test_salts_that_hardly_differ_draw_as_fairly() -> None:
    units = list(numbered(20_000))
    probabilities = []
    for number in range(60):
        counts = Counter(drawn(f"experiment-{number}", 2, units))
        probabilities.append(chance.of_share(counts["part-0"], len(units), 0.5))

    assert min(probabilities) > IMPROBABLE
    assert chance.of_uniformity(probabilities) > 0.001


# -- independence --------------------------------------------------------------------------------------


def test_experiments_are_independent_of_each_other() -> None:
    """210 pairs of experiments, 100,000 units each, three variants: their probabilities spread like dice."""
    names = [f"experiment-{number}" for number in range(21)]
    rules = experiments({name: {"split": THIRDS} for name in names})
    units = list(numbered(100_000))
    assigned = [list(variants(rules, name, units)) for name in names]
    probabilities = [
        chance.of_independence(zip(one, other, strict=True)) for one, other in combinations(assigned, 2)
    ]

    assert len(probabilities) == 210
    assert min(probabilities) > IMPROBABLE
    assert chance.of_uniformity(probabilities) > 0.001


def test_the_variant_is_independent_of_who_takes_part() -> None:
    """Tenths against tenths, 40 experiments, 20,000 units each, with three draws that let a unit in."""
    units = list(numbered(20_000))
    layer = list(drawn("checkout", 10, units))
    probabilities: list[float] = []
    for name in (f"experiment-{number}" for number in range(40)):
        variant = list(drawn(name, 10, units))
        others = [layer, drawn(f"{name}:traffic", 10, units), drawn(f"{name} held out", 10, units)]
        probabilities += [chance.of_independence(zip(other, variant, strict=True)) for other in others]

    assert len(probabilities) == 120
    assert min(probabilities) > IMPROBABLE
    assert chance.of_uniformity(probabilities) > 0.001


def test_a_shared_salt_would_be_noticed() -> None:
    rules = experiments(
        {"one": {"salt": "same"}, "two": {"salt": "same"}},
        shared_salts=["same"],
    )
    units = list(numbered(1_000))

    together = zip(variants(rules, "one", units), variants(rules, "two", units), strict=True)
    assert chance.of_independence(together) < IMPROBABLE


def test_a_holdout_is_like_those_it_was_taken_from() -> None:
    """Who is held out falls into another experiment's variants as everybody does."""
    rules = experiments(
        {"one": {}, "other": {"split": THIRDS}}, holdouts={"h": {"size": 10, "experiments": ["one"]}}
    )
    units = list(numbered(200_000))
    out = [unit for unit in units if draw("h", unit) < 10_000]
    counts = Counter(variants(rules, "other", out))

    assert chance.of_share(len(out), len(units), 0.1) > IMPROBABLE
    assert min(probability_of(counts, len(out), THIRDS).values()) > IMPROBABLE
    assert set(variants(rules, "one", out)) == {"z"}
    rest = Counter(variants(rules, "one", set(units) - set(out)))
    assert min(probability_of(rest, len(units) - len(out), HALVES).values()) > IMPROBABLE
