from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flagstaff.core.buckets import BUCKETS, bucket, cut, draw, hash32, unit_text
from flagstaff.core.context import Context
from flagstaff.core.decision import Decision, Reason
from flagstaff.core.rules import Bucket, Share
from flagstaff.errors import RulesError
from flagstaff.formats.native.values import thousandths
from tests.core.lab import HALVES, THIRDS, decide, experiments, flag, served, snapshot

UNITS = [f"user-{number}" for number in range(300)]

HASHES = st.integers(0, 2**32 - 1)
ANY_TEXT = st.text(st.characters())  # lone surrogates included
PERCENT = st.integers(0, BUCKETS).map(lambda buckets: buckets / 1000)
RISING = st.tuples(PERCENT, PERCENT).map(sorted).filter(lambda pair: pair[0] < pair[1])
SALTS = st.text("abcdefgh-", min_size=1, max_size=8)


# -- arithmetic --------------------------------------------------------------------------------------


def test_a_bound_cuts_the_hashes_exactly_where_the_bucket_changes() -> None:
    cuts = [cut(bound) for bound in range(BUCKETS + 1)]

    assert (cuts[0], cuts[-1]) == (0, 2**32)
    assert [bucket(first) for first in cuts[:-1]] == list(range(BUCKETS))
    assert [bucket(first - 1) for first in cuts[1:]] == list(range(BUCKETS))


@given(HASHES, st.integers(0, BUCKETS))
def test_comparing_hashes_is_comparing_buckets(hashed: int, bound: int) -> None:
    assert (hashed < cut(bound)) is (bucket(hashed) < bound)


def test_no_bucket_has_more_than_one_hash_more_than_another() -> None:
    sizes = Counter(after - before for before, after in pairwise(cut(bound) for bound in range(BUCKETS + 1)))

    assert sizes == {42_949: 32_704, 42_950: 67_296}


@given(HASHES)
def test_a_bucket_is_one_of_the_buckets(hashed: int) -> None:
    assert 0 <= bucket(hashed) < BUCKETS


def test_every_percentage_with_three_decimals_is_that_many_buckets() -> None:
    assert [thousandths(buckets / 1000) for buckets in range(BUCKETS + 1)] == list(range(BUCKETS + 1))
    assert [thousandths(float(f"{buckets}e-3")) for buckets in range(BUCKETS + 1)] == list(range(BUCKETS + 1))


@given(st.integers(0, 10 * BUCKETS).filter(lambda number: number % 10))
def test_a_fourth_decimal_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="more than three decimals"):
        thousandths(number / 10_000)


RANGES = st.lists(st.tuples(st.integers(0, BUCKETS), st.integers(0, BUCKETS)), max_size=3).map(tuple)


@given(RANGES, st.integers(0, BUCKETS - 1), st.integers(-1, 0))
def test_a_share_includes_the_hashes_of_its_buckets(
    ranges: tuple[tuple[int, int], ...], bound: int, before: int
) -> None:
    hashed = max(0, cut(bound) + before)
    share = Share(Bucket("salt"), ranges)

    assert share.includes(hashed, 0.0) is any(start <= bucket(hashed) < stop for start, stop in ranges)


def test_a_step_counts_from_its_very_moment_on() -> None:
    share = Share(Bucket("salt"), steps=((10.0, 25_000), (20.0, 50_000)))

    assert share.ranges_at(9.9) == ()
    bounds = [
        next((bound for bound in (0, 25_000, 50_000) if not share.includes(cut(bound), now)), None)
        for now in (9.9, 10.0, 19.9, 20.0)
    ]
    assert bounds == [0, 25_000, 25_000, 50_000]


# -- units -------------------------------------------------------------------------------------------


