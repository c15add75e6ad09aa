"""What LaunchDarkly's test harness expects of a server-side SDK: as the document is, and converted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Decision
from flagstaff.core.schemes import Scheme
from flagstaff.formats import load
from flagstaff.formats.launchdarkly import context
from tests.conformance import cases

WAYS = ("as it is", "converted")
DEFAULTS: dict[str, Any] = {"bool": False, "int": 0, "double": 0.0, "string": ""}
REASONS = {
    "OFF": {"DISABLED"},
    "TARGET_MATCH": {"TARGETING_MATCH"},
    "RULE_MATCH": {"TARGETING_MATCH", "SPLIT"},
    "FALLTHROUGH": {"DEFAULT", "SPLIT", "STATIC"},
    "PREREQUISITE_FAILED": {"PREREQUISITE_FAILED"},
    "FLAG_NOT_FOUND": {"FLAG_NOT_FOUND"},
    "MALFORMED_FLAG": {"MALFORMED"},
    "WRONG_TYPE": {"TYPE_MISMATCH"},
}

Case = dict[str, Any]


def read_evaluations(root: Path) -> Iterator[tuple[str, tuple[Case, Case]]]:
    for path in sorted((root / "expanded" / "server-side-eval").glob("*.json")):
        for index, case in enumerate(json.loads(path.read_bytes())):
            for number, evaluation in enumerate(case["evaluations"]):
                yield f"{path.stem} {index}.{number}", (case["sdkData"], evaluation)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("launchdarkly", read_evaluations))
def test_decides_as_the_harness_expects(case: tuple[Case, Case], way: str) -> None:
    document, evaluation = case
    if way == "as it is":
        client = Client.from_document(document, format="launchdarkly")
    else:
        client = Client.from_document(load(document, format="launchdarkly").canonical_json)
    expected = evaluation["expect"]
    asked, kind = evaluation.get("default"), evaluation.get("valueType", "any")
    if kind != "any" and asked is None:
        asked = DEFAULTS[kind]
    # Whoever asks for any type can't say so with a default, which fixes the type.
    default = None if kind == "any" else asked
    decision = client.decide(evaluation["flagKey"], context(evaluation["context"]), default)

    wanted = expected["value"]
    if "default" not in evaluation and decision.variant is None:
        asked = wanted  # whatever the caller's default would have been
    value = asked if decision.variant is None else decision.value
    assert value == wanted, decision
    assert isinstance(value, bool) is isinstance(wanted, bool), decision
    if expected.get("variationIndex") is not None:
        assert decision.variant == str(expected["variationIndex"]), decision
    if "reason" in expected:
        check_reason(decision, expected["reason"])


def check_reason(decision: Decision, reason: Case) -> None:
    assert str(decision.reason) in REASONS[reason.get("errorKind") or reason["kind"]], decision
    if "ruleId" in reason or "ruleIndex" in reason:
        assert decision.rule == (reason.get("ruleId") or str(reason["ruleIndex"])), decision
    if "prerequisiteKey" in reason:
        assert decision.metadata["prerequisite"] == reason["prerequisiteKey"], decision
    assert bool(reason.get("inExperiment")) is (decision.experiment is not None), decision


def read_buckets(root: Path) -> Iterator[tuple[str, Case]]:
    path = root / "bucket_values.json"
    found = json.loads(path.read_bytes()) if path.is_file() else []
    for index, case in enumerate(found["cases"] if isinstance(found, dict) else found):
        yield f"bucket {index}", case


@pytest.mark.parametrize("case", cases("launchdarkly", read_buckets))
def test_draws_as_the_vendor_does(case: Case) -> None:
    prefix = f"{case['key']}.{case['salt']}" if case.get("seed") is None else str(case["seed"])
    scheme = Scheme("sha1_60", "unit")
    number = scheme.rank(f"{prefix}.{case['value']}")
    assert scheme.bucket(number) == pytest.approx(case["bucket"], abs=1e-7)
