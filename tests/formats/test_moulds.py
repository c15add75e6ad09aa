"""Parts that look like others are not looked at again, and nothing that is wrong with them gets by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff.errors import RulesError
from flagstaff.formats import load
from flagstaff.formats.native import loading
from flagstaff.formats.native.plainly import is_plain
from tests.formats.test_updates import outcome
from tests.strategies import Author, randoms

ODDITIES: list[Any] = [
    *(
        "",
        "x",
        "é",
        "\ud800",
        'a"b',
        "a\\b",
        "a\nb",
        "\x7f",
        "\0",
        "\x000",
        "a" * 300,
        "a" * 10_001,
        "x,y",
        "[]",
    ),
    *(0, -0.0, 1, 7, 33, 50.5, 100, 101, -1, 0.0001, 10**18, 2**3000, 1e300, True, False, None),
    *([], [""], ["x", "y"], ["x", "é"], ["x", 5], ["x", "\ud800"], {}, {"x": 1}, {"op": "eq", "value": "x"}),
    *("1.2.3", "1.2", "01.2.3", "1.2.3-beta", "2026-01-31T09:00:00Z", "on", "off", "eq", "semver_ge"),
    *("experiment-0", "experiment-1", "segment-0", "flag-0", "nobody"),
]


def compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All that a value holds, as what holds it and the key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from places(item)


def crowded(document: dict[str, Any], random: Random) -> dict[str, Any]:
    """The same with many copies of its flags and experiments, some of which differ in a place or two."""
    for section in ("experiments", "flags"):
        parts = document.setdefault(section, {})
        for name, part in list(parts.items()):
            for number in range(random.randrange(4)):
                copy = deepcopy(part)
                for _ in range(random.choice((0, 0, 1, 1, 2))):
                    holder, key = random.choice([*places(copy)] or [({}, "x")])
                    holder[key] = deepcopy(random.choice(ODDITIES))
                parts[f"{name}-{number}"] = copy
    return document


def read_in_vain(data: bytes) -> Any:
    """What a document is for those who know no moulds: they are for text that is written without blanks."""
    return json.dumps(json.loads(data), indent=1).encode()


@settings(max_examples=150)
@given(randoms(), st.booleans())
def test_it_comes_to_the_same_as_looking_at_each_part(random: Random, strict: bool) -> None:
    document = crowded(Author(random).document(4), random)
    data = load(document, strict=False).canonical_json if random.random() < 0.3 else compact(document)
    once = outcome(lambda: load(read_in_vain(data), strict=strict))
    assert outcome(lambda: load(data, strict=strict)) == once
    before = load(compact(Author(random).document(4)), strict=False)
    assert outcome(lambda: load(data, strict=strict, before=before)) == once


LEAF = {"attribute": "plan", "op": "in", "value": ["pro", "team"]}
VERSION = {"attribute": "version", "op": "semver_ge", "value": "1.2.3"}
FLAG = {
    "description": "Text",
    "variants": {"a": {"value": "red", "enabled": True}, "b": {"value": "blue", "enabled": True}},
    "default": "a",
    "rules": [{"id": "one", "when": {"all": [LEAF, VERSION]}, "serve": "b", "rollout": 25}],
}


def flags(count: int, **changed: Any) -> dict[str, Any]:
    return {f"flag-{number}": deepcopy(FLAG) for number in range(count)} | changed


def test_many_parts_of_one_shape_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(section: str, name: str, value: Any) -> bool:
        seen.append(name)
        return is_plain(section, name, value)

    monkeypatch.setattr(loading, "is_plain", look)
    experiments = {f"experiment-{number}": {"split": {"a": 50, "b": 50}} for number in range(50)}
    measured = {
        f"measured-{number}": FLAG | {"rules": [{"experiment": f"experiment-{number}"}]}
        for number in range(50)
    }
    document = {"version": 1, "experiments": experiments, "flags": flags(50) | measured}
    rules = load(compact(document)).rules
    assert len(rules.flags) == 100
    assert seen == ["experiment-0", "flag-0", "measured-0"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"default": "c"}, "flags.odd.default: no such variant of odd: c; there are a, b"),
        ({"rules": [FLAG["rules"][0] | {"rollout": 101}]}, "flags.odd.rules[0].rollout: "),  # type: ignore[index]
        ({"rules": [FLAG["rules"][0] | {"when": VERSION | {"value": "1.2"}}]}, "must be a semantic version"),  # type: ignore[index]
        ({"description": "x" * 10_001}, "flags.odd.description: "),
        ({"rules": [FLAG["rules"][0] | {"id": ""}]}, "flags.odd.rules[0].id: "),  # type: ignore[index]
        ({"rules": [FLAG["rules"][0] | {"id": "\x7f"}]}, "must not hold control characters"),  # type: ignore[index]
        ({"variants": {"a": "\ud800", "b": "x"}}, "half of a surrogate pair"),
    ],
)
def test_what_is_wrong_with_one_among_many_is_told(changes: dict[str, Any], told: str) -> None:
    odd = flags(5) | {"odd": FLAG | changes} | {f"later-{number}": FLAG for number in range(5)}
    with pytest.raises(RulesError) as error:
        load(compact({"version": 1, "flags": odd}))
    assert told in str(error.value.problems[0])
    assert {problem.flag for problem in error.value.problems} == {"odd"}


def test_a_name_that_occurs_twice_is_told_where_the_others_are_as_one_expects() -> None:
    text = compact({"version": 1, "flags": flags(5)}).decode()
    for twice in (text.replace("flag-3", "flag-2"), text.replace('"id":"one"', '"id":"one","id":"two"')):
        with pytest.raises(RulesError, match="occurs twice"):
            load(twice.encode())


@pytest.mark.parametrize("name", ["", "x" * 257, "\x7f", "\\u0007", "\\ud800"])
def test_a_name_that_none_may_have_is_told(name: str) -> None:
    text = compact({"version": 1, "flags": flags(5)}).decode()
    plainly = outcome(lambda: load(read_in_vain(text.replace("flag-3", name).encode())))
    assert isinstance(plainly, list)
    assert outcome(lambda: load(text.replace("flag-3", name).encode())) == plainly


def test_draws_that_fall_alike_are_told_of_parts_that_look_alike() -> None:
    salted = {"rules": [{"rollout": 5, "salt": "same"}]}
    document = {"version": 1, "flags": {"a": salted, "b": salted, "c": salted}}
    with pytest.raises(RulesError, match=r"draws with the same salt as flags\.b, flags\.c"):
        load(compact(document))


def test_an_experiment_that_is_held_out_is_looked_at_by_itself() -> None:
    experiments = {f"experiment-{number}": {"split": {"a": 50, "b": 50}} for number in range(5)}
    held = {"held": {"size": 5, "unit": "account", "experiments": ["experiment-3"]}}
    with pytest.raises(RulesError) as error:
        load(compact({"version": 1, "experiments": experiments, "holdouts": held}))
    assert [problem.path for problem in error.value.problems] == ["experiments.experiment-3.unit"]


def test_an_experiment_is_looked_at_with_the_flag_that_it_does_not_fit() -> None:
    experiments = {f"experiment-{number}": {"split": {"a": 50, "b": 50}} for number in range(5)}
    experiments["experiment-3"] = {"split": {"a": 50, "c": 50}}
    measured = {
        f"flag-{number}": FLAG | {"rules": [{"experiment": f"experiment-{number}"}]} for number in range(6)
    }
    with pytest.raises(RulesError) as error:
        load(compact({"version": 1, "experiments": experiments, "flags": measured}))
    assert [(problem.flag, problem.message) for problem in error.value.problems] == [
        ("flag-3", "no such variant of flag-3: c; there are a, b"),
        ("flag-5", "no such experiment: experiment-5; did you mean experiment-4?"),
    ]
