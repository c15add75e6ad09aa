"""Short forms and the canonical form: the same document, the same decisions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load
from flagstaff.formats.native.shape import schema as schema_of_documents
from tests.strategies import contexts, documents, moments


@settings(max_examples=200)
@given(documents())
def test_the_canonical_form_read_again_changes_nothing(document: dict[str, Any]) -> None:
    loaded = load(document)
    again = load(loaded.canonical_json)
    assert again.canonical == loaded.canonical
    assert again.canonical_json == loaded.canonical_json
    assert repr(again.rules) == repr(loaded.rules)


@settings(max_examples=60)
@given(documents(), contexts(traps=0.1), moments())
def test_the_canonical_form_decides_the_same(document: dict[str, Any], context: Context, now: float) -> None:
    loaded = load(document)
    as_written = Snapshot(loaded.rules, lambda: now)
    as_sent = Snapshot(load(loaded.canonical_json, strict=False).rules, lambda: now)
    for flag in loaded.rules.flags:
        one, other = as_written.decide(flag, context), as_sent.decide(flag, context)
        assert one == other
        assert one.metadata == other.metadata


@settings(max_examples=60)
@given(documents())
def test_reading_strictly_and_leniently_is_the_same_where_nothing_is_wrong(document: dict[str, Any]) -> None:
    strict, lenient = load(document), load(document, strict=False)
    assert lenient.warnings == strict.warnings == ()
    assert repr(lenient.rules) == repr(strict.rules)


@settings(max_examples=60)
@given(documents())
def test_reading_leaves_what_was_given_alone(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    loaded = load(document, strict=False)
    loaded.canonical["flags"].clear()
    assert json.dumps(document) == before
    assert loaded.canonical["flags"]


X = {"attribute": "x", "op": "exists", "value": True}
Y = {"attribute": "y", "op": "exists", "value": True}
ON_OFF = {"on": {"value": True, "enabled": True}, "off": {"value": False, "enabled": False}}

FLAGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"variants": ON_OFF, "default": "off", "off": "off"}),
    ({"default": "on"}, {"variants": ON_OFF, "default": "on", "off": "off"}),
    (
        {"variants": {"a": "Buy", "b": 0, "c": None, "d": {"value": {}, "enabled": True}}, "default": "a"},
        {
            "variants": {
                "a": {"value": "Buy", "enabled": True},
                "b": {"value": 0, "enabled": False},
                "c": {"value": None, "enabled": False},
                "d": {"value": {}, "enabled": True},
            },
            "default": "a",
            "off": "a",
        },
    ),
    (
        {"variants": {"a": {"value": [1], "description": "one"}}, "default": "a", "off": "a"},
        {
            "variants": {"a": {"value": [1], "enabled": True, "description": "one"}},
            "default": "a",
            "off": "a",
        },
    ),
    ({"enabled": True}, {"variants": ON_OFF, "default": "off", "off": "off"}),
    ({"enabled": False}, {"enabled": False, "variants": ON_OFF, "default": "off", "off": "off"}),
    (
        {"owner": "shop", "expires": "2027-01-01", "tags": ["a"], "metadata": {"n": 1, "x": True, "y": 1.0}},
        {
            "owner": "shop",
            "expires": "2027-01-01",
            "tags": ["a"],
            "variants": ON_OFF,
            "default": "off",
            "off": "off",
            "metadata": {"n": 1, "x": True, "y": 1.0},
        },
    ),
]

RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"serve": "on"}, {"id": "0", "serve": "on"}),
    ({"serve": "on", "id": "first"}, {"id": "first", "serve": "on"}),
    ({"rollout": 25}, {"id": "0", "serve": "on", "rollout": 25}),
    ({"rollout": 25.0}, {"id": "0", "serve": "on", "rollout": 25}),
    ({"rollout": 0.125, "serve": "off"}, {"id": "0", "serve": "off", "rollout": 0.125}),
    (
        {"rollout": [{"at": "2026-01-31T09:00:00Z", "percent": 5}]},
        {"id": "0", "serve": "on", "rollout": [{"at": "2026-01-31T09:00:00Z", "percent": 5}]},
    ),
    (
        {"split": {"off": 40, "on": 60.0}, "unit": "org"},
        {
            "id": "0",
            "split": [{"variant": "off", "weight": 40}, {"variant": "on", "weight": 60}],
            "unit": "org",
        },
    ),
    (
        {"split": {"on": 100}, "unit": "targeting_key"},
        {"id": "0", "split": [{"variant": "on", "weight": 100}], "unit": "targeting_key"},
    ),
    ({"serve": "on", "when": []}, {"id": "0", "serve": "on"}),
    ({"serve": "on", "when": {"all": []}}, {"id": "0", "when": {"all": []}, "serve": "on"}),
    ({"serve": "on", "when": [X]}, {"id": "0", "when": X, "serve": "on"}),
    ({"serve": "on", "when": [X, Y]}, {"id": "0", "when": {"all": [X, Y]}, "serve": "on"}),
    ({"serve": "on", "segment": "s"}, {"id": "0", "when": {"segment": "s"}, "serve": "on"}),
    (
        {"serve": "on", "segment": "s", "when": X, "end": "2026-01-31T09:00:00Z"},
        {
            "id": "0",
            "when": {"all": [{"time": {"end": "2026-01-31T09:00:00Z"}}, {"segment": "s"}, X]},
            "serve": "on",
        },
    ),
    (
        {"serve": "on", "when": {"attribute": ["a", "b"], "op": "exists"}},
        {"id": "0", "when": {"attribute": ["a", "b"], "op": "exists", "value": True}, "serve": "on"},
    ),
    (
        {"serve": "on", "when": {"flag": "g"}},
        {"id": "0", "when": {"flag": "g", "enabled": True}, "serve": "on"},
    ),
    (
        {"serve": "on", "when": {"flag": "g", "variant": "on"}},
        {"id": "0", "when": {"flag": "g", "variant": ["on"]}, "serve": "on"},
    ),
    (
        {"serve": "on", "when": {"flag": "g", "variant": ["on"], "enabled": False}},
        {"id": "0", "when": {"flag": "g", "variant": ["on"], "enabled": False}, "serve": "on"},
    ),
    (
        {"serve": "on", "when": {"not": {"any": [X, {"bucket": {"salt": "b"}, "in": [[0, 50.5]]}]}}},
        {
            "id": "0",
            "when": {"not": {"any": [X, {"bucket": {"salt": "b"}, "in": [[0, 50.5]]}]}},
            "serve": "on",
        },
    ),
    ({"serve": "on", "when": {"time": {}}}, {"id": "0", "when": {"time": {}}, "serve": "on"}),
    ({"experiment": "e", "description": "why"}, {"id": "0", "description": "why", "experiment": "e"}),
]  # fmt: skip

EXPERIMENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"split": {"on": 100}},
        {"status": "running", "split": [{"variant": "on", "weight": 100}], "traffic": 100},
    ),
    (
        {"split": [{"variant": "on", "weight": 100}], "traffic": 12.5, "unit": ["a", "b"], "revision": 2},
        {
            "status": "running",
            "revision": 2,
            "split": [{"variant": "on", "weight": 100}],
            "unit": ["a", "b"],
            "traffic": 12.5,
        },
    ),
    (
        {
            "split": {"on": 100},
            "layer": "l",
            "slots": [[0, 12.5], [50, 75]],
            "status": "qa",
            "pins": {"u": "on"},
        },
        {
            "status": "qa",
            "split": [{"variant": "on", "weight": 100}],
            "layer": "l",
            "slots": [[0, 12.5], [50, 75]],
            "pins": {"u": "on"},
        },
    ),
    (
        {"split": {"on": 100}, "metrics": {"primary": "p", "guardrails": ["g"]}, "goal": "x", "winner": "on"},
        {
            "goal": "x",
            "metrics": {"primary": "p", "guardrails": ["g"]},
            "status": "running",
            "winner": "on",
            "split": [{"variant": "on", "weight": 100}],
            "traffic": 100,
        },
    ),
]


def canonical(**parts: Any) -> dict[str, Any]:
    return load({"version": 1, "segments": {"s": []}, **parts}).canonical


def exactly(value: Any) -> str:
    return json.dumps(value, indent=1)


@pytest.mark.parametrize(("given", "wanted"), FLAGS)
def test_the_short_forms_of_a_flag(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert exactly(canonical(flags={"f": given})["flags"]["f"]) == exactly(wanted)


@pytest.mark.parametrize(("given", "wanted"), RULES)
def test_the_short_forms_of_a_rule(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    told = canonical(flags={"f": {"rules": [given]}, "g": {}}, experiments={"e": {"split": {"on": 100}}})
    assert exactly(told["flags"]["f"]["rules"]) == exactly([wanted])


@pytest.mark.parametrize(("given", "wanted"), EXPERIMENTS)
def test_the_short_forms_of_an_experiment(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    told = canonical(experiments={"e": given}, layers={"l": {}})
    assert exactly(told["experiments"]["e"]) == exactly(wanted)


@pytest.mark.parametrize(
    ("given", "wanted"), [([], {"all": []}), ([X], X), ([X, Y], {"all": [X, Y]}), (X, X)]
)
def test_the_short_forms_of_a_segment(given: Any, wanted: dict[str, Any]) -> None:
    assert canonical(segments={"s": given})["segments"] == {"s": wanted}


def test_empty_sections_are_not_printed_and_full_ones_are() -> None:
    empty: dict[str, Any] = {
        "segments": {},
        "layers": {},
        "holdouts": {},
        "experiments": {},
        "flags": {},
        "shared_salts": [],
    }
    assert load({"version": 1, **empty}).canonical == {"version": 1}
    full = {
        "$schema": "x",
        "version": 1,
        "project": "p",
        "environment": "e",
        "revision": 0,
        "description": "d",
        "shared_salts": ["s"],
        "layers": {"l": {"unit": "org", "salt": "x"}},
        "holdouts": {"h": {"size": 5, "experiments": []}},
    }
    assert exactly(load(full).canonical) == exactly(full)


def test_the_canonical_form_is_compact_utf_8() -> None:
    loaded = load({"version": 1, "description": "Größe\u2028😀"})
    assert loaded.canonical_json == '{"version":1,"description":"Größe\u2028😀"}'.encode()


# -- the schema --------------------------------------------------------------------------------------------


def _valid(schema: dict[str, Any], document: Any) -> list[str]:
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]


def test_the_schema_is_one() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = schema_of_documents()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["$id"], schema["title"]) == ("urn:flagstaff:rules:1", "flagstaff rules")


@settings(max_examples=60)
@given(documents())
def test_the_schema_takes_the_short_forms_and_the_canonical_form(document: dict[str, Any]) -> None:
    schema = schema_of_documents()
    assert _valid(schema, document) == []
    assert _valid(schema, load(document).canonical) == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2},
        {"version": 1, "flgas": {}},
        {"version": 1, "flags": {"f": {"defalt": "on"}}},
        {"version": 1, "flags": {"f": {"rules": [{"rollout": 101}]}}},
        {"version": 1, "flags": {"f": {"rules": [{"when": {"attribute": "x", "op": "equals"}}]}}},
        {"version": 1, "flags": {"f": {"rules": [{"when": {"atribute": "x", "op": "eq"}}]}}},
        {"version": 1, "flags": {"f": {"variants": {"a": {"valeu": 1}}}}},
        {"version": 1, "flags": {"f": {"metadata": {"a": [1]}}}},
        {"version": 1, "experiments": {"e": {}}},
        {"version": 1, "segments": {"s": 5}},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(document: Any) -> None:
    assert _valid(schema_of_documents(), document)