class Loud(str):
    """Text that tells something else about itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "loud"

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class Odd(int):
    def __repr__(self) -> str:
        return "odd"

    __str__ = __repr__


@given(ANY_TEXT.filter(bool))
def test_text_is_its_own_text(text: str) -> None:
    assert unit_text(text) == text


@given(st.integers())
def test_an_int_is_its_decimal_digits(number: int) -> None:
    assert unit_text(number) == f"{number:d}"


def test_a_subclass_can_not_change_its_text() -> None:
    assert unit_text(Loud("user-42")) == "user-42"
    assert unit_text(Odd(42)) == "42"
    assert unit_text(Loud("")) is None


@given(st.none() | st.booleans() | st.floats() | st.binary() | st.lists(st.text()) | st.just(""))
def test_everything_else_is_no_unit(value: Any) -> None:
    assert unit_text(value) is None


@given(SALTS, ANY_TEXT.filter(bool), HASHES)
def test_every_text_can_be_drawn(salt: str, unit: str, seed: int) -> None:
    assert draw(salt, unit, seed) == bucket(hash32(f"{salt}:{unit}", seed))


def test_a_salt_with_a_colon_can_meet_another() -> None:
    assert draw("a", "b:c") == draw("a:b", "c")


@pytest.mark.parametrize(
    ("one", "other"),
    [("caf\u00e9", "cafe\u0301"), ("user-42", "USER-42"), ("user-42", "user-42 "), ("42", "042"), ("", "\0")],
)
def test_text_is_neither_trimmed_nor_folded_nor_normalised(one: str, other: str) -> None:
    assert hash32(f"salt:{one}") != hash32(f"salt:{other}")


@given(ANY_TEXT.filter(bool) | st.integers())
def test_the_engine_draws_what_is_specified(unit: str | int) -> None:
    rules = snapshot(flags={"cta": flag({"split": HALVES})})
    text = unit_text(unit)
    assert text is not None

    expected = "a" if draw("cta", text) < 50_000 else "b"
    assert rules.decide("cta", Context(unit)).variant == expected
    assert rules.explain("cta", Context(unit)).decision.variant == expected


@given(st.none() | st.booleans() | st.floats() | st.just("") | st.lists(st.text()))
def test_without_a_unit_nothing_is_drawn(unit: Any) -> None:
    rules = experiments({"cta": {}})

    decision = rules.decide("cta", Context(unit))
    assert (decision.variant, decision.reason) == ("z", Reason.TARGETING_KEY_MISSING)


# -- who stays when something changes --------------------------------------------------------------


@given(SALTS, RISING)
def test_raising_a_rollout_moves_nobody_who_is_in(salt: str, percents: list[float]) -> None:
    low, high = (
        served(
            snapshot(flags={"search": flag({"serve": "a", "rollout": percent}, salt=salt)}), "search", UNITS
        )
        for percent in percents
    )

    assert low.items() <= high.items()


@given(SALTS, RISING)
def test_raising_the_rollout_of_a_split_moves_nobody_who_is_in(salt: str, percents: list[float]) -> None:
    low, high = (
        served(snapshot(flags={"cta": flag({"split": THIRDS, "rollout": percent}, salt=salt)}), "cta", UNITS)
        for percent in percents
    )

    assert low.items() <= high.items()


@given(SALTS, RISING)
def test_raising_traffic_moves_nobody_who_is_in(salt: str, percents: list[float]) -> None:
    low, high, whole = (
        served(experiments({"cta": {"split": THIRDS, "salt": salt, "traffic": percent}}), "cta", UNITS)
        for percent in [*percents, 100]
    )

    assert low.items() <= high.items() <= whole.items()
    assert len(whole) == len(UNITS)


@given(SALTS, st.lists(st.integers(0, BUCKETS), min_size=4, max_size=4, unique=True).map(sorted))
def test_another_slot_moves_nobody_who_is_in(salt: str, bounds: list[int]) -> None:
    first, more = ([bounds[at] / 1000, bounds[at + 1] / 1000] for at in (0, 2))
    few, many = (
        served(
            experiments(
                {"cta": {"split": THIRDS, "salt": salt, "layer": "page", "slots": slots}}, layers={"page": {}}
            ),
            "cta",
            UNITS,
        )
        for slots in ([first], [first, more])
    )

    assert few.items() <= many.items()


@given(st.integers(0, 99), st.integers(1, 1000))
def test_a_later_step_moves_nobody_who_is_in(percent: int, more: int) -> None:
    steps = [
        {"at": "1970-01-01T00:00:00Z", "percent": percent},
        {"at": "1970-01-02T00:00:00Z", "percent": percent + more / 1000},
    ]
    rules = snapshot(flags={"search": flag({"serve": "a", "rollout": steps})})
    now = 0.0
    rules.now = lambda: now
    before = served(rules, "search", UNITS)
    now = 86_400.0

    assert before.items() <= served(rules, "search", UNITS).items()


@given(st.integers(1, 99_998), st.integers(1, 99_998))
def test_new_weights_move_only_those_between_the_old_bound_and_the_new(old: int, new: int) -> None:
    before, after = (
        served(
            snapshot(flags={"cta": flag({"split": {"a": bound / 1000, "b": (BUCKETS - bound) / 1000}})}),
            "cta",
            UNITS,
        )
        for bound in (old, new)
    )

    moved = {unit for unit in UNITS if before[unit] != after[unit]}
    assert moved == {unit for unit in UNITS if min(old, new) <= draw("cta", unit) < max(old, new)}


def test_a_renamed_experiment_with_its_old_name_as_salt_moves_nobody() -> None:
    old = served(experiments({"cta": {"traffic": 60}}), "cta", UNITS)
    new = served(experiments({"call-to-action": {"traffic": 60, "salt": "cta"}}), "call-to-action", UNITS)

    assert old == new


def test_a_new_revision_moves_nobody() -> None:
    old, new = (
        served(experiments({"cta": {"traffic": 60, "revision": number}}), "cta", UNITS) for number in (1, 2)
    )

    assert old == new


# -- layers ------------------------------------------------------------------------------------------


@st.composite
def layers(draw_: st.DrawFn) -> dict[str, list[list[float]]]:
    """Give the slots of some experiments that share a layer: disjoint, in any number and order."""
    bounds = sorted(draw_(st.sets(st.integers(0, BUCKETS), min_size=2, max_size=12)))
    owners = draw_(st.lists(st.sampled_from("pqrs-"), min_size=len(bounds) - 1, max_size=len(bounds) - 1))
    slots: dict[str, list[list[float]]] = {}
    for owner, (low, high) in zip(owners, pairwise(bounds), strict=True):
        slots.setdefault(owner, []).append([low / 1000, high / 1000])
    slots.pop("-", None)
    assume(slots)
    return slots


@given(layers())
def test_experiments_in_one_layer_never_share_a_unit(slots: dict[str, list[list[float]]]) -> None:
    rules = experiments(
        {name: {"layer": "page", "slots": owned} for name, owned in slots.items()}, layers={"page": {}}
    )
    taken = Counter(unit for name in slots for unit in served(rules, name, UNITS))

    assert max(taken.values(), default=1) == 1


@given(layers())
def test_a_layer_is_given_away_without_gaps(slots: dict[str, list[list[float]]]) -> None:
    rules = experiments(
        {name: {"layer": "page", "slots": owned} for name, owned in slots.items()}, layers={"page": {}}
    )
    taken = {unit for name in slots for unit in served(rules, name, UNITS)}

    owned = [(thousandths(low), thousandths(high)) for ranges in slots.values() for low, high in ranges]
    assert taken == {unit for unit in UNITS if any(low <= draw("page", unit) < high for low, high in owned)}


def test_slots_that_overlap_are_refused() -> None:
    slots = {"p": [[0, 50.001]], "q": [[50, 100]]}

    with pytest.raises(RulesError, match=r"50 to 50\.001 percent belong to both"):
        experiments(
            {name: {"layer": "page", "slots": owned} for name, owned in slots.items()}, layers={"page": {}}
        )


# -- holdouts ----------------------------------------------------------------------------------------

HELD: dict[str, dict[str, Any]] = {
    "one": {},
    "two": {"split": THIRDS, "traffic": 70},
    "three": {"layer": "page", "slots": [[0, 60]]},
}


def held_out(decisions: dict[str, Decision]) -> set[str]:
    return {unit for unit, decision in decisions.items() if decision.reason is Reason.HOLDOUT}


@given(SALTS, PERCENT)
def test_a_holdout_and_what_it_holds_out_share_no_unit(salt: str, size: float) -> None:
    holdout = {"size": size, "experiments": list(HELD), "salt": f"{salt} held"}
    rules = experiments(HELD, layers={"page": {}}, holdouts={"control": holdout})
    inside = {unit for unit in UNITS if draw(f"{salt} held", unit) < thousandths(size)}

    for name in HELD:
        assert held_out(decide(rules, name, UNITS)) == inside
        assert served(rules, name, UNITS).keys().isdisjoint(inside)


@given(SALTS, PERCENT)
def test_a_holdout_moves_nobody_else(salt: str, size: float) -> None:
    holdout = {"size": size, "experiments": list(HELD), "salt": f"{salt} held"}
    without = experiments(HELD, layers={"page": {}})
    rules = experiments(HELD, layers={"page": {}}, holdouts={"control": holdout})

    for name in HELD:
        decisions, free = decide(rules, name, UNITS), decide(without, name, UNITS)
        rest = set(UNITS) - held_out(decisions)
        assert {unit: decisions[unit] for unit in rest} == {unit: free[unit] for unit in rest}


def test_an_experiment_outside_of_a_holdout_knows_nothing_of_it() -> None:
    rules = experiments({"one": {}, "two": {}}, holdouts={"control": {"size": 50, "experiments": ["one"]}})

    assert len(served(rules, "two", UNITS)) == len(UNITS)
    assert 100 < len(served(rules, "one", UNITS)) < 200


# -- salts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts",
    [
        {
            "flags": {
                "one": flag({"split": HALVES}, salt="s"),
                "two": flag({"serve": "a", "rollout": 5}, salt="s"),
            }
        },
        {"flags": {"one": flag({"split": HALVES, "rollout": 5}), "one:traffic": flag({"split": HALVES})}},
        {
            "experiments": {"one": {"split": HALVES, "traffic": 5}},
            "flags": {"one:traffic": flag({"split": HALVES})},
        },
        {
            "experiments": {"one": {"split": HALVES, "layer": "one", "slots": [[0, 1]]}},
            "layers": {"one": {}},
        },
        {
            "experiments": {"one": {"split": HALVES}},
            "holdouts": {"one": {"size": 5, "experiments": ["one"]}},
        },
    ],
    ids=["two flags", "a split's rollout", "an experiment's traffic", "a layer", "a holdout"],
)
def test_parts_that_draw_with_one_salt_are_refused_unless_that_is_meant(parts: dict[str, Any]) -> None:
    with pytest.raises(RulesError, match="draws with the same salt"):
        snapshot(**parts)

    snapshot(**parts, shared_salts=["s", "one", "one:traffic"])
