"""GrowthBook's own cases, decided by flagstaff: as the document is, and converted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Decision, RulesError
from flagstaff.formats import load
from flagstaff.formats.growthbook import context
from tests.conformance import cases, folder

Case = list[Any]
WAYS = ("as it is", "converted")

SOURCES = {
    "unknownFeature": {"FLAG_NOT_FOUND"},
    "defaultValue": {"DEFAULT", "STATIC"},
    "force": {"TARGETING_MATCH", "SPLIT", "STATIC"},
    "experiment": {"SPLIT", "TARGETING_MATCH", "OVERRIDE"},
    "prerequisite": {"PREREQUISITE_FAILED"},
    "cyclicPrerequisite": {"MALFORMED", "PREREQUISITE_FAILED"},
}
NOT_ASKED = {
    "active": "a feature's rule can't be inactive",
    "force": "a rule that forces a value is no experiment",
}
LEFT_OUT = {
    "urlRedirect": "redirects are for browsers",
}


def read(section: str) -> Iterator[tuple[str, Case]]:
    path = folder("growthbook") / "cases.json"
    found = json.loads(path.read_bytes()) if path.is_file() else {}
    for index, case in enumerate(found.get(section, ())):
        name = str(case[0]).replace("[", "(").replace("]", ")") if case else ""
        yield f"{section} {index} {name}", case


def all_of(section: str) -> pytest.MarkDecorator:
    def read_section(_root: Path) -> Iterator[tuple[str, Case]]:
        yield from read(section)

    return pytest.mark.parametrize("case", cases("growthbook", read_section))


def decided(given: Mapping[str, Any], key: str, way: str) -> Decision:
    document = {name: given.get(name, {}) for name in ("features", "savedGroups", "contextualBandits")}
    client = (
        Client.from_document(document, format="growthbook")
        if way == "as it is"
        else Client.from_document(load(document, format="growthbook").canonical_json)
    )
    with client:
        return client.decide(key, context(given))


def same(left: Any, right: Any) -> bool:
    """JSON equality: 1 and 1.0 are one, and true is neither."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def check_feature(case: Case, way: str) -> None:
    _, given, key, expected = case
    decision = decided(given, key, way)

    assert same(decision.value, expected["value"])
    assert decision.enabled is expected["on"]
    assert decision.reason in SOURCES[expected["source"]]
    assert (decision.rule or "") == expected.get("ruleId", "")
    result = expected.get("experimentResult")
    assert (decision.experiment is not None) is bool(result and result["inExperiment"])
    if result:
        assert decision.variant == result["key"]
        assert (decision._exposed is not None) is result["hashUsed"]


@pytest.mark.parametrize("way", WAYS)
@all_of("feature")
def test_features(case: Case, way: str) -> None:
    check_feature(case, way)


@pytest.mark.parametrize("way", WAYS)
@all_of("contextualBandit")
def test_contextual_bandits(case: Case, way: str) -> None:
    check_feature(case, way)


@pytest.mark.parametrize("way", WAYS)
@all_of("run")
def test_experiments(case: Case, way: str) -> None:
    _, given, experiment, value, in_experiment, hash_used = case
    for name, reason in NOT_ASKED.items():
        if name in experiment:
            pytest.skip(reason)
    if given.get("enabled") is False:
        pytest.skip("what is decided without any SDK needs none")
    feature = {"defaultValue": experiment["variations"][0], "rules": [experiment]}
    others = given.get("features", {})
    decision = decided({**given, "features": {**others, "asked": feature}}, "asked", way)

    assert same(decision.value, value)
    assert (decision.experiment is not None) is in_experiment
    assert (decision._exposed is not None) is (in_experiment and hash_used)


@pytest.mark.parametrize("way", WAYS)
@all_of("evalCondition")
def test_conditions(case: Case, way: str) -> None:
    _, condition, attributes, expected, *groups = case
    feature = {"defaultValue": False, "rules": [{"condition": condition, "force": True}]}
    given = {"features": {"asked": feature}, "attributes": attributes}
    given["savedGroups"] = groups[0] if groups else {}

    assert decided(given, "asked", way).value is expected


@pytest.mark.parametrize("way", WAYS)
@all_of("hash")
def test_hashes(case: Case, way: str) -> None:
    seed, value, version, expected = case
    if seed == "":
        pytest.skip("a rule can't have an empty seed: the feature's key takes its place")
    start = 0 if expected is None else expected
    stop = 1.1 if expected is None else expected + 0.0001
    rule = {"seed": seed, "hashVersion": version, "range": [start, stop], "force": True}
    given = {"features": {"asked": {"defaultValue": False, "rules": [rule]}}, "attributes": {"id": value}}

    assert decided(given, "asked", way).value is (expected is not None)


