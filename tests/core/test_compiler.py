"""The compiler, where it can go wrong: text of documents, three values, bounds, values that are shared."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff.core import source
from flagstaff.core.buckets import draw
from flagstaff.core.context import Context
from flagstaff.core.dialect import lookup
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load
from tests.reference import Reference
from tests.strategies import Author, Crowd, documents


def snapshot(now: float = 0.0, **parts: Any) -> Snapshot:
    return Snapshot(load({"version": 1, **parts}).rules, lambda: now)


# -- no text of a document reaches the compiler ------------------------------------------------------------

WORDS = {
    "def", "make", "function", "c", "p", "a", "u", "n", "missed", "return", "if", "else", "is", "not",
    "and", "or", "in", "None", "True", "False", "pass", "attributes", "get", "targeting_key", "str", "dict",
    "__class__", "type", "encode",
}  # fmt: skip
LITERALS = {"0", "'targetingKey'"}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The text of every function that is compiled from now on."""
    texts: list[str] = []
    factory = source._factory

    def remember(text: str) -> Any:
        texts.append(text)
        return factory(text)

    monkeypatch.setattr(source, "_factory", remember)
    return texts


def _strangers(text: str) -> Iterator[str]:
    """Whatever in a function's text is neither a fixed phrase nor a running number."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        numbered = token.string[:1] in ("k", "l", "t", "v") and token.string[1:].isdecimal()
        if token.type == tokenize.NAME and token.string not in WORDS and not numbered:
            yield token.string
        if (
            token.type in (tokenize.NUMBER, tokenize.STRING, tokenize.COMMENT)
            and token.string not in LITERALS
        ):
            yield token.string


def test_a_function_is_written_of_fixed_phrases_and_running_numbers(written: list[str]) -> None:
    for seed in range(60):
        random = Random(seed)
        rules = Snapshot(load(Author(random).document()).rules, lambda: 0.0)
        context = Crowd(random).context()
        for flag in rules.rules.flags:
            rules.decide(flag, context)
            rules.explain(flag, context)
    assert len(written) > 500
    assert [word for text in set(written) for word in _strangers(text)] == []


CODE = '"); import os; ('
NASTY = [CODE, "k0", "{c}", "\\", "'''", "a = 1 #", "__import__('os')", "%s {0}", "return", "\u2028", "None"]


@pytest.mark.parametrize("name", NASTY)
def test_names_that_look_like_code_are_names(name: str, written: list[str]) -> None:
    document: dict[str, Any] = {
        "segments": {name: {"any": [{"attribute": name, "op": "eq", "value": name}]}},
        "layers": {name: {"salt": f"{name} layer", "unit": [name, name]}},
        "holdouts": {name: {"size": 10, "experiments": [name], "unit": [name, name], "salt": f"{name} held"}},
        "experiments": {
            name: {
                "split": {name: 50, f"{name}2": 50},
                "layer": name,
                "slots": [[0, 50]],
                "unit": [name, name],
                "pins": {name: name},
                "salt": f"{name} split",
            }
        },
        "flags": {
            name: {
                "variants": {name: name, f"{name}2": {"value": {name: [name]}}},
                "default": name,
                "salt": name,
                "pins": {name: f"{name}2"},
                "gates": [{"not": {"attribute": [name, name, name], "op": "in", "value": [name, "x"]}}],
                "metadata": {name: name},
                "rules": [
                    {"id": f"{name}1", "when": {"segment": name}, "serve": name},
                    {"id": name, "experiment": name},
                    {"id": f"{name}2", "split": {name: 100}, "rollout": 30},
                ],
            },
            f"{name}2": {"rules": [{"when": {"flag": name, "variant": [name]}, "serve": "on"}]},
        },
    }
    loaded = load({"version": 1, **document})
    rules = Snapshot(loaded.rules, lambda: 0.0)
    for number in range(60):
        attributes = {name: name if number % 3 else {name: f"user-{number}"}}
        context = Context(f"user-{number}" if number else name, attributes)
        for flag in document["flags"]:
            wanted = Reference(loaded.canonical, context.targeting_key, attributes, 0.0).decide(flag)
            decision = rules.decide(flag, context)
            assert (decision.variant, str(decision.reason), decision.rule) == wanted[0:1] + wanted[3:5]
            assert rules.explain(flag, context).decision == decision
    assert [word for text in set(written) for word in _strangers(text)] == []


def test_flags_of_one_shape_share_one_code_object() -> None:
    flags = {
        f"flag-{number}": {
            "rules": [{"segment": "all", "rollout": number + 1}, {"serve": "on", "start": time}]
        }
        for number, time in enumerate(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
    }
    rules = snapshot(segments={"all": []}, flags=flags)
    codes = {function.__code__ for flag in flags if (function := rules.function(flag))}
    assert len(codes) == 1


# -- three values ------------------------------------------------------------------------------------------

LEAVES = {
    True: {"attribute": "is", "op": "eq", "value": "x"},
    False: {"attribute": "is", "op": "eq", "value": "y"},
    None: {"attribute": "missing", "op": "eq", "value": "x"},
}


def _verdict(condition: Any, now: float = 0.0, context: Context | None = None) -> bool | None:
    """What a condition comes to, as a segment and its negation tell it."""
    rules = snapshot(
        now,
        shared_salts=["s"],
        segments={"s": condition},
        flags={
            "on": {"default": "on"},
            "holds": {"rules": [{"segment": "s", "serve": "on"}]},
            "fails": {"rules": [{"when": {"not": {"segment": "s"}}, "serve": "on"}]},
            "holds-inline": {"rules": [{"when": condition, "serve": "on"}]},
            "fails-inline": {"rules": [{"when": {"not": condition}, "serve": "on"}]},
        },
    )
    asked = context or Context("u", {"is": "x"})
    answers = {flag: rules.decide(flag, asked).variant == "on" for flag in rules.rules.flags}
    assert answers["holds"] is answers["holds-inline"]
    assert answers["fails"] is answers["fails-inline"]
    assert not (answers["holds"] and answers["fails"])
    return True if answers["holds"] else False if answers["fails"] else None


@pytest.mark.parametrize("values", [values for size in range(4) for values in product(LEAVES, repeat=size)])
def test_conditions_are_three_valued(values: tuple[bool | None, ...]) -> None:
    """S. C. Kleene's strong logic: what is not known may still not matter."""
    items = [LEAVES[value] for value in values]
    every = False if False in values else None if None in values else True
    some = True if True in values else None if None in values else False
    assert _verdict({"all": items}) is every
    assert _verdict({"any": items}) is some
    assert _verdict({"not": {"all": items}}) is (None if every is None else not every)
    assert _verdict({"not": {"not": {"any": items}}}) is some


