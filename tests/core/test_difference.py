from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

from flagstaff.core.difference import changed_flags
from flagstaff.core.evaluate import Snapshot
from flagstaff.core.rules import Rules
from flagstaff.formats import load
from tests.strategies import Author, Crowd, randoms


def rules(strict: bool = True, **parts: Any) -> Rules:
    return load({"version": 1, **parts}, strict=strict).rules


ON = {"rules": [{"serve": "on"}]}
OFF: dict[str, Any] = {}


def test_of_the_first_rules_every_flag_is_new() -> None:
    assert changed_flags(None, rules(flags={"a": ON, "b": OFF})) == {"a", "b"}
    assert changed_flags(None, rules()) == frozenset()


def test_new_gone_and_changed_flags_are_told_and_others_not() -> None:
    before = rules(flags={"gone": ON, "same": ON, "other": ON})
    after = rules(flags={"new": ON, "same": ON, "other": OFF})
    assert changed_flags(before, after) == {"gone", "new", "other"}


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), (0, False), ([1], [True]), ("1", 1), ({"a": 1}, {"a": 1.0})],
)
def test_values_that_python_takes_for_equal_are_a_change(one: Any, other: Any) -> None:
    before, after = (
        rules(flags={"f": {"variants": {"v": {"value": value, "enabled": True}}, "default": "v"}})
        for value in (one, other)
    )
    assert changed_flags(before, after) == {"f"}


@pytest.mark.parametrize(
    "condition",
    [
        {"segment": "s"},
        {"all": [{"any": []}, {"segment": "s"}]},
        {"any": [{"not": {"segment": "s"}}]},
        {"segment": "outer"},
        {"flag": "uses"},
    ],
)
@pytest.mark.parametrize("place", ["when", "gates"])
def test_a_change_spreads_to_what_stands_on_it(condition: dict[str, Any], place: str) -> None:
    asks = {"rules": [{"when": condition, "serve": "on"}]} if place == "when" else {"gates": [condition]}
    parts: list[dict[str, Any]] = [
        {
            "segments": {
                "s": {"attribute": "a", "op": "eq", "value": value},
                "outer": {"not": {"segment": "s"}},
                "aside": {"attribute": "b", "op": "eq", "value": 1},
            },
            "flags": {
                "f": asks,
                "uses": {"rules": [{"segment": "s", "serve": "on"}]},
                "aside": {"rules": [{"segment": "aside", "serve": "on"}]},
            },
        }
        for value in ("x", "y")
    ]
    assert changed_flags(rules(**parts[0]), rules(**parts[1])) == {"f", "uses"}


@pytest.mark.parametrize(
    "change",
    [
        {"status": "stopped"},
        {"split": {"on": 40, "off": 60}},
        {"revision": 2},
        {"traffic": 50},
        {"salt": "x"},
    ],
)
def test_a_change_of_an_experiment_is_one_of_the_flags_that_run_it(change: dict[str, Any]) -> None:
    flags = {"f": {"rules": [{"experiment": "e"}]}, "aside": ON}
    experiment = {"split": {"on": 50, "off": 50}}
    before = rules(flags=flags, experiments={"e": experiment})
    assert changed_flags(before, rules(flags=flags, experiments={"e": experiment | change})) == {"f"}


def test_a_flag_that_breaks_and_one_that_is_mended_have_changed() -> None:
    good = {"a": ON, "b": ON}
    bad = {"a": {"default": "nobody"}, "b": ON}
    assert changed_flags(rules(flags=good), rules(flags=bad, strict=False)) == {"a"}
    assert changed_flags(rules(flags=bad, strict=False), rules(flags=good)) == {"a"}
    assert changed_flags(rules(flags=bad, strict=False), rules(flags=bad, strict=False)) == frozenset()


def test_who_asks_for_a_flag_that_is_gone_has_changed() -> None:
    asks = {"gates": [{"any": [{"flag": "b"}, {"all": []}]}]}
    before = rules(flags={"a": asks, "b": ON})
    after = rules(flags={"a": asks, "b": {"rules": 5}}, strict=False)
    assert changed_flags(before, after) == {"a", "b"}


@settings(max_examples=60)
@given(randoms())
def test_what_has_not_changed_decides_as_before(random: Random) -> None:
    document = Author(random).document()
    edited = dict(document, flags=dict(document["flags"]))
    name = random.choice(list(edited["flags"]))
    edited["flags"][name] = dict(edited["flags"][name], enabled=False)
    before, after = load(document).rules, load(edited).rules
    changed = changed_flags(before, after)
    assert changed <= {*after.flags}
    one, other = Snapshot(before, lambda: 0.0), Snapshot(after, lambda: 0.0)
    for context in [Crowd(random).context() for _ in range(4)]:
        for flag in set(after.flags) - changed:
            assert one.decide(flag, context) == other.decide(flag, context)
