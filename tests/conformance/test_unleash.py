from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flagstaff import Client, Decision, Reason
from flagstaff.formats import load
from flagstaff.formats.unleash import context
from tests.conformance import cases


class Case(NamedTuple):
    path: Path
    context: Mapping[str, Any]
    flag: str
    expected: Any


def read(root: Path) -> Iterator[tuple[str, Case]]:
    for path in sorted((root / "specifications").glob("*.json")):
        if path.name == "index.json":
            continue
        found = json.loads(path.read_bytes())
        for kind in ("tests", "variantTests"):
            for number, case in enumerate(found.get(kind, [])):
                made = Case(path, case["context"], case["toggleName"], case["expectedResult"])
                yield f"{path.stem} {kind} {number} {case['description']}", made


@lru_cache
def client_of(path: Path, *, converted: bool) -> Client:
    document = json.loads(path.read_bytes())["state"]
    if converted:
        return Client.from_document(load(document, format="unleash").canonical_json)
    return Client.from_document(document, format="unleash")


@pytest.mark.parametrize("converted", [False, True], ids=["", "converted"])
@pytest.mark.parametrize("case", cases("unleash", read))
def test_decides_as_unleash_does(case: Case, converted: bool) -> None:
    decision = client_of(case.path, converted=converted).decide(case.flag, context(case.context), UNKNOWN)

    if isinstance(case.expected, bool):
        assert decision.enabled is case.expected
        return
    assert decision.enabled is case.expected["feature_enabled"]
    if not case.expected["enabled"]:
        assert decision.variant is None
        assert decision.value is (None if decision.reason is Reason.FLAG_NOT_FOUND else decision.enabled)
        return
    assert decision.variant == case.expected["name"]
    assert_worth(decision, case.expected.get("payload"))


UNKNOWN = None


def assert_worth(decision: Decision, payload: Mapping[str, str] | None) -> None:
    if payload is None:
        assert decision.value is UNKNOWN
    elif payload["type"] in ("json", "number"):
        assert decision.value == json.loads(payload["value"])
    else:
        assert decision.value == payload["value"]