@pytest.mark.parametrize(
    ("window", "now", "wanted"),
    [
        ({}, 0.0, True),
        ({"start": "1970-01-01T00:00:10Z"}, 9.999, False),
        ({"start": "1970-01-01T00:00:10Z"}, 10.0, True),
        ({"end": "1970-01-01T00:00:10Z"}, 9.999, True),
        ({"end": "1970-01-01T00:00:10Z"}, 10.0, False),
        ({"start": "1970-01-01T00:00:10Z", "end": "1970-01-01T00:00:20Z"}, 15.0, True),
        ({"start": "1970-01-01T00:00:10Z", "end": "1970-01-01T00:00:20Z"}, 20.0, False),
    ],
)
def test_a_window_is_half_open_and_never_unknown(window: Any, now: float, wanted: bool) -> None:
    assert _verdict({"time": window}, now) is wanted


def test_a_segment_on_the_edge_of_time_looks_at_the_clock_once() -> None:
    ticks = iter([9.0, 11.0, 11.0, 11.0])
    rules = load(
        {
            "version": 1,
            "segments": {"s": {"time": {"start": "1970-01-01T00:00:10Z"}}},
            "flags": {"f": {"rules": [{"when": {"not": {"segment": "s"}}, "serve": "on"}]}},
        }
    ).rules
    assert Snapshot(rules, lambda: next(ticks)).decide("f", Context("u")).variant == "on"


