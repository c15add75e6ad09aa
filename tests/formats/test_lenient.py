"""What a server sends is read leniently: whatever is wrong harms those alone that stand on it."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from flagstaff.errors import RulesError
from flagstaff.formats import load
from flagstaff.formats.native import Loaded
from tests.strategies import Author, Crowd, randoms


def lenient(document: Any = None, **parts: Any) -> Loaded:
    return load(document if document is not None else {"version": 1, **parts}, strict=False)


def warned(loaded: Loaded) -> list[str]:
    return [str(warning) for warning in loaded.warnings]


SERVES: dict[str, Any] = {"rules": [{"serve": "on"}]}

# Each breaks a flag that was fine, in one way or another.
BREAKS: list[Any] = [
    5,
    None,
    [],
    "flag",
    {"rules": 5},
    {"rules": [5]},
    {"rules": [{}]},
    {"rules": [{"serve": "nobody"}]},
    {"rules": [{"experiment": "nobody"}]},
    {"rules": [{"segment": "nobody", "serve": "on"}]},
    {"rules": [{"when": {"attribute": "x", "op": "matches", "value": "("}, "serve": "on"}]},
    {"rules": [{"when": {"attribute": "x", "op": "gt", "value": 10**4000}, "serve": "on"}]},
    {"rules": [{"when": {"attribute": "x", "op": "newer"}, "serve": "on"}]},
    {"rules": [{"when": {"colour": "x"}, "serve": "on"}]},
    {"rules": [{"split": {"on": 99}}]},
    {"rules": [{"rollout": 101}]},
    {"variants": {"a": float("inf")}, "default": "a"},
    {"variants": {"a": "\ud800"}, "default": "a"},
    {"variants": {"\ud800": 1}, "default": "a"},
    {"variants": {"a\0b": 1}, "default": "a\0b"},
    {"variants": {"a": 1}},
    {"default": "nobody"},
    {"gates": [{"flag": "self"}]},
    {"pins": {"u": 5}},
    {"metadata": {"a": {}}},
    {"salt": ""},
    {"enabled": "no"},
]


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_flag_is_left_out_and_told(broken: Any) -> None:
    loaded = lenient(flags={"self": broken, "other": SERVES, "third": {"gates": [{"flag": "other"}]}})
    assert set(loaded.rules.malformed) == {"self"}
    assert set(loaded.rules.flags) == {"other", "third"}
    assert [warning.flag for warning in loaded.warnings] == ["self"] * len(loaded.warnings)
    assert loaded.rules.malformed["self"] == warned(loaded)[0]
    rules = Snapshot(loaded.rules, lambda: 0.0)
    decision = rules.decide("self", Context("u"), default="mine")
    assert (decision.reason, decision.value, decision.error) == ("MALFORMED", "mine", warned(loaded)[0])
    assert rules.decide("other", Context("u")).variant == "on"


@settings(max_examples=100)
@given(
    randoms(),
    st.sampled_from(BREAKS).filter(
        lambda broken: "variants" not in str(broken) and "self" not in str(broken)
    ),
)
def test_a_broken_flag_harms_nobody_else(random: Random, broken: Any) -> None:
    """The others decide as before; who asks for the broken one as a prerequisite no longer knows."""
    document = Author(random).document(8)
    name = random.choice(list(document["flags"]))
    if isinstance(broken, dict):
        broken = {**document["flags"][name], **broken}
    before, after = load(document), lenient({**document, "flags": {**document["flags"], name: broken}})
    assert set(after.rules.malformed) == {name}
    leaning = _leaning_on(document, name)
    one, other = Snapshot(before.rules, lambda: 0.0), Snapshot(after.rules, lambda: 0.0)
    for context in [Crowd(random).context() for _ in range(4)]:
        for flag in set(document["flags"]) - leaning:
            assert other.decide(flag, context) == one.decide(flag, context)
        for flag in leaning - {name}:
            assert other.decide(flag, context).reason not in ("MALFORMED", "GENERAL", "FLAG_NOT_FOUND")


def _leaning_on(document: dict[str, Any], name: str) -> set[str]:
    """The flags that ask for a flag, through whatever segments and flags."""
    parts = {f'"flag": "{key}"': flag for key, flag in document["flags"].items()}
    parts |= {f'"segment": "{key}"': given for key, given in document.get("segments", {}).items()}
    texts = {mark: json.dumps(part) for mark, part in parts.items()}
    reached = {f'"flag": "{name}"'}
    while True:
        more = {mark for mark, text in texts.items() if any(asked in text for asked in reached)} | reached
        if more == reached:
            return {json.loads(f"{{{mark}}}")["flag"] for mark in reached if mark.startswith('"flag"')}
        reached = more


@pytest.mark.parametrize(
    "broken",
    [
        {"segments": {"s": {"segment": "nobody"}}},
        {"segments": {"s": {"attribute": "x", "op": "gt", "value": "5"}}},
        {"segments": {"s": {"segment": "s"}}},
        {"segments": {"s": 5}},
        {"segments": {"s": {"all": [{"newer": 1}]}}},
        {"segments": {"s": {"all": [{"segment": "deep"}]}, "deep": {"segment": "nobody"}}},
        {"segments": {}},
    ],
)
def test_who_stands_on_a_broken_segment_is_left_out_too(broken: dict[str, Any]) -> None:
    asks = {"rules": [{"when": {"not": {"segment": "s"}}, "serve": "on"}]}
    loaded = lenient(flags={"a": asks, "b": SERVES, "c": {"gates": [{"not": {"flag": "a"}}]}}, **broken)
    assert set(loaded.rules.malformed) == {"a"}
    assert Snapshot(loaded.rules, lambda: 0.0).decide("b", Context("u")).variant == "on"
    assert str(Snapshot(loaded.rules, lambda: 0.0).decide("c", Context("u")).reason) == "PREREQUISITE_FAILED"


def test_who_stands_on_something_broken_is_told_what() -> None:
    loaded = lenient(
        segments={"s": {"segment": "t"}, "t": {"segment": "nobody"}},
        flags={"a": {"gates": [{"segment": "s"}]}},
    )
    assert loaded.rules.malformed == {
        "a": "stands on a part that is broken: segments.t: no such segment: nobody"
    }
    assert loaded.rules.segments == {}
    assert warned(loaded) == ["segments.t: no such segment: nobody"]


@pytest.mark.parametrize("asks", [{"flag": "nobody"}, {"flag": "other", "variant": "nobody"}])
def test_a_prerequisite_that_is_gone_is_told_and_just_does_not_hold(asks: dict[str, Any]) -> None:
    flags = {"a": {"gates": [asks]}, "b": {"rules": [{"when": asks, "serve": "on"}]}, "other": SERVES}
    loaded = lenient(flags=flags)
    rules = Snapshot(loaded.rules, lambda: 0.0)
    assert loaded.rules.malformed == {}
    assert [line.split(":")[0] for line in warned(loaded)] == ["flags.a.gates[0]", "flags.b.rules[0].when"]
    assert str(rules.decide("a", Context("u")).reason) == "PREREQUISITE_FAILED"
    assert rules.decide("b", Context("u")).variant == "off"


def test_a_salt_that_is_shared_is_told_and_harms_nobody() -> None:
    flags = {key: {"salt": "same", "rules": [{"rollout": 50}]} for key in "ab"}
    loaded = lenient(flags=flags)
    assert set(loaded.rules.flags) == {"a", "b"}
    assert [warning.flag for warning in loaded.warnings] == ["a"]
    assert warned(loaded)[0].startswith("flags.a: draws with the same salt as flags.b: 'same'")


ALL_ON = {"e": {"split": {"on": 100}}}


@pytest.mark.parametrize(
    "broken",
    [
        {"experiments": {"e": 5}},
        {"experiments": {"e": {"split": {"on": 50}}}},
        {"experiments": {"e": {"split": {"on": 100}, "layer": "nobody", "slots": [[0, 50]]}}},
        {"experiments": {"e": {"split": {"on": 100}, "layer": "l", "slots": [[0, 50]]}}, "layers": {"l": 5}},
        {"experiments": ALL_ON, "holdouts": {"h": {"size": 101, "experiments": ["e"]}}},
        {"experiments": ALL_ON, "holdouts": {"h": {"experiments": ["e"], "size": {}}}},
        {"experiments": ALL_ON, "holdouts": {"h": {"size": 1, "experiments": ["e", "x"]}}},
        {"experiments": ALL_ON, "holdouts": {"h": {"size": 1, "experiments": ["e"], "unit": "o"}}},
    ],
)  # fmt: skip
def test_an_experiment_is_not_run_without_its_layer_or_its_holdout(broken: dict[str, Any]) -> None:
    loaded = lenient(flags={"a": {"rules": [{"experiment": "e"}]}, "b": SERVES}, **broken)
    assert set(loaded.rules.malformed) == {"a"}
    assert set(loaded.rules.flags) == {"b"}


@pytest.mark.parametrize("held", [{}, {"experiments": 5}, {"experiments": [5, ["e"]]}, 5])
def test_a_holdout_that_does_not_say_of_what_harms_nobody(held: Any) -> None:
    loaded = lenient(
        flags={"a": {"rules": [{"experiment": "e"}]}},
        experiments={"e": {"split": {"on": 100}}},
        holdouts={"h": held},
    )
    assert loaded.rules.malformed == {}
    assert warned(loaded)


def test_only_the_later_of_two_experiments_that_overlap_is_left_out() -> None:
    split = {"on": 50, "off": 50}
    loaded = lenient(
        layers={"l": {}},
        experiments={
            "a": {"split": split, "layer": "l", "slots": [[0, 50]]},
            "b": {"split": split, "layer": "l", "slots": [[10, 20]]},
            "c": {"split": split, "layer": "l", "slots": [[30, 40]]},
            "d": {"split": split, "layer": "l", "slots": [[50, 60]]},
        },
        flags={key: {"rules": [{"experiment": key}]} for key in "abcd"},
    )
    assert set(loaded.rules.malformed) == {"b", "c"}


def test_flags_in_a_circle_are_left_out_and_who_asks_for_them_does_not_know() -> None:
    loaded = lenient(
        segments={"s": {"flag": "b"}},
        flags={
            "a": {"gates": [{"segment": "s"}]},
            "b": {"gates": [{"flag": "a"}]},
            "asks": {"gates": [{"any": [{"flag": "a"}, {"all": []}]}], "rules": [{"serve": "on"}]},
        },
    )
    assert set(loaded.rules.malformed) == {"a", "b"}
    assert Snapshot(loaded.rules, lambda: 0.0).decide("asks", Context("u")).variant == "on"


# -- what a newer server may send --------------------------------------------------------------------------


NEWER: dict[str, Any] = {
    "version": 1,
    "signed": "…",
    "segments": {"s": {"all": [{"attribute": "x", "op": "exists", "note": 1}, {"any": [], "why": []}]}},
    "layers": {"l": {"colour": "red"}},
    "holdouts": {"h": {"size": 1, "experiments": ["e"], "until": "2027"}},
    "experiments": {"e": {"split": {"on": 100}, "metrics": {"bounds": {}}, "power": 0.8}},
    "flags": {
        "f": {
            "newer": {"a": 1},
            "variants": {"on": {"value": True, "colour": "red"}, "~x": {"value": 1, "foo": 2}, "foo": 3},
            "default": "on",
            "gates": [{"not": {"flag": "g", "since": 1}}],
            "rules": [
                {"split": [{"variant": "on", "weight": 100, "label": "x"}], "cost": 1, "~y": 1, "\x1fz": 1},
                {"rollout": [{"at": "2026-01-01T00:00:00Z", "percent": 5, "by": "x"}], "serve": "on"},
                {"when": {"bucket": {"salt": "b", "seed": 1}, "in": []}, "serve": "on"},
                {"when": {"time": {"start": "2026-01-01T00:00:00Z", "zone": "x"}}, "serve": "on"},
                {"when": [{"segment": "s", "as": "x"}], "experiment": "e"},
            ],
        },
        "g": {"\ud800": 1},
    },
}


def test_unknown_fields_are_left_out_and_told() -> None:
    loaded = lenient(NEWER)
    at = "flags.f.rules"
    assert {warning.path for warning in loaded.warnings if "no such field" in warning.message} == {
        "signed",
        "segments.s.all[0].note",
        "segments.s.all[1].why",
        "layers.l.colour",
        "holdouts.h.until",
        "experiments.e.metrics.bounds",
        "experiments.e.power",
        "flags.f.newer",
        "flags.f.variants.on.colour",
        "flags.f.variants.~x.foo",
        "flags.f.gates[0].not.since",
        f"{at}[0].split[0].label",
        f"{at}[0].cost",
        f"{at}[0].~y",
        rf"{at}[0].\x1fz",
        f"{at}[1].rollout[0].by",
        f"{at}[2].when.bucket.seed",
        f"{at}[3].when.time.zone",
        f"{at}[4].when[0].as",
    }
    assert any(line.startswith("flags.g: should be a valid string") for line in warned(loaded))
    assert set(loaded.rules.malformed) == {"g"}
    assert loaded.rules.flags["f"].variants["foo"].value == 3


def test_unknown_fields_make_a_strict_reader_refuse() -> None:
    document = deepcopy(NEWER)
    del document["flags"]["g"]["\ud800"]
    with pytest.raises(RulesError) as caught:
        load(document)
    assert all(problem.message.startswith("no such field") for problem in caught.value.problems)
    assert len(caught.value.problems) == 19


def test_what_is_left_of_a_newer_document_is_sent_on() -> None:
    document = deepcopy(NEWER)
    del document["flags"]["g"]["\ud800"]
    loaded = lenient(document)
    assert load(loaded.canonical_json).rules == loaded.rules


@pytest.mark.parametrize("name", ["~name", "\x1fname", "[key]", "\ud800", "", "a.b", "~attribute", "a\nb"])
@pytest.mark.parametrize("place", ["flag", "field", "rule", "variant", "segment", "condition"])
def test_no_name_however_odd_makes_a_reader_take_out_something_else(name: str, place: str) -> None:
    flag: dict[str, Any] = {"variants": {"on": 1, "off": 0}, "default": "off", "rules": [{"serve": "on"}]}
    documents: dict[str, dict[str, Any]] = {
        "flag": {"flags": {name: {"x": 1}, "f": flag}},
        "field": {"flags": {"odd": {**flag, name: 1}, "f": flag}},
        "rule": {"flags": {"odd": {"rules": [{"serve": "on", name: 1}]}, "f": flag}},
        "variant": {"flags": {"odd": {"variants": {name: {"value": 1, "x": 1}, "x": 2}}, "f": flag}},
        "segment": {"segments": {name: {"all": [], "x": 1}}, "flags": {"f": flag}},
        "condition": {"segments": {"s": [{"attribute": "a", "op": "exists", name: 1}]}, "flags": {"f": flag}},
    }
    odd = documents[place]
    loaded = lenient(**odd)
    assert loaded.warnings
    assert len(loaded.warnings) <= 4
    assert repr(loaded.rules.flags["f"]) == repr(load({"version": 1, "flags": {"f": flag}}).rules.flags["f"])
    known = set(loaded.rules.flags) | set(loaded.rules.malformed)
    assert known >= {key for key in odd["flags"] if key.isprintable()}
    assert all(str(warning).isprintable() for warning in loaded.warnings)


@pytest.mark.parametrize("key", [1, None, True, 1.5, (1, 2), b"f"])
def test_a_key_that_is_no_text_harms_itself_alone(key: Any) -> None:
    loaded = lenient({"version": 1, "flags": {key: SERVES, "f": SERVES}})
    assert set(loaded.rules.flags) == {"f"}
    assert loaded.warnings


# -- what is no rules document -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "version: is missing"),
        ({"version": 2}, "version: should be 1"),
        ({"version": 1, "flags": []}, "flags: should be a valid dictionary"),
        ({"version": 1, "project": 5}, "project: should be a valid string"),
        ({"version": 1, "revision": "x"}, "revision: should be a valid integer"),
        ({"version": 1, "shared_salts": {}}, "shared_salts: should be a valid list"),
        ({"error": "not found"}, "version: is missing"),
        (
            {"version": 1, "\ud800": 1},
            "should be a valid string, unable to parse raw data as a unicode string",
        ),
    ],
)
def test_only_what_is_no_rules_document_is_refused(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(RulesError) as caught:
        lenient(document)
    assert problem in [str(item) for item in caught.value.problems]


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
_WORDS = st.sampled_from(
    [
        "version", "flags", "segments", "layers", "holdouts", "experiments", "rules", "when", "all", "any",
        "not", "attribute", "op", "value", "eq", "split", "slots", "layer", "unit", "serve", "on", "default",
        "variants", "gates", "rollout", "at", "percent", "salt", "bucket", "in", "time", "start", "e",
    ]
)  # fmt: skip
_GARBAGE = st.recursive(
    _SCALARS | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@settings(max_examples=300)
@given(_GARBAGE, st.booleans())
def test_garbage_is_read_or_refused_and_nothing_else(garbage: Any, strict: bool) -> None:
    document = {"version": 1, **garbage} if isinstance(garbage, dict) else garbage
    for given_data in (document, json.dumps(document).encode()):
        try:
            loaded = load(given_data, strict=strict)
        except RulesError as error:
            assert error.problems  # noqa: PT017
        else:
            load(loaded.canonical_json, strict=False)


@settings(max_examples=300)
@given(st.binary(max_size=60), st.sampled_from([".json", ".toml", ".yaml"]), st.booleans())
def test_bytes_at_random_are_read_or_refused_and_nothing_else(data: bytes, suffix: str, strict: bool) -> None:
    try:
        load(data, suffix=suffix, strict=strict)
    except RulesError as error:
        assert error.problems  # noqa: PT017


@settings(max_examples=150)
@given(randoms(), _GARBAGE)
def test_a_document_with_garbage_somewhere_in_a_flag_serves_its_other_flags(
    random: Random, garbage: Any
) -> None:
    document = Author(random).document(4)
    text = json.loads(json.dumps(document))
    names = list(document["flags"])
    victim = random.choice(names)
    _hit(text["flags"][victim], random, garbage)
    loaded = lenient(text)
    assert set(loaded.rules.malformed) <= {victim}
    rules = Snapshot(loaded.rules, lambda: 0.0)
    for flag in names:
        rules.decide(flag, Context("user-1"))


def _hit(part: Any, random: Random, garbage: Any) -> None:
    """Replace something at random, however deep."""
    while True:
        places = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not places:
            return
        place = random.choice(places)
        if not isinstance(part[place], dict | list) or not part[place] or random.random() < 0.3:
            part[place] = garbage
            return
        part = part[place]
