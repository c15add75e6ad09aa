from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flagstaff import Client
from flagstaff.formats import load
from flagstaff.formats.eppo import Bandits, context
from tests.conformance import cases, folder

ROOT = folder("eppo") / "ufc"
CODES = {
    "MATCH": ("TARGETING_MATCH", "SPLIT", "STATIC"),
    "DEFAULT_ALLOCATION_NULL": ("DEFAULT",),
    "FLAG_UNRECOGNIZED_OR_DISABLED": ("FLAG_NOT_FOUND", "DISABLED"),
    "TYPE_MISMATCH": ("TYPE_MISMATCH",),
    "ASSIGNMENT_ERROR": ("MALFORMED", "TYPE_MISMATCH"),
}


class Case(NamedTuple):
    flag: str
    default: Any
    subject: Mapping[str, Any]


def assignments(root: Path) -> Iterator[tuple[str, Case]]:
    yield from _read(root / "ufc" / "tests")


def actions(root: Path) -> Iterator[tuple[str, Case]]:
    yield from _read(root / "ufc" / "bandit-tests")


def _read(found: Path) -> Iterator[tuple[str, Case]]:
    for path in sorted(found.glob("*.json")):
        given = json.loads(path.read_bytes())
        default = given["defaultValue"]
        if given.get("variationType") == "NUMERIC":
            default = float(default)
        for number, subject in enumerate(given["subjects"]):
            yield f"{path.stem} {number} {subject['subjectKey']}", Case(given["flag"], default, subject)


@lru_cache
def client_of(name: str, *, converted: bool) -> Client:
    document = json.loads((ROOT / name).read_bytes())
    if converted:
        return Client.from_document(load(document, format="eppo").canonical_json)
    return Client.from_document(document, format="eppo")


@lru_cache
def bandits() -> Bandits:
    read = (json.loads((ROOT / f"bandit-{part}-v1.json").read_bytes()) for part in ("flags", "models"))
    return Bandits(*read)


@pytest.mark.parametrize("converted", [False, True], ids=["", "converted"])
@pytest.mark.parametrize("case", cases("eppo", assignments))
def test_decides_as_eppo_does(case: Case, converted: bool) -> None:
    client = client_of("flags-v1.json", converted=converted)
    decision = client.decide(case.flag, context(case.subject), case.default)

    expected = case.subject["assignment"]
    assert decision.value == expected
    assert isinstance(decision.value, bool) is isinstance(expected, bool)
    details = case.subject.get("evaluationDetails")
    if details is None:
        return
    assert decision.reason in CODES[details["flagEvaluationCode"]]
    if details["flagEvaluationCode"] != "ASSIGNMENT_ERROR":
        allocation = details.get("matchedAllocation")
        assert decision.variant == details.get("variationKey")
        assert decision.rule == (allocation["key"] if allocation else None)


@pytest.mark.parametrize("converted", [False, True], ids=["", "converted"])
@pytest.mark.parametrize("case", cases("eppo", actions))
def test_acts_as_eppo_does(case: Case, converted: bool) -> None:
    subject = context(case.subject)
    client = client_of("bandit-flags-v1.json", converted=converted)
    decision = client.decide(case.flag, subject, case.default)
    # A number or a boolean may be meant as a name here, which only who sorts attributes can say.
    as_given = type(subject)(subject.targeting_key, case.subject["subjectAttributes"])
    choice = bandits().choose(
        decision, as_given, {action["actionKey"]: action for action in case.subject["actions"]}
    )

    expected = case.subject["assignment"]
    assert decision.value == expected["variation"]
    assert (choice and choice.action) == expected["action"]
