from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from time import time
from typing import Any

import pytest

from flagstaff import Client, Context, Decision, Reason
from flagstaff.formats import check_format, load
from flagstaff.formats.flagd import context
from flagstaff.formats.jsonlogic import logic
from tests.conformance import cases
from tests.conformance.gherkin import Scenario, Step, scenarios

FOLDERS = {"evaluator": ("evaluator/gherkin", "evaluator/flags"), "testbed": ("gherkin", "flags")}
CONVERTED = pytest.mark.parametrize("converted", [False, True], ids=["", "converted"])


def client_of(document: Mapping[str, Any], *, converted: bool, fractional: int = 2) -> Client:
    options = {"fractional": fractional}
    if converted:
        loaded = load(document, format=check_format("flagd", options))
        return Client.from_document(loaded.canonical_json)
    return Client.from_document(document, format="flagd", format_options=options)


@lru_cache
def merged(folder: Path, only: str | None) -> dict[str, Any]:
    document: dict[str, Any] = {"flags": {}, "$evaluators": {}}
    for path in sorted(folder.glob("*.json")):
        if only in (path.name, "allFlags.json") or (only is None and not path.name.startswith("selector-")):
            found = json.loads(path.read_bytes())
            document["flags"] |= found["flags"]
            document["$evaluators"] |= found.get("$evaluators", {})
            if only is not None and "metadata" in found:
                document["metadata"] = found["metadata"]
    return document


@lru_cache
def decider(folder: Path, only: str | None, fractional: int, *, converted: bool) -> Client:
    return client_of(merged(folder, only), converted=converted, fractional=fractional)


# -- scenarios -----------------------------------------------------------------------------------------

TYPES: dict[str, Callable[[str], Any]] = {
    "Boolean": lambda text: text.lower() == "true",
    "String": str,
    "Integer": int,
    "Float": float,
    "Object": lambda text: json.loads(text.replace('\\"', '"')),
}
FLAG = re.compile(r'an? (\w+)-flag with key "(.*)" and a (?:default|fallback) value "(.*)"')
TYPED = re.compile(r'a context containing a key "(.*)", with type "(\w+)" and with value "(.*)"')
NESTED = re.compile(
    r'a context containing a nested property with outer key "(.*)" and inner key "(.*)", with value "?(.*?)"?'
)
TARGETING_KEY = re.compile(r'a context containing a targeting key with value "(.*)"')
SELECTOR = re.compile(r'an option "selector" of type "String" with value "rawflags/(.*)"')
EXPECTED = re.compile(r'the (?:resolved details )?(value|reason|variant|error-code) should be "(.*)"')


def read(root: Path) -> Iterator[tuple[str, tuple[Path, Scenario]]]:
    for name, (features, flags) in FOLDERS.items():
        for title, case in scenarios(root / features):
            yield f"{name} {title}", (root / flags, case)


@CONVERTED
@pytest.mark.parametrize("case", cases("flagd", read))
def test_decides_as_flagd_does(case: tuple[Path, Scenario], converted: bool) -> None:
    folder, scenario = case
    if "deprecated" in scenario.tags:
        pytest.skip("contradicts the scenarios that took its place")
    fractional = next((version for version in (1, 3) if f"fractional-v{version}" in scenario.tags), 2)
    Run(scenario.steps).check(folder, fractional, converted=converted)


