"""Eppo's own SDK, whose core is written in Rust, asked at random."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

import eppo_client

from flagstaff import Decision
from tests.fuzz import bandits
from tests.fuzz.vendor import Answers, Vendor

__all__ = ["Fuzz"]

_FLAGS = ("f0", "f1", "f2", "f3", "f4", "f5")
_NAMES = ("country", "age", "version", "email", "plan", "id", "targeting_key", "a.b")
_VALUES: dict[str, list[Any]] = {
    "STRING": ["on", "", "x y", 7],
    "INTEGER": [1, 2, 3.0, 2.5, "4", 0],
    "NUMERIC": [1, 2.5, 0, -1.25, "x"],
    "BOOLEAN": [True, False, "true"],
    "JSON": ['{"a": 1}', '{"b": [1, null]}', "{", "{}", 5],
}
_DEFAULTS: dict[str, Any] = {
    "STRING": "none",
    "INTEGER": -7,
    "NUMERIC": -7.5,
    "BOOLEAN": False,
    "JSON": {"no": 1},
}
_TEXTS = [
    *("NL", "BE", "nl", "", "7", "7.5", "true", "false", "pro"),
    *("a@b.nl", "1.2.3", "u1", "é", "null", "inf", "É", "٣", "a b", "a\u00a0b", "x\nb", "\u2167"),
]
_NUMBERS: list[Any] = [
    *(0, 7, 7.0, 7.5, -3, 1e21, 1e-7, 10, "7", "7.5", "1e1"),
    *(" 7", "x", ".5", "5.", "+7", "-0", -0.0),
]
_VERSIONS = [
    *("1.2.3", "1.2.3-a", "1.2.3-1", "1.2.3+b", "1.2.3+a", "1.10.0"),
    *("2.0.0", "v1.2.3", "1.2", "01.2.3", "1.2.3+1"),
]
_PATTERNS = [
    *("^N", "[A-Z]+$", "@b", "(?i)nl", "N|B", "7", "(", "(?=x)", "", "^$", r"\.", r"^\d+$", "true"),
    *(r"^\w+$", r"\W", r"\s", r"\bé|é\b", r"[^\d]", "(?i)É", "[[:alpha:]]{2}", r"\x{e9}", "a{0,3}b"),
]
_TIMES = [
    *("2020-01-01T00:00:00Z", "2021-06-01T12:00:00.123Z", "2090-01-01T00:00:00.000Z"),
    *("2099-01-01T00:00:00Z", None),
]


class Fuzz(Vendor):
    format: ClassVar[str] = "eppo"

    def __init__(self) -> None:
        config = eppo_client.ClientConfig(
            api_key="fuzz", assignment_logger=eppo_client.AssignmentLogger(), poll_interval_seconds=None
        )
        self._client = eppo_client.init(config)

    def close(self) -> None:
        self._client.shutdown()

    # -- documents --------------------------------------------------------------------------------------

    def document(self, random: Random) -> dict[str, Any]:
        flags = {name: self._flag(random, name) for name in _FLAGS}
        return {
            "createdAt": "2024-04-17T19:40:53.716Z",
            "format": "SERVER",
            "environment": {"name": "Test"},
            "flags": {**flags, bandits.FLAG: bandits.flag(random)},
            "bandits": bandits.references(),
            bandits.MODELS: bandits.models(random),
        }

    def _flag(self, random: Random, name: str) -> dict[str, Any]:
        kind = random.choice([*_VALUES])
        count = random.randint(1, 4)
        variations = {
            f"v{number}": {"key": f"v{number}", "value": random.choice(_VALUES[kind][:3] * 3 + _VALUES[kind])}
            for number in range(count)
        }
        total = random.choice((10, 100, 10_000, 10_000))
        return {
            "key": name,
            "enabled": random.random() < 0.95,
            "variationType": kind,
            "variations": variations,
            "totalShards": total,
            "allocations": [
                self._allocation(random, f"a{number}", [*variations], total)
                for number in range(random.choice((0, 1, 1, 2, 3)))
            ],
        }

    def _allocation(self, random: Random, key: str, names: list[str], total: int) -> dict[str, Any]:
        made: dict[str, Any] = {"key": key, "doLog": random.random() < 0.5}
        if random.random() < 0.75:
            made["rules"] = [
                {"conditions": [self._condition(random) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))]}
                for _ in range(random.choice((0, 1, 1, 2)))
            ]
        for name in ("startAt", "endAt"):
            if random.random() < 0.15:
                made[name] = random.choice(_TIMES)
        made["splits"] = self._splits(random, names, total)
        return made

    def _splits(self, random: Random, names: list[str], total: int) -> list[dict[str, Any]]:
        salts = [f"s{random.randint(0, 9)}" for _ in range(random.choice((0, 1, 1, 2)))]
        shared = [self._shard(random, salt, total) for salt in salts[:-1]]
        made = []
        for _ in range(random.choice((0, 1, 2, 2, 3))):
            shards = [*shared] if random.random() < 0.9 else []
            if salts and random.random() < 0.9:
                shards.append(self._shard(random, salts[-1], total))
            name = random.choice([*names, *names, *names, "gone"])
            split: dict[str, Any] = {"variationKey": name, "shards": shards}
            if random.random() < 0.2:
                split["extraLogging"] = {"holdoutKey": random.choice(("h1", "h2"))}
            made.append(split)
        return made

    def _shard(self, random: Random, salt: str, total: int) -> dict[str, Any]:
        ranges = []
        for _ in range(random.choice((0, 1, 1, 1, 2))):
            start, end = sorted((random.randint(0, total), random.randint(0, total)))
            ranges.append({"start": start, "end": end})
        return {"salt": random.choice((salt, salt, salt, "", "é")), "ranges": ranges}

    def _condition(self, random: Random) -> dict[str, Any]:
        op = random.choice(
            ("ONE_OF", "ONE_OF", "NOT_ONE_OF", "MATCHES", "NOT_MATCHES", "GT", "GTE", "LT", "LTE", "IS_NULL")
        )
        match op:
            case "ONE_OF" | "NOT_ONE_OF":
                value: Any = random.sample(_TEXTS, random.choice((0, 1, 2, 4)))
            case "MATCHES" | "NOT_MATCHES":
                value = random.choice(_PATTERNS)
            case "IS_NULL":
                value = random.random() < 0.5
            case _:
                value = random.choice((*_NUMBERS, *_VERSIONS))
        return {"attribute": random.choice(_NAMES), "operator": op, "value": value}

    # -- contexts ---------------------------------------------------------------------------------------

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG002 - they suit any
        return [self._context(random) for _ in range(60)]

    def _context(self, random: Random) -> dict[str, Any]:
        values: list[Any] = [*_TEXTS, *_NUMBERS, *_VERSIONS, True, False, None]
        likely: dict[str, list[Any]] = {"age": _NUMBERS, "version": [*_VERSIONS], "country": [*_TEXTS]}
        attributes = {
            name: random.choice(likely.get(name, values) if random.random() < 0.8 else values)
            for name in _NAMES
            if random.random() < (0.1 if name == "id" else 0.7)
        }
        key = random.choice(("u1", "é", "", "7", *(f"user-{random.randint(0, 10**6)}" for _ in range(6))))
        return {"subjectKey": key, "subjectAttributes": attributes, "actions": bandits.actions(random)}

    # -- answers ----------------------------------------------------------------------------------------

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        configuration = eppo_client.Configuration(
            flags_configuration=json.dumps(document).encode(),
            bandits_configuration=json.dumps(document[bandits.MODELS]).encode(),
        )
        self._client.set_configuration(configuration)
        client = self._client
        asks = {
            "STRING": client.get_string_assignment_details,
            "INTEGER": client.get_integer_assignment_details,
            "NUMERIC": client.get_numeric_assignment_details,
            "BOOLEAN": client.get_boolean_assignment_details,
            "JSON": client.get_json_assignment_details,
        }
        return [
            {
                name: bandits.answer(client, document, given, self.context(given))
                if name == bandits.FLAG
                else _answer(self._ask(asks[flag["variationType"]], name, flag["variationType"], given))
                for name, flag in document["flags"].items()
            }
            for given in contexts
        ]

    def _ask(self, ask: Any, flag: str, kind: str, given: Mapping[str, Any]) -> Any:
        return ask(flag, given["subjectKey"], given.get("subjectAttributes", {}), _DEFAULTS[kind])

    def default(self, document: Mapping[str, Any], flag: str) -> Any:
        return _DEFAULTS[document["flags"][flag]["variationType"]]

    def compare(self, decision: Decision, answer: Any) -> str | None:
        if isinstance(answer, bandits.Answer):
            return answer.differs(decision)
        value, code, variant, allocation = answer
        if decision.value != value or type(decision.value) is not type(value):
            return "value"
        if code in ("ASSIGNMENT_ERROR", "UNEXPECTED_CONFIGURATION_ERROR"):
            return None if decision.reason == "MALFORMED" else "reason"
        if decision.variant != variant:
            return "variant"
        return None if decision.rule == allocation else "allocation"


def _answer(found: Any) -> tuple[Any, ...]:
    details = found.evaluation_details
    allocations = details.get("allocations", ())
    matched = [one["key"] for one in allocations if one["allocationEvaluationCode"] == "MATCH"]
    return (
        found.variation,
        details["flagEvaluationCode"],
        details.get("variationKey"),
        matched[0] if matched else None,
    )
