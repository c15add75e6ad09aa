from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Reason
from flagstaff.formats import load
from flagstaff.formats.flagsmith import context
from tests.conformance import cases

REASONS = {
    "DEFAULT": {Reason.DEFAULT, Reason.STATIC},
    "STATIC": {Reason.DEFAULT, Reason.STATIC},
    "TARGETING_MATCH": {Reason.TARGETING_MATCH},
    "SPLIT": {Reason.SPLIT},
}
_TEXT_OR_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TEXT_OR_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')


def read(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted((root / "test_cases").glob("*.json*")):
        yield path.stem, path


@lru_cache(maxsize=4)
def case_of(path: Path) -> Any:
    text = _TEXT_OR_COMMENT.sub(lambda match: match[1] or "", path.read_text())
    return json.loads(_TEXT_OR_COMMA.sub(lambda match: match[1] or "", text))


def document_of(case: Any) -> dict[str, Any]:
    """The document, with a feature for each segment that is on where the segment matches."""
    given = {name: part for name, part in case["context"].items() if name != "identity"}
    given["segments"] = {**(given.get("segments") or {})}
    given["features"] = {**(given.get("features") or {})}
    for key, segment in given["segments"].items():
        feature = {"key": "0", "name": f"segment:{key}", "enabled": False, "value": None}
        given["features"][f"segment:{key}"] = feature
        overrides = [*(segment.get("overrides") or []), {**feature, "enabled": True}]
        given["segments"][key] = {**segment, "overrides": overrides}
    return given


@pytest.mark.parametrize("converted", [False, True], ids=["", "converted"])
@pytest.mark.parametrize("path", cases("flagsmith", read))
def test_decides_as_flagsmith_does(path: Path, converted: bool) -> None:
    case = case_of(path)
    document = document_of(case)
    user = context(case["context"].get("identity"))
    client = Client.from_document(document, format="flagsmith")
    if converted:
        client = Client.from_document(load(document, format="flagsmith").canonical_json)

    for name, expected in case["result"]["flags"].items():
        assert_decided(client.decide(name, user), expected)
    matching = [
        segment["name"]
        for key, segment in document["segments"].items()
        if client.enabled(f"segment:{key}", user)
    ]
    assert matching == [segment["name"] for segment in case["result"]["segments"]]


def assert_decided(decision: Any, expected: Mapping[str, Any]) -> None:
    assert decision.enabled is expected["enabled"]
    assert decision.value == expected["value"]
    assert isinstance(decision.value, bool) is isinstance(expected["value"], bool)
    assert decision.variant == expected.get("variant")
    reason, _, detail = expected["reason"].partition("; ")
    assert decision.reason in REASONS[reason]
    if detail.startswith("segment="):
        assert decision.rule == detail.removeprefix("segment=")
    assert {**decision.metadata, **(expected.get("metadata") or {})} == decision.metadata