@pytest.mark.parametrize("way", WAYS)
@all_of("inNamespace")
def test_namespaces(case: Case, way: str) -> None:
    _, user, namespace, expected = case
    rule = {"variations": [1, 2], "namespace": namespace}
    given = {"features": {"asked": {"defaultValue": 0, "rules": [rule]}}, "attributes": {"id": user}}

    assert (decided(given, "asked", way).experiment is not None) is expected


@pytest.mark.parametrize("way", WAYS)
@all_of("getQueryStringOverride")
def test_what_an_address_forces(case: Case, way: str) -> None:
    _, key, url, count, expected = case
    rule = {"key": key, "variations": [*range(count)], "coverage": 0}
    given = {"features": {"asked": {"defaultValue": -1, "rules": [rule]}}, "url": url}

    assert decided(given, "asked", way).value == (-1 if expected is None else expected)


def bounds_of(document: Mapping[str, Any]) -> list[list[list[int]]]:
    rules = load(document, format="growthbook").canonical["flags"]["asked"]["rules"]
    drawn = next(rule["draw"] for rule in rules if "draw" in rule)
    return [arm["ranges"] for arm in drawn["arms"]]


@all_of("getBucketRange")
def test_what_each_variation_gets(case: Case) -> None:
    _, (count, coverage, weights), expected = case
    if count < 2:
        pytest.skip("one variation is no experiment")
    rule = {"variations": [*range(count)], "coverage": coverage, "hashVersion": 2}
    rule |= {} if weights is None else {"weights": weights}
    found = bounds_of({"features": {"asked": {"defaultValue": -1, "rules": [rule]}}})

    for (start, stop), ranges in zip(expected, found, strict=True):
        low, high = ranges[0] if ranges else (start * 10_000, start * 10_000)
        assert abs(low - start * 10_000) < 1
        assert abs(high - stop * 10_000) < 1


@all_of("chooseVariation")
def test_which_variation_is_chosen(case: Case) -> None:
    _, fraction, ranges, expected = case
    if len(ranges) < 2:
        pytest.skip("one variation is no experiment")
    rule = {"variations": [*range(len(ranges))], "ranges": ranges, "hashVersion": 2}
    found = bounds_of({"features": {"asked": {"defaultValue": -1, "rules": [rule]}}})
    bucket = fraction * 10_000

    chosen = [index for index, arm in enumerate(found) if any(low <= bucket < high for low, high in arm)]
    assert (chosen or [-1])[0] == expected


@all_of("getEqualWeights")
def test_equal_weights(case: Case) -> None:
    count, expected = case
    if count < 2:
        pytest.skip("one variation is no experiment")
    rule = {"variations": [*range(count)], "hashVersion": 2}
    found = bounds_of({"features": {"asked": {"defaultValue": -1, "rules": [rule]}}})

    sizes = [ranges[0][1] - ranges[0][0] for ranges in found]
    assert all(abs(size - weight * 10_000) <= 1 for size, weight in zip(sizes, expected, strict=True))


@pytest.mark.parametrize("way", WAYS)
@all_of("stickyBucket")
def test_sticky_buckets(case: Case, way: str) -> None:
    _, given, before, key, expected, after = case
    decision = decided({"stickyBucketAssignmentDocs": before, **given}, key, way)

    assert (decision.experiment is not None) is (expected is not None)
    if expected is not None:
        assert (decision.variant, decision._exposed is not None) == (expected["key"], expected["hashUsed"])
        assert same(decision.value, expected["value"])
        saved = after[f"{expected['hashAttribute']}||{expected['hashValue']}"]["assignments"]
        assert saved[assignment_of(given["features"][key]["rules"][0], key)] == decision.variant


def assignment_of(rule: Mapping[str, Any], key: str) -> str:
    return f"{rule.get('key', key)}__{rule.get('bucketVersion', 0)}"


@all_of("decrypt")
def test_encrypted_features(case: Case) -> None:
    _, written, key, expected = case
    refused = pytest.raises((ConfigError, RulesError)) if expected is None else nullcontext()
    document, options = {"encryptedFeatures": written}, {"decryption_key": key}
    with refused:
        client = Client.from_document(document, format="growthbook", format_options=options)
    for name, feature in json.loads(expected or "{}").items():
        assert same(client.value(name), feature["defaultValue"])


def read_left_out(_root: Path) -> Iterator[tuple[str, tuple[str, Case]]]:
    for section in LEFT_OUT:
        for name, case in read(section):
            yield name, (section, case)


@pytest.mark.parametrize("case", cases("growthbook", read_left_out))
def test_left_out(case: tuple[str, Case]) -> None:
    pytest.skip(LEFT_OUT[case[0]])
