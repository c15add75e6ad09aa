"""Reading a version against the one before it comes to the same as reading it alone, only sooner."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff.core.context import Context
from flagstaff.core.difference import changed_flags
from flagstaff.core.evaluate import Snapshot
from flagstaff.core.rules import Rules
from flagstaff.errors import RulesError
from flagstaff.formats import load
from flagstaff.formats.native import Loaded
from tests.strategies import Author, Crowd, randoms

SECTIONS = ("segments", "layers", "holdouts", "experiments", "flags")

GARBAGE: list[Any] = [
    5,
    None,
    {},
    [],
    {"rules": 5},
    {"unknown": 1},
    {"salt": "same"},
    {"default": "nobody"},
    {"gates": [{"flag": "flag-0"}]},
    {"gates": [{"flag": "flag-1"}, {"segment": "segment-0"}]},
    {"rules": [{"rollout": 5, "salt": "same"}, {"experiment": "nobody"}]},
    {"rules": [{"split": {"on": 50, "off": 50}, "more": 1}]},
    {"size": 5, "experiments": ["experiment-0"]},
    {"split": {"on": 100}, "layer": "layer-0", "slots": [[0, 60]]},
]


def written(document: Any, *, blanks: bool = False) -> bytes:
    return json.dumps(document, indent=2 if blanks else None, ensure_ascii=False).encode()


def edited(document: dict[str, Any], random: Random) -> dict[str, Any]:
    """Another version: a few parts changed, gone, new, in another order, or broken."""
    document = deepcopy(document)
    for _ in range(random.randrange(4)):
        _edit(document.setdefault(random.choice(SECTIONS), {}), random)
    document["revision"] = random.randrange(10)
    return document


def _edit(parts: dict[str, Any], random: Random) -> None:
    names = list(parts)
    match random.randrange(5):
        case 0 if names:
            del parts[random.choice(names)]
        case 1 if names:
            parts[random.choice(names)] = random.choice(GARBAGE)
        case 2:
            parts[f"new-{random.randrange(3)}"] = random.choice(GARBAGE)
        case 3:
            shuffled = random.sample(list(parts.items()), len(parts))
            parts.clear()
            parts.update(shuffled)
        case _ if names:
            one, other = random.choice(names), random.choice(names)
            parts[one], parts[other] = parts[other], parts[one]


def outcome(read: Callable[[], Loaded]) -> Any:
    """All that a document comes to; what a name was probably meant to be may be an older guess."""
    try:
        loaded = read()
    except RulesError as error:
        return sorted(_unguessed(str(problem)) for problem in error.problems)
    rules, malformed = loaded.rules, {flag: _unguessed(why) for flag, why in loaded.rules.malformed.items()}
    warnings = sorted(_unguessed(str(warning)) for warning in loaded.warnings)
    return repr(rules.flags), repr(rules.segments), malformed, warnings, loaded.canonical


def _unguessed(text: str) -> str:
    return re.sub(r"; (did you mean|there are) .*", "", text)


@settings(max_examples=300)
@given(randoms(), st.booleans(), st.booleans())
def test_an_update_comes_to_the_same_as_reading_it_all(random: Random, strict: bool, blanks: bool) -> None:
    document = Author(random).document(6)
    before = load(written(document, blanks=blanks), strict=False)
    for _ in range(4):
        document = edited(document, random)
        data = written(document, blanks=blanks)
        once = outcome(lambda data=data: load(data, strict=strict))  # type: ignore[misc]
        again = outcome(lambda data=data, at=before: load(data, strict=strict, before=at))  # type: ignore[misc]
        assert again == once
        before = load(data, strict=False, before=before)


@settings(max_examples=200)
@given(randoms())
def test_what_has_changed_is_known_without_looking_at_the_rest(random: Random) -> None:
    document = Author(random).document(6)
    before = load(written(document), strict=False)
    after = load(written(edited(document, random)), strict=False, before=before)
    assert after.changed(before) == changed_flags(before.rules, after.rules)


@settings(max_examples=200)
@given(randoms())
def test_decisions_that_are_taken_over_are_those_that_would_be_made(random: Random) -> None:
    document, crowd = Author(random).document(6), Crowd(random)
    before = load(written(document), strict=False)
    old = Snapshot(before.rules, lambda: 0.0)
    for _ in range(3):
        for flag in old.flag_keys():
            old.decide(flag, crowd.context())
        document = edited(document, random)
        after = load(written(document), strict=False, before=before)
        new, alone = Snapshot(after.rules, lambda: 0.0), Snapshot(after.rules, lambda: 0.0)
        suspects = after.suspects(before)
        assert suspects is not None
        new.take_over(old, suspects)
        for context in [crowd.context() for _ in range(3)]:
            for flag in alone.flag_keys():
                assert new.decide(flag, context) == alone.decide(flag, context)
                assert new.fixed(flag) == alone.fixed(flag)
        before, old = after, new


def test_a_flag_that_stays_keeps_its_function() -> None:
    flags: dict[str, Any] = {
        "stays": {"rules": [{"rollout": 5}]},
        "goes": {},
        "asks": {"gates": [{"flag": "stays"}]},
    }
    before = load(written({"version": 1, "flags": flags}))
    after = load(written({"version": 1, "flags": {**flags, "goes": {"default": "on"}}}), before=before)
    old, new = Snapshot(before.rules, lambda: 0.0), Snapshot(after.rules, lambda: 0.0)
    functions = {flag: old.function(flag) for flag in flags}
    assert after.suspects(before) == frozenset({"goes"})
    new.take_over(old, {"goes"})
    kept = {flag for flag in flags if new.function(flag) is functions[flag]}
    assert kept == {"stays"}  # one that asks for another would keep the old rules alive


def test_versions_that_do_not_follow_one_another_know_nothing_of_each_other() -> None:
    one, other = (load(b'{"version": 1, "flags": {"f": {}}}') for _ in range(2))
    after = load(b'{"version": 1, "flags": {"f": {}}}', before=one)
    assert (after.suspects(one), after.suspects(other), after.suspects(None)) == (frozenset(), None, None)


def test_what_a_lenient_reader_left_out_a_strict_one_still_refuses() -> None:
    data = b'{"version": 1, "flags": {"f": {"unknown": 1}}}'
    before = load(data, strict=False)
    with pytest.raises(RulesError, match=r"flags\.f\.unknown: no such field"):
        load(data, before=before)


def test_unknown_fields_are_told_again_and_the_rest_is_kept() -> None:
    data = b'{"version": 1, "flags": {"f": {"unknown": 1}, "g": {}}}'
    before = load(data, strict=False)
    after = load(data.replace(b'"g": {}', b'"g": {"default": "on"}'), strict=False, before=before)
    assert [str(warning) for warning in after.warnings] == ["flags.f.unknown: no such field"]
    assert after.suspects(before) == frozenset({"g"})
    assert after.canonical["flags"]["f"] == before.canonical["flags"]["f"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"version": 1, "flags": {"f": {}, "g": {}, "f": {}}}', "the name 'f' occurs twice"),
        (b'{"version": 1, "flags": {"f": {}, "g": {}, "\\u0066": {}}}', "the name 'f' occurs twice"),
        (b'{"version": 1, "flags": {"f": {}, "g": {}, "x": 5, "x": 5}}', "the name 'x' occurs twice"),
        (b'{"version": 1, "flags": {"x": 5, "f": {}, "x": {}, "g": {}}}', "the name 'x' occurs twice"),
        (b'{"version": 1, "flags": {"f": {}, "g": {}}, "flags": {}}', "the name 'flags' occurs twice"),
        (b'{"version": 1, "flags": {"f": {}, "g": {}, }}', "not JSON: "),
        (b'{"version": 1, "flags": {"f": {} "g": {}}}', "not JSON: "),
        (b'{"version": 1, "flags": {"f": {}5, "g": {}}}', "not JSON: "),
        (b'{"version": 1, "flags": {"f": {}, "g": {}', "not JSON: "),
        (b'{"version": 1, "flags": {"f": {}, "g": {}}} {}', "not JSON: "),
    ],
)  # fmt: skip
def test_an_update_is_refused_for_what_any_document_is(data: bytes, message: str) -> None:
    before = load(b'{"version": 1, "flags": {"f": {}, "g": {}}}')
    for strict in (True, False):
        with pytest.raises(RulesError) as caught:
            load(data, strict=strict, before=before)
        assert message in str(caught.value)


def test_a_reader_takes_a_breath() -> None:
    breaths: list[None] = []
    flags: dict[str, Any] = {f"flag-{number}": {"rules": [{"rollout": 5}]} for number in range(2_000)}
    load(written({"version": 1, "flags": flags}), breathe=lambda: breaths.append(None))
    assert breaths


def test_a_reader_that_just_recognises_what_it_knows_takes_breaths_too() -> None:
    breaths: list[None] = []
    data = written({"version": 1, "flags": {f"flag-{number}": {} for number in range(20_000)}})
    load(data, before=load(data), breathe=lambda: breaths.append(None))
    assert breaths


def test_rules_that_are_made_when_asked_for_are_like_any_mapping() -> None:
    document = {"version": 1, "segments": {"s": []}, "flags": {"a": {}, "b": {"rules": 5}, "c": {}}}
    rules = load(document, strict=False).rules
    assert isinstance(rules, Rules)
    assert (list(rules.flags), len(rules.flags)) == (["a", "c"], 2)
    assert ("a" in rules.flags, "b" in rules.flags, "d" in rules.flags) == (True, False, False)
    assert (list(rules.segments), len(rules.segments), "t" in rules.segments) == (["s"], 1, False)
    assert rules == load(written(document), strict=False).rules
    for missing in ("b", "d"):
        with pytest.raises(KeyError):
            rules.flags[missing]
    assert Snapshot(rules, lambda: 0.0).decide("a", Context("u")).variant == "off"
