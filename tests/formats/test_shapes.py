"""Telling formats apart by the shapes of their documents."""

from __future__ import annotations

from typing import Any

import pytest

from flagstaff import ConfigError, RulesError
from flagstaff.formats import FORMATS, check_format, load
from flagstaff.formats.shapes import format_of

SHAPES: dict[str, list[dict[str, Any]]] = {
    "native": [{"version": 1}, {"version": 1, "flags": {"variations": {"owner": "state"}}}],
    "unleash": [
        {"version": 2, "features": []},
        {"version": 1, "features": [{"name": "a"}], "segments": []},
        {"events": [{"type": "hydration", "features": []}]},
    ],
    "growthbook": [{"features": {"a": {"defaultValue": 1}}}, {"status": 200, "features": {}}],
    "flagd": [
        {"$schema": "https://flagd.dev/schema/v0/flags.json", "flags": {}},
        {"flags": {}, "$evaluators": {}},
        {"flags": {"a": {"state": "ENABLED", "variants": {}}}},
        {"flags": [{"key": "a"}]},
    ],
    "optimizely": [
        {"version": "4", "featureFlags": [], "rollouts": [], "experiments": []},
        {"version": "2", "projectId": "1", "experiments": [], "groups": []},
    ],
    "eppo": [
        {"createdAt": "2026-01-01T00:00:00Z", "format": "SERVER", "flags": {}},
        {"flags": {"a": {"enabled": True, "allocations": []}}, "bandits": {}},
    ],
    "launchdarkly": [
        {"flags": {"a": {"on": True, "variations": [1]}}, "segments": {}},
        {"flags": {"a": {"on": True, "variations": [1]}}},
        {"flags": {}, "segments": {}},
        {"flags": {"a": {"version": 2, "deleted": True}}, "segments": {}},
    ],
    "flagsmith": [
        {"environment": {"key": "k", "name": "n"}, "features": {"a": {}}, "segments": {}},
        {"api_key": "k", "feature_states": [], "project": {}},
    ],
}


def test_every_format_has_a_shape() -> None:
    assert SHAPES.keys() == {name for name in FORMATS if name != "auto"}


@pytest.mark.parametrize(
    ("name", "document"), [(name, document) for name, documents in SHAPES.items() for document in documents]
)
def test_a_document_looks_like_its_format(name: str, document: dict[str, Any]) -> None:
    assert format_of(document) == name


@pytest.mark.parametrize(
    "document",
    [
        {"feature_gates": [], "dynamic_configs": []},
        {"splits": [], "since": 1, "till": 2},
        {"path": "/", "data": {"flags": {}, "segments": {}}},
    ],
)
def test_what_has_no_part_of_a_native_document_is_not_taken_for_one(document: dict[str, Any]) -> None:
    with pytest.raises(RulesError, match="no format that is known: native, unleash, growthbook"):
        load(document, format="auto")


def test_a_version_that_was_forgotten_is_missed() -> None:
    document = {"flags": {"a": {"default": "off"}}, "segments": {"s": {"attribute": "a", "op": "exists"}}}
    with pytest.raises(RulesError, match="version: is missing"):
        load(document, format="auto")


@pytest.mark.parametrize("document", [{}, {"flags": {}}, {"flags": 7}, {"features": 7}, [], None, "version"])
def test_other_documents_look_like_none(document: Any) -> None:
    assert format_of(document) is None


def test_what_looks_like_none_is_read_as_a_native_document_which_says_what_is_missing() -> None:
    with pytest.raises(RulesError, match="version"):
        load({"flags": {}}, format="auto")
    assert not load({"version": 1}, format="auto").rules.flags


@pytest.mark.parametrize(
    ("name", "said"), [("native", "are not for"), ("auto", "need the format by its name")]
)
def test_options_of_no_format_are_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"format_options: {said}"):
        check_format(name, {"fractional": 1})
