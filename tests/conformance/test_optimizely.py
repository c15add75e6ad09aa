"""What Optimizely's own SDK decided, decided by flagstaff: as the datafile is, and converted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, Decision
from flagstaff.formats import check_format
from flagstaff.formats.optimizely import context
from tests.conformance import cases, folder

WAYS = ("as it is", "converted")
OPTIONS = {"experiments": True}

Case = dict[str, Any]


def client_of(document: Case, way: str) -> Client:
    if way == "as it is":
        return Client.from_document(document, format="optimizely", format_options=OPTIONS)
    return Client.from_document(check_format("optimizely", OPTIONS).load(document).canonical_json)


@lru_cache(maxsize=8)
def client_of_file(path: Path, way: str) -> Client:
    return client_of(json.loads(path.read_bytes())["datafile"], way)


def read_cases(name: str, file: str) -> Iterator[tuple[str, Case]]:
    path = folder("optimizely") / file
    for index, case in enumerate(json.loads(path.read_bytes())["cases"] if path.is_file() else ()):
        yield f"{name} {index}", case


def read_users(root: Path) -> Iterator[tuple[str, tuple[Path, Case]]]:
    for path in sorted((root / "datafiles").glob("*.json")):
        for index, case in enumerate(json.loads(path.read_bytes())["cases"]):
            yield f"{path.stem} user {index}", (path, case)


# -- whole datafiles -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("optimizely", read_users))
def test_decides_as_the_sdk_did(case: tuple[Path, Case], way: str) -> None:
    path, user = case
    client, visitor = client_of_file(path, way), context(user)
    different = [
        f"{flag}: {expected} != {decision}"
        for flag, expected in user["decisions"].items()
        if not is_as_told(decision := client.decide(flag, visitor), expected, rules_of(path))
    ]
    flags = set(user["decisions"])
    different += [
        f"{experiment}: {expected} != {decision}"
        for experiment, expected in user["get_variation"].items()
        if experiment not in flags and (decision := client.decide(experiment, visitor)).variant != expected
    ]
    assert not different


def is_as_told(decision: Decision, expected: Case, kinds: dict[str, str]) -> bool:
    told = (decision.variant, decision.enabled, decision.rule)
    if told != (expected["variation_key"], expected["enabled"], expected["rule_key"]):
        return False
    if expected["variables"] is not None and text_of(decision.value) != text_of(expected["variables"]):
        return False
    match kinds.get(str(decision.rule)):
        case "experiment":
            return decision.experiment == decision.rule
        case "rollout":
            return decision.experiment is None
        case "holdout":
            return decision.reason == "HOLDOUT"
        case _:
            return True


def text_of(value: Any) -> str:
    """JSON in which 1 and 1.0 are one, and true is neither."""
    return json.dumps(value, sort_keys=True).replace(".0,", ",").replace(".0}", "}")


@lru_cache
def rules_of(path: Path) -> dict[str, str]:
    """What a rule is, by its key; keys that are those of several are left out."""
    datafile = json.loads(path.read_bytes())["datafile"]
    pairs = [(rule["key"], "experiment") for rule in datafile["experiments"]]
    for section, kind in (("groups", "experiment"), ("rollouts", "rollout")):
        pairs += [(rule["key"], kind) for part in datafile.get(section, ()) for rule in part["experiments"]]
    for section in ("holdouts", "localHoldouts"):
        pairs += [(rule["key"], "holdout") for rule in datafile.get(section, ())]
    keys = [key for key, _ in pairs]
    return {key: kind for key, kind in pairs if keys.count(key) == 1}


# -- vectors ---------------------------------------------------------------------------------------


def datafile_of(rule: Case, audiences: list[Case]) -> Case:
    """One flag, whose only rule this is."""
    variation = {"id": "on", "key": "on", "featureEnabled": True, "variables": []}
    whole = {"key": "rule", "status": "Running", "layerId": "1", "audienceIds": [], "variations": [variation]}
    traffic = {"trafficAllocation": [{"entityId": "on", "endOfRange": 10_000}], "forcedVariations": {}}
    return {
        "version": "4",
        "revision": "1",
        "featureFlags": [{"id": "1", "key": "flag", "rolloutId": "1", "experimentIds": [], "variables": []}],
        "rollouts": [{"id": "1", "experiments": [{"id": "rule", **whole, **traffic, **rule}]}],
        "typedAudiences": audiences,
        "audiences": [],
        "experiments": [],
        "groups": [],
    }


def answer_of(tree: Any, user: Case, way: str) -> bool | None:
    """Whether users get the flag if they are asked for the tree, and if they are asked for its opposite."""
    answers = []
    for conditions in (["or", tree], ["not", tree]):
        audience = {"id": "asked", "name": "asked", "conditions": conditions}
        document = datafile_of({"audienceConditions": ["or", "asked"]}, [audience])
        with client_of(document, way) as client:
            answers.append(client.enabled("flag", context(user)))
    return {(True, False): True, (False, True): False}.get((answers[0], answers[1]))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("optimizely", lambda _: read_cases("condition", "conditions.json")))
def test_answers_a_condition_as_the_sdk_does(case: Case, way: str) -> None:
    condition = {name: value for name, value in case["condition"].items() if name != "match" or value}
    user = {"user_id": "user", **{name: case[name] for name in ("attributes", "qualified_segments")}}
    assert answer_of(condition, user, way) is case["expected"]


LEAVES: dict[bool | None, Case] = {
    True: {"type": "custom_attribute", "name": "there", "match": "exists"},
    False: {"type": "custom_attribute", "name": "missing", "match": "exists"},
    None: {"type": "custom_attribute", "name": "missing", "match": "gt", "value": 1},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("optimizely", lambda _: read_cases("tree", "condition_tree.json")))
def test_joins_conditions_as_the_sdk_does(case: Case, way: str) -> None:
    leaves = iter(case["leaves"])

    def filled(node: Any) -> Any:
        if isinstance(node, list):
            return [item if item in ("and", "or", "not") else filled(item) for item in node]
        return LEAVES[next(leaves, True)]

    user = {"user_id": "user", "attributes": {"there": 1}}
    assert answer_of(filled(case["tree"]), user, way) is case["expected"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", cases("optimizely", lambda _: read_cases("bucket", "bucket_values.json")))
def test_draws_as_the_sdk_does(case: Case, way: str) -> None:
    key, bucket = case["key"], case["expected"]
    middle = len(key) // 2
    ranges = [("", bucket), ("on", bucket + 1)]
    allocation = [{"entityId": number, "endOfRange": end} for number, end in ranges]
    document = datafile_of({"id": key[middle:], "trafficAllocation": allocation}, [])
    with client_of(document, way) as client:
        assert client.enabled("flag", context({"user_id": key[:middle]}))
