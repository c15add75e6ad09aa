"""What is worked out from the rules is what the engine serves, whatever the rules."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagstaff import Context
from flagstaff.cli.expectation import expected_shares
from flagstaff.cli.worlds import World
from flagstaff.core.evaluate import Snapshot
from flagstaff.core.rules import Bucket
from flagstaff.core.subjects import TARGETING_KEY
from flagstaff.formats import load

NOW = 1_800_000_000.0  # 2027-01-15
UNITS = 2_000
SALTS = ["s0", "s1", "s2"]

# -- documents of every shape, made at random ---------------------------------------------------------

percents = st.integers(0, 20).map(lambda twentieths: twentieths * 5)
leaves = st.sampled_from(
    [
        {"attribute": "country", "op": "eq", "value": "NL"},
        {"attribute": "country", "op": "ne", "value": "NL"},
        {"attribute": "absent", "op": "eq", "value": 1},
        {"attribute": "tags", "op": "in", "value": ["x", "y"]},
        {"segment": "drawn"},
        {"time": {"start": "2026-01-01T00:00:00Z"}},
        {"time": {"end": "2026-01-01T00:00:00Z"}},
        {"flag": "other"},
        {"flag": "other", "enabled": False},
        {"flag": "other", "variant": "on"},
    ]
)
ranges = st.lists(
    st.tuples(percents, percents).filter(lambda pair: pair[0] < pair[1]).map(list), min_size=1, max_size=3
)
draws = st.builds(
    lambda salt, unit, slots: {"bucket": {"salt": salt, "unit": unit}, "in": slots},
    st.sampled_from(SALTS),
    st.sampled_from(["targeting_key", "org_id", "absent"]),
    ranges,
)
conditions = st.recursive(
    leaves | draws,
    lambda inner: (
        st.builds(lambda items: {"all": items}, st.lists(inner, max_size=3))
        | st.builds(lambda items: {"any": items}, st.lists(inner, max_size=3))
        | st.builds(lambda item: {"not": item}, inner)
    ),
    max_leaves=4,
)
variants = st.sampled_from(["on", "off"])
splits = percents.map(lambda percent: {"on": percent, "off": 100 - percent})
salted = {"salt": st.sampled_from(SALTS), "unit": st.sampled_from(["targeting_key", "org_id"])}
steps = st.tuples(percents, percents).map(
    lambda pair: [
        {"at": "2026-01-01T00:00:00Z", "percent": pair[0]},
        {"at": "2028-01-01T00:00:00Z", "percent": pair[1]},
    ]
)
drawn = st.one_of(
    st.fixed_dictionaries({"serve": variants, "rollout": percents, **salted}),
    st.fixed_dictionaries({"serve": variants, "rollout": steps, **salted}),
    st.fixed_dictionaries({"split": splits, "rollout": percents, **salted}),
    st.sampled_from([{"experiment": name} for name in ("free", "layered", "org", "ready", "stopped")]),
)
for_all = st.fixed_dictionaries({"serve": variants}) | st.fixed_dictionaries({"split": splits, **salted})
rules = st.lists(
    drawn | st.builds(lambda when, outcome: {"when": when, **outcome}, conditions, drawn | for_all),
    min_size=1,
    max_size=4,
)
flags = st.builds(
    lambda gates, default, rules: {"gates": gates, "default": default, "rules": rules},
    st.just([]) | st.just([]) | st.lists(conditions, max_size=2),
    variants,
    rules,
)


def document(flag: dict[str, Any]) -> dict[str, Any]:
    halves = {"on": 50, "off": 50}
    return {
        "version": 1,
        "shared_salts": [*SALTS, "free", "free:traffic", "layer", "holdout"],
        "segments": {"drawn": {"bucket": {"salt": "s0"}, "in": [[0, 40]]}},
        "layers": {"layer": {}},
        "holdouts": {"holdout": {"size": 20, "experiments": ["free", "layered"]}},
        "experiments": {
            "free": {"split": {"on": 30, "off": 70}, "traffic": 60},
            "layered": {"split": halves, "layer": "layer", "slots": [[10, 30], [60, 90]]},
            "org": {"split": halves, "unit": "org_id"},
            "ready": {"split": halves, "status": "qa", "pins": {"user-1": "on"}},
            "stopped": {"split": halves, "status": "stopped"},
        },
        "flags": {
            "other": {"rules": [{"rollout": 30, "salt": "s1"}, {"segment": "drawn", "serve": "on"}]},
            "asked": flag,
        },
    }


@settings(max_examples=200, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(flags)
def test_what_is_expected_is_what_the_engine_serves(flag: dict[str, Any]) -> None:
    rules = load(document(flag)).rules
    snapshot = Snapshot(rules, lambda: NOW)
    contexts = [
        Context(f"user-{number}", country="NL", org_id="acme", tags=["x"]) for number in range(2, UNITS + 2)
    ]

    shares = expected_shares(rules, "asked", contexts[0], TARGETING_KEY, NOW)
    served = Counter(snapshot.decide("asked", context).variant for context in contexts)

    assert shares is not None
    assert sum(shares.values()) == pytest.approx(1)
    for variant in {*shares, *served}:
        share = shares.get(variant, 0.0)
        error = sqrt(share * (1 - share) / UNITS)
        assert abs(served[variant] / UNITS - share) <= 5.5 * error + 1e-9


# -- cases that can be worked out by hand --------------------------------------------------------------


def shares_of(flag: dict[str, Any], context: Context | None = None, **parts: Any) -> dict[str | None, float]:
    rules = load({"version": 1, "flags": {"asked": flag}, **parts}).rules
    shares = expected_shares(rules, "asked", context or Context("user-1"), TARGETING_KEY, NOW)
    assert shares is not None
    return dict(shares)


def test_rollouts_of_one_flag_are_one_draw_unless_they_have_salts_of_their_own() -> None:
    assert shares_of({"rules": [{"rollout": 50}, {"rollout": 60}]}) == {"on": 0.6, "off": 0.4}
    assert shares_of({"rules": [{"rollout": 50}, {"rollout": 60, "salt": "x"}]}) == {"on": 0.8, "off": 0.2}


def test_a_rollout_in_steps_is_where_the_time_has_brought_it() -> None:
    steps = [{"at": "2026-01-01T00:00:00Z", "percent": 20}, {"at": "2028-01-01T00:00:00Z", "percent": 60}]

    assert shares_of({"rules": [{"rollout": steps}]}) == {"on": 0.2, "off": 0.8}


def test_what_is_switched_off_serves_nothing_else() -> None:
    assert shares_of({"enabled": False, "default": "on", "rules": [{"rollout": 50}]}) == {"off": 1.0}
    assert shares_of({"gates": [{"any": []}], "rules": [{"rollout": 50}]}) == {"off": 1.0}


@pytest.mark.parametrize(
    "unknown",
    [
        {"attribute": "absent", "op": "eq", "value": 1},
        {"attribute": "tags", "op": "in", "value": ["x", "y"]},
        {"bucket": {"salt": "x", "unit": "absent"}, "in": [[0, 50]]},
    ],
)
def test_a_condition_that_is_unknown_holds_neither_way(unknown: dict[str, Any]) -> None:
    context = Context("user-1", tags=["x"])

    for when in (unknown, {"not": unknown}, {"not": {"not": unknown}}, {"any": [unknown, {"any": []}]}):
        assert shares_of({"rules": [{"when": when, "serve": "on"}]}, context) == {"off": 1.0}
    assert shares_of({"rules": [{"when": {"any": [unknown, {"all": []}]}, "serve": "on"}]}) == {"on": 1.0}


def test_a_split_within_a_share() -> None:
    rule = {"split": {"on": 25, "off": 75}, "rollout": 40}

    assert shares_of({"default": "off", "rules": [rule]}) == {"on": 0.1, "off": 0.9}


def test_a_layer_is_shared_by_its_experiments() -> None:
    experiment = {"split": {"on": 100}, "layer": "l"}

    assert shares_of(
        {"rules": [{"experiment": "a"}, {"experiment": "b"}]},
        layers={"l": {}},
        experiments={"a": {**experiment, "slots": [[0, 50]]}, "b": {**experiment, "slots": [[50, 80]]}},
    ) == {"on": 0.8, "off": 0.2}


def test_a_holdout_keeps_its_share_out() -> None:
    assert shares_of(
        {"rules": [{"experiment": "a"}, {"serve": "on"}]},
        experiments={"a": {"split": {"on": 100}}},
        holdouts={"h": {"size": 10, "experiments": ["a"]}},
    ) == {"on": 0.9, "off": 0.1}


def test_pins_come_before_any_draw() -> None:
    experiment = {"split": {"on": 50, "off": 50}, "pins": {"user-1": "on"}}

    assert shares_of({"pins": {"user-1": "on"}, "rules": [{"rollout": 10}]}) == {"on": 1.0}
    assert shares_of({"rules": [{"experiment": "a"}]}, experiments={"a": experiment}) == {"on": 1.0}


def test_without_a_unit_nothing_is_drawn() -> None:
    flag = {"rules": [{"rollout": 50}, {"split": {"on": 100}}, {"experiment": "a"}]}
    experiments = {"a": {"split": {"on": 100}}}

    assert shares_of(flag, Context(country="NL"), experiments=experiments) == {"off": 1.0}


def test_a_flag_that_can_not_be_decided_serves_nothing() -> None:
    gates = {"b": {"flag": "asked"}, "c": {"not": {"flag": "asked"}}}
    flags = {
        "asked": {"default": "x"},
        **{key: {"default": "on", "gates": [gate]} for key, gate in gates.items()},
    }
    rules = load({"version": 1, "flags": flags}, strict=False).rules

    assert expected_shares(rules, "asked", Context("u"), TARGETING_KEY, NOW) == {None: 1.0}
    assert expected_shares(rules, "b", Context("u"), TARGETING_KEY, NOW) == {"off": 1.0}
    assert expected_shares(rules, "c", Context("u"), TARGETING_KEY, NOW) == {"off": 1.0}


def test_rules_with_too_many_draws_are_not_worked_out() -> None:
    rule = {"when": {"bucket": {"salt": "x"}, "in": [[0, 50]]}, "rollout": 50}
    many = [
        {**rule, "salt": f"r{number}", "when": {"bucket": {"salt": f"c{number}"}, "in": [[0, 50]]}}
        for number in range(20)
    ]
    rules = load({"version": 1, "flags": {"asked": {"rules": many}}}).rules

    assert expected_shares(rules, "asked", Context("u"), TARGETING_KEY, NOW) is None


# -- worlds -----------------------------------------------------------------------------------------------

slots = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 100)).map(
        lambda pair: (min(pair) * 1000, max(pair) * 1000)
    ),
    max_size=4,
).map(tuple)


def buckets(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {thousand for start, stop in ranges for thousand in range(start // 1000, stop // 1000)}


@given(slots, slots)
def test_dividing_a_world_is_arithmetic_on_sets(
    first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]
) -> None:
    everything, within, also = set(range(100)), buckets(first), buckets(second)
    world = World()

    for part, wanted in (
        (world.inside(Bucket("s"), first), within),
        (world.outside(Bucket("s"), first), everything - within),
    ):
        assert (part is None) == (not wanted)
        if part is None:
            continue
        assert part.weight == pytest.approx(len(wanted) / 100)
        again = part.inside(Bucket("s"), second)
        assert (0 if again is None else again.weight) == pytest.approx(len(wanted & also) / 100)
        other = part.outside(Bucket("t"), second)
        rest = len(wanted) * len(everything - also) / 10_000
        assert (0 if other is None else other.weight) == pytest.approx(rest)