class Run:
    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.given: dict[str, Any] = {}
        self.only: str | None = None
        self.kind = self.flag = ""
        self.default: Any = None
        for step in steps:
            self.prepare(step.text)

    def prepare(self, text: str) -> None:
        if match := FLAG.fullmatch(text):
            self.kind, self.flag, default = match.groups()
            self.default = TYPES[self.kind](default)
        elif match := TYPED.fullmatch(text):
            name, kind, value = match.groups()
            self.given[name] = TYPES[kind](value)
        elif match := NESTED.fullmatch(text):
            outer, inner, value = match.groups()
            self.given[outer] = {inner: value}
        elif match := TARGETING_KEY.fullmatch(text):
            self.given["targetingKey"] = match.group(1)
        elif match := SELECTOR.fullmatch(text):
            self.only = match.group(1)

    def check(self, folder: Path, fractional: int, *, converted: bool) -> None:
        client = decider(folder, self.only, fractional, converted=converted)
        decision = client.decide(self.flag, context(self.given), self.default)
        checked = [self.expect(step, decision) for step in self.steps]
        assert any(checked), "nothing is expected"

    def expect(self, step: Step, decision: Decision) -> bool:
        if match := EXPECTED.fullmatch(step.text):
            field, expected = match.groups()
            getattr(self, field.replace("-", "_"))(decision, expected)
            return True
        if "metadata" in step.text and "resolved" in step.text:
            rows = {row[0]: TYPES[row[1]](row[2]) for row in step.table[1:]}
            assert rows.items() <= decision.metadata.items()
            assert rows or not decision.metadata
            return True
        return False

    def value(self, decision: Decision, expected: str) -> None:
        wanted = TYPES[self.kind](expected)
        assert decision.value == wanted
        assert isinstance(decision.value, bool) is isinstance(wanted, bool)

    def variant(self, decision: Decision, expected: str) -> None:
        assert decision.variant == (None if expected == "null" else expected)

    def reason(self, decision: Decision, expected: str) -> None:
        if expected == "ERROR":
            assert decision.error is not None
        elif expected == "TARGETING_MATCH":
            assert decision.reason in (Reason.TARGETING_MATCH, Reason.SPLIT)
        else:
            assert decision.reason == expected

    def error_code(self, decision: Decision, expected: str) -> None:
        if not expected:
            assert decision.error is None
            return
        assert decision.reason == {"PARSE_ERROR": "MALFORMED"}.get(expected, expected)


# -- JsonLogic ---------------------------------------------------------------------------------------------


def triples(root: Path) -> Iterator[tuple[str, Any]]:
    found = json.loads((root / "jsonlogic" / "json_logic_pr_48_tests.json").read_bytes())
    for number, case in enumerate(case for case in found if isinstance(case, list)):
        yield f"jsonlogic {number} {json.dumps(case[0])}", case


@CONVERTED
@pytest.mark.parametrize("case", cases("flagd", triples))
def test_works_out_json_logic(case: Any, converted: bool) -> None:
    rule, data, result = case
    if not isinstance(data, Mapping):  # what there is no context for is an item of a list
        compute = logic({"map": [[data], rule]}, {}, lambda *_: {})
        assert compute()(Context(), time) == [result]
    elif isinstance(result, list | dict):
        compute = logic(rule, {}, lambda context, _: context.attributes)
        assert compute()(context(data), time) == result
    else:
        targeting = {"if": [{"===": [rule, result]}, "yes", "no"]}
        flag = {"state": "ENABLED", "variants": {"yes": "y", "no": "n"}, "targeting": targeting}
        client = client_of({"flags": {"f": flag}}, converted=converted)
        assert client.variant("f", context(data)) == "yes"


# -- schemas -----------------------------------------------------------------------------------------------


def documents(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted((root / "schemas" / "test").rglob("*.json")):
        yield f"schemas {path.relative_to(root / 'schemas' / 'test')}", path


FINE = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


@CONVERTED
@pytest.mark.parametrize("path", cases("flagd", documents))
def test_takes_what_the_schema_takes(path: Path, converted: bool) -> None:
    found, accepted = json.loads(path.read_bytes()), path.parent.name == "positive"
    if path.parents[1].name == "targeting":
        found.pop("$schema", None)
        found = {"flags": {"f": {**FINE, "targeting": found}}}
        assert accepted is not bool(load(found, format="flagd").warnings)
        return
    flags = found["flags"]
    if isinstance(flags, list):
        if not accepted:
            pytest.skip("flags.json knows objects only; flagd.json takes lists, too, and so do we")
        flags.append({"key": "neighbour", **FINE})
    else:
        flags["neighbour"] = FINE
    with client_of(found, converted=converted) as client:
        assert client.variant("neighbour", Context()) == "on"
        decisions = client.decide_all(Context())
    malformed = any(decision.reason is Reason.MALFORMED for decision in decisions.values())
    if path.name == "with-invalid-flag-set-metadata.json":
        assert load(found, format="flagd").warnings
    else:
        assert malformed is not accepted
