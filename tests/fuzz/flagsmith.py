"""Flagsmith's own engine, asked at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from flag_engine.engine import get_evaluation_result

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Vendor

__all__ = ["Fuzz"]

_FLAGS = ["f0", "f1", "f2"]
_TRAITS = ["age", "plan", "version", "vip", "list", "007", "$.environment.name", "targeting_key", "a.b"]
_PATHS = [
    *("$.identity.identifier", "$.identity.key", "$.environment.name", "$.environment.key", "$.identity"),
    *("$.identity.traits.age", "$.identity.traits", "$.nowhere", "$.features.f0.value", "$.bad path"),
    *("$.identity['identifier']", "$.identity.traits['a.b']", "$.features['f1'].enabled"),
]
_TEXTS = [
    "pro",
    "free",
    "",
    "7",
    "7.0",
    "7.5",
    "-3",
    "007",
    "True",
    "false",
    "None",
    "1.2.3",
    "1.10.0",
    "é",
    "a,b",
]
_OPERANDS = [
    *_TEXTS,
    "1.2.3:semver",
    "1.9.0-rc.1:semver",
    "x:semver",
    " 7 ",
    "1_0",
    "inf",
    "nan",
    "False",
    "0",
]
_VALUES: list[Any] = [*_TEXTS, 7, 7.0, 7.5, -3, 0, True, False, None, 10**20, "1.2.3-rc.1", "v1.2.3", ["pro"]]
_PATTERNS = [
    r"^\w+$",
    r"\W",
    r"\w+\Z",
    r".*\b\d",
    r"\s|é\b",
    "p",
    "[a-z]+$",
    "^pro$",
    "7",
    "(?i)PRO",
    "a|b",
    "",
    ".*e",
    "T",
    "x{2}",
]
_OPERATORS = [
    *("EQUAL", "NOT_EQUAL", "GREATER_THAN", "GREATER_THAN_INCLUSIVE", "LESS_THAN", "LESS_THAN_INCLUSIVE"),
    *("CONTAINS", "NOT_CONTAINS", "REGEX", "MODULO", "IS_SET", "IS_NOT_SET", "IN", "IN", "PERCENTAGE_SPLIT"),
    *("PERCENTAGE_SPLIT", "WHATEVER"),
]


class Fuzz(Vendor):
    format: ClassVar[str] = "flagsmith"

    def document(self, random: Random) -> dict[str, Any]:
        segments = {str(number): self._segment(random, number) for number in range(4)}
        features = {name: self._feature(random, name) for name in _FLAGS}
        environment = {"key": random.choice(["env", ""]), "name": random.choice(["Production", "7"])}
        return {"environment": environment, "features": features, "segments": segments}

    def _feature(self, random: Random, name: str) -> dict[str, Any]:
        value = random.choice(["own", "", None, 7, True, 1.0, "7", "other"])
        made: dict[str, Any] = {
            "key": str(random.randint(1, 99)),
            "name": name,
            "enabled": random.random() < 0.5,
        }
        made["value"] = value
        if random.random() < 0.5:
            made["variants"] = [self._variant(random) for _ in range(random.choice([0, 1, 2, 3]))]
        if random.random() < 0.3:
            made["metadata"] = {"id": random.randint(1, 9)}
        return made

    def _variant(self, random: Random) -> dict[str, Any]:
        made: dict[str, Any] = {"value": random.choice(["A", "B", None, 5]), "priority": random.randint(1, 3)}
        made["weight"] = random.choice([0, 10, 25.5, 33.333, 50, 100])
        if random.random() < 0.8:
            made["key"] = random.choice("abc")
        return made

    def _segment(self, random: Random, number: int) -> dict[str, Any]:
        overrides = [self._override(random, name) for name in _FLAGS if random.random() < 0.5]
        # Of flags before those that it overrides: else they would go in circles.
        earlier = _FLAGS[: min((_FLAGS.index(override["name"]) for override in overrides), default=0)]
        rules = [self._rule(random, earlier, 0) for _ in range(random.choice([0, 1, 1, 1, 2]))]
        return {"key": str(number), "name": random.choice(["s", f"s{number}"]), "rules": rules} | {
            "overrides": overrides
        }

    def _override(self, random: Random, name: str) -> dict[str, Any]:
        made = self._feature(random, name)
        if random.random() < 0.6:
            made["priority"] = random.choice([1, 2, 2.5, math.inf, -math.inf])
        return made

    def _rule(self, random: Random, asked: list[str], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"type": random.choice(["ALL", "ANY", "NONE"])}
        made["conditions"] = [self._condition(random, asked) for _ in range(random.choice([0, 1, 1, 2, 3]))]
        if depth < 2 and random.random() < 0.4:
            made["rules"] = [self._rule(random, asked, depth + 1) for _ in range(random.choice([1, 2]))]
        return made

    def _condition(self, random: Random, asked: list[str]) -> dict[str, Any]:
        kind = random.choice(_OPERATORS)
        name = random.choice([*_TRAITS, *_TRAITS, *_PATHS])
        if random.random() < 0.2:
            field = random.choice(["enabled", "enabled", "value", "variant", "strange"])
            path = random.choice(["$.flags.{}.{}", "$.flags['{}'].{}", "$.flags.{}['{}']"])
            name = path.format(random.choice([*asked, *asked, "none"]), field)
        value: Any = random.choice(_OPERANDS)
        if kind == "IN":
            value = random.choice(
                [random.sample(_TEXTS, 3), ",".join(random.sample(_TEXTS, 3)), '["7", "pro", 7]', "[7"]
            )
        elif kind == "PERCENTAGE_SPLIT":
            name, value = (
                random.choice([*_TRAITS, *_PATHS, "", "$.identity.key"]),
                random.choice(["50", "10.5", "100", "0", "x"]),
            )
        elif kind == "REGEX":
            value = random.choice(_PATTERNS)
        elif kind == "MODULO":
            value = random.choice(["4|3", "2|0", "2.5|0", "x|1", "3", "-2|-1", ""])
        return {"operator": kind, "property": name, "value": value}

    def contexts(
        self,
        random: Random,
        document: Mapping[str, Any],  # noqa: ARG002 - they suit any
    ) -> list[dict[str, Any]]:
        return [self._identity(random) for _ in range(60)]

    def _identity(self, random: Random) -> dict[str, Any]:
        if random.random() < 0.05:
            return {}
        made: dict[str, Any] = {
            "identifier": random.choice(["u", "7", "pro", f"user-{random.randint(0, 10**6)}"])
        }
        if random.random() < 0.2:
            made["key"] = random.choice(["k", "env_u", ""])
        if random.random() < 0.95:
            made["traits"] = {name: random.choice(_VALUES) for name in _TRAITS if random.random() < 0.7}
        return made

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        _check(document)
        return [get_evaluation_result(_whole(document, given))["flags"] for given in contexts]

    def compare(self, decision: Decision, answer: Any) -> str | None:
        if decision.enabled is not answer["enabled"]:
            return "enabled"
        if decision.value != answer["value"] or type(decision.value) is not type(answer["value"]):
            return "value"
        if decision.variant != answer["variant"]:
            return "variant"
        reason, _, detail = answer["reason"].partition("; ")
        if decision.reason != reason and not {decision.reason, reason} <= {"DEFAULT", "STATIC"}:
            return "reason"
        return "rule" if detail.startswith("segment=") and decision.rule != detail[8:] else None


def _check(document: Mapping[str, Any]) -> None:
    """KeyError where something is missing, which the engine itself misses only if it gets there."""
    overrides = [override for segment in document["segments"].values() for override in segment["overrides"]]
    for feature in [*document["features"].values(), *overrides]:
        _ = feature["key"], feature["name"], feature["enabled"], feature["value"]
        for variant in feature.get("variants", []):
            _ = variant["weight"], variant["priority"], variant["value"]


def _whole(document: Mapping[str, Any], identity: Mapping[str, Any]) -> Any:
    return {**document, "identity": identity} if identity else document