def test_a_draw_is_unknown_without_a_unit() -> None:
    everybody = {"bucket": {"salt": "s", "unit": "org"}, "in": [[0, 100]]}
    nobody = {"bucket": {"salt": "s", "unit": "org"}, "in": []}
    for org, is_unit in [("acme", True), (7, True), ("", False), (None, False), (True, False), (1.5, False)]:
        context = Context("u", {"org": org})
        assert _verdict(everybody, context=context) is (True if is_unit else None)
        assert _verdict(nobody, context=context) is (False if is_unit else None)


# -- bounds ------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=8), st.integers(0, 1))
def test_a_share_is_half_open_to_the_very_bucket(unit: str, above: int) -> None:
    bound = draw("f", unit) + above
    rules = snapshot(
        shared_salts=["f"],
        flags={
            "f": {"rules": [{"rollout": bound / 1000}]},
            "drawn": {
                "rules": [{"when": {"bucket": {"salt": "f"}, "in": [[bound / 1000, 100]]}, "serve": "on"}]
            }
            if bound < 100_000
            else {},
        },
    )
    assert (rules.decide("f", Context(unit)).reason == "SPLIT") is bool(above)
    if bound < 100_000:
        assert (rules.decide("drawn", Context(unit)).variant == "on") is not bool(above)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 100_000), min_size=1, max_size=14).map(sorted),
    st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=20),
)
def test_an_arm_is_found_the_same_way_among_few_and_among_many(cuts: list[int], units: list[str]) -> None:
    """Up to eight are tried in turn, more are searched: it is the first that ends above the draw."""
    bounds = [0, *cuts, 100_000]
    arms = {f"v{index}": (stop - start) / 1000 for index, (start, stop) in enumerate(pairwise(bounds))}
    rules = snapshot(
        flags={"f": {"variants": {name: name for name in arms}, "default": "v0", "rules": [{"split": arms}]}}
    )
    for unit in units:
        bucket = draw("f", unit)
        wanted = next(index for index, stop in enumerate(bounds[1:]) if bucket < stop)
        assert rules.decide("f", Context(unit)).variant == f"v{wanted}"


def test_a_split_goes_on_to_the_next_rule_outside_its_share() -> None:
    rules = snapshot(
        flags={"f": {"rules": [{"split": {"on": 100}, "rollout": 50}, {"serve": "off"}], "default": "on"}}
    )
    rule_ids = {rules.decide("f", Context(f"u{number}")).rule for number in range(50)}
    assert rule_ids == {"0", "1"}


# -- what decisions share ----------------------------------------------------------------------------------


def _spoil(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _spoil(item)
        value.append("spoilt")
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value["spoilt"] = True


LISTS = {"a": [1, {"x": [2]}], "b": {"value": {"y": [3]}}}


@pytest.mark.parametrize(
    "flag",
    [
        {"default": "a"},
        {"default": "b", "enabled": False},
        {"default": "a", "rules": [{"serve": "b"}]},
        {"default": "a", "rules": [{"rollout": 100, "serve": "b"}]},
        {"default": "a", "rules": [{"split": {"a": 50, "b": 50}}]},
        {"default": "a", "pins": {"u": "b"}},
        {"default": "a", "gates": [{"any": []}]},
        {"default": "a", "rules": [{"rollout": 0, "serve": "b"}]},
        {"default": "a", "rules": [{"rollout": 50, "serve": "b", "unit": "nobody"}]},
        {"default": "a", "rules": [{"experiment": "e"}]},
        {"default": "a", "rules": [{"experiment": "held"}]},
    ],
)
def test_a_value_that_can_be_changed_is_the_callers_own(flag: dict[str, Any]) -> None:
    rules = snapshot(
        experiments={"e": {"split": {"a": 50, "b": 50}}, "held": {"split": {"a": 50, "b": 50}}},
        holdouts={"h": {"size": 100, "experiments": ["held"]}},
        flags={"f": {"variants": LISTS, "metadata": {"team": "x"}, **flag}},
    )
    first = rules.decide("f", Context("u"))
    as_given = repr(first.value)
    _spoil(first.value)
    again, explained = rules.decide("f", Context("u")), rules.explain("f", Context("u")).decision
    assert repr(again.value) == repr(explained.value) == as_given
    with pytest.raises(TypeError):
        again.metadata["team"] = "y"  # type: ignore[index]


def test_many_arms_hand_out_copies_too() -> None:
    variants = {f"v{number}": [number] for number in range(10)}
    rules = snapshot(
        flags={
            "f": {"variants": variants, "default": "v0", "rules": [{"split": dict.fromkeys(variants, 10)}]}
        }
    )
    _spoil(rules.decide("f", Context("u")).value)
    assert len(rules.decide("f", Context("u")).value) == 1


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ({}, "STATIC"),
        ({"enabled": False}, "DISABLED"),
        ({"rules": [{"serve": "on"}]}, "STATIC"),
        ({"rules": [{"serve": "on"}, {"rollout": 5}]}, "STATIC"),
        ({"rules": [{"experiment": "decided"}]}, "STATIC"),
        ({"pins": {"u": "on"}}, None),
        ({"gates": [{"all": []}]}, None),
        ({"rules": [{"rollout": 100}]}, None),
        ({"rules": [{"serve": "on", "when": {"all": []}}]}, None),
        ({"rules": [{"split": {"on": 100}}]}, None),
        ({"rules": [{"experiment": "draft"}]}, None),
        ({"variants": {"a": [1]}, "default": "a"}, None),
    ],
)
def test_a_decision_that_nobody_can_change_is_made_once(flag: dict[str, Any], reason: str | None) -> None:
    rules = snapshot(
        experiments={
            "decided": {"split": {"on": 100}, "status": "decided", "winner": "on"},
            "draft": {"split": {"on": 100}, "status": "draft"},
        },
        flags={"f": flag},
    )
    settled = rules.fixed("f")
    assert (settled and str(settled.reason)) == reason
    assert settled is rules.fixed("f")
    if settled is not None:
        assert settled == rules.decide("f", Context("anybody"))


# -- paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (("targeting_key",), "u"),
        (("country",), "NL"),
        (("account", "plan"), "pro"),
        (("account", "owner", "id"), 7),
        (("account", "owner", "id", "deeper"), None),
        (("country", "deeper"), None),
        (("nobody",), None),
        (("nobody", "deeper"), None),
        (("account", "targeting_key"), None),
    ],
)
def test_a_path_leads_to_the_key_an_attribute_or_into_one(path: tuple[str, ...], wanted: Any) -> None:
    context = Context("u", country="NL", account={"plan": "pro", "owner": {"id": 7}})
    assert lookup(context, path) == wanted
    rules = snapshot(
        flags={"f": {"rules": [{"when": {"attribute": list(path), "op": "exists"}, "serve": "on"}]}}
    )
    assert (rules.decide("f", context).variant == "on") is (wanted is not None)


@settings(max_examples=30)
@given(documents(flags=3))
def test_compiling_leaves_nothing_behind_in_the_rules(document: dict[str, Any]) -> None:
    loaded = load(document)
    before = repr(loaded.rules)
    rules = Snapshot(loaded.rules, lambda: 0.0)
    for flag in loaded.rules.flags:
        rules.decide(flag, Context("u"))
        rules.explain(flag, Context("u"))
    assert repr(loaded.rules) == before
