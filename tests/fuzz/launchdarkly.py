from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ldclient import Context as SdkContext
from ldclient.impl.evaluator import Evaluator
from ldclient.impl.events.types import EventFactory
from ldclient.impl.model import FeatureFlag, Segment

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Vendor

__all__ = ["Fuzz"]

KINDS = ("user", "org", "device")
NAMES = ("country", "age", "version", "joined", "tags", "address", "pro", "name", "a/b", "a~b")
REFERENCES = (
    "/country",
    "/address/city",
    "/address/zip/code",
    "/a~1b",
    "/a~0b",
    "/tags",
    "/tags/0",
    "/pro",
    "/name",
)
STRAYS = ("//", "/a//b", "/a~2b", "/")
TEXTS = ("NL", "BE", "", "nl", "NLD", "ü", "\U0001f600", "1", "true")
NUMBERS = (0, 1, -1, 1.5, 18, 99.99, 10**15)  # whole floats are units, by the reference, not by this SDK
VERSIONS = (
    "2",
    "2.0",
    "2.0.0",
    "2.1",
    "2.1.0-beta",
    "2.1.0-beta.2",
    "2.1.0-beta.11",
    "2.1.0+build",
    "v2",
    "2.x",
    "02.1.0",
    "2.1.0.0",
)
INSTANTS = (
    *("2026-01-31T09:00:00Z", "2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00.5Z", "2026-01-31", "soon"),
    *(1769850000000, 1769850000500, 1769850000000.5),
)
PATTERNS = ("^N", "L$", "[NB]", "(", "\\d+", "N|B", "^$", "a{2}", "(?i)nl")
OPERATORS = (
    *("in", "in", "in", "startsWith", "endsWith", "contains", "matches", "lessThan", "lessThanOrEqual"),
    *("greaterThan", "greaterThanOrEqual", "before", "after", "semVerEqual", "semVerLessThan"),
    *("semVerGreaterThan", "strange"),
)
REASONS = {
    "OFF": ("DISABLED",),
    "TARGET_MATCH": ("TARGETING_MATCH",),
    "RULE_MATCH": ("TARGETING_MATCH", "SPLIT"),
    "FALLTHROUGH": ("DEFAULT", "SPLIT", "STATIC"),
    "PREREQUISITE_FAILED": ("PREREQUISITE_FAILED",),
    "ERROR": ("MALFORMED",),
}
KEYS = tuple(f"key-{number}" for number in range(30))


class Fuzz(Vendor):
    """Left out is where the SDK departs from the specification: shares of a segment, and experiments' first
    arms, for contexts that lack the kind."""

    format: ClassVar[str] = "launchdarkly"

    def document(self, random: Random) -> dict[str, Any]:
        return _Document(random).whole()

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        weighted = any("weight" in rule for part in document["segments"].values() for rule in part["rules"])
        # What is no reference is found out before, or after, it is known whether there is such a kind.
        weighted = weighted or any(json.dumps(stray) in json.dumps(document) for stray in STRAYS)
        made = [_context(random) for _ in range(40)]
        return [
            {"kind": "user", **_part(random)} if weighted and not _is_user(given) else given for given in made
        ]

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        flags = {key: FeatureFlag(dict(flag)) for key, flag in document["flags"].items()}
        segments = {key: Segment(dict(segment)) for key, segment in document["segments"].items()}
        evaluator = Evaluator(flags.get, segments.get, lambda _: (None, None), logging.getLogger("quiet"))
        factory = EventFactory(with_reasons=True)
        return [
            {
                key: _answer(evaluator.evaluate(flag, _sdk_context(given), factory))
                for key, flag in flags.items()
            }
            for given in contexts
        ]

    def compare(self, decision: Decision, answer: Any) -> str | None:
        reason = answer["reason"]
        if str(decision.reason) not in REASONS[reason["kind"]]:
            return "the reason"
        if decision.metadata.get("prerequisite") != reason.get("prerequisiteKey"):
            return "the prerequisite"
        if "ruleIndex" in reason and decision.rule != (reason.get("ruleId") or str(reason["ruleIndex"])):
            return "the rule"
        if answer["index"] is None:
            return None if decision.variant is None else "the variation"
        if decision.variant != str(answer["index"]):
            return "the variation"
        if json.dumps(decision.value) != json.dumps(answer["value"]):
            return "the value"
        return None if (decision.experiment is not None) is answer["measured"] else "the experiment"


def _sdk_context(given: Mapping[str, Any]) -> SdkContext:
    made = SdkContext.from_dict(dict(given))
    if not made.valid:
        raise ValueError(made.error)
    return made


def _answer(result: Any) -> dict[str, Any]:
    detail = result.detail
    measured = bool(detail.reason.get("inExperiment"))
    told = {"value": detail.value, "measured": measured, "reason": detail.reason}
    return {"index": detail.variation_index, **told}


def _is_user(given: Mapping[str, Any]) -> bool:
    return given["kind"] == "user" or "user" in given


def _context(random: Random) -> dict[str, Any]:
    if random.random() < 0.6:
        return {"kind": random.choice(["user", "user", "org"]), **_part(random)}
    return {"kind": "multi", **{kind: _part(random) for kind in random.sample(KINDS, 2)}}


def _part(random: Random) -> dict[str, Any]:
    part: dict[str, Any] = {"key": random.choice(KEYS)}
    for name in random.sample(NAMES, random.randint(0, 6)):
        part[name] = random.choice(TEXTS) if name == "name" else _value(random)
    if random.random() < 0.3:
        part["anonymous"] = random.choice([True, False])
    return part


def _value(random: Random) -> Any:
    deep: tuple[Any, ...] = ({"city": "NL", "zip": {"code": 1}}, ["NL", 1], [], [True, "BE"], None)
    pool: Any = random.choice([TEXTS, TEXTS, NUMBERS, VERSIONS, INSTANTS, (True, False), deep])
    return random.choice(pool)


class _Document:
    """Flags and segments in the making."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._flags = [f"flag-{number}" for number in range(5)]
        self._segments = [f"segment-{number}" for number in range(4)]
        # What gives up on an evaluation and what comes to no variation are not told apart by whoever asks.
        self._circles = random.random() < 0.2
        self._strays = random.random() < 0.2
        self._beyond = not self._circles and not self._strays

    def whole(self) -> dict[str, Any]:
        return {
            "flags": {key: self._flag(key, number) for number, key in enumerate(self._flags)},
            "segments": {key: self._segment(key, number) for number, key in enumerate(self._segments)},
        }

    # -- flags ---------------------------------------------------------------------------------------

    def _flag(self, key: str, number: int) -> dict[str, Any]:
        random = self._random
        variations: list[Any] = random.choice(
            [[True, False], ["a", "b", "c"], [1, 2.5, None], [{"a": [1]}, {}]]
        )
        flag: dict[str, Any] = {
            "key": key,
            "version": 1,
            "on": random.random() < 0.9,
            "salt": random.choice(["salt", "", "ü"]),
            "variations": variations,
            "offVariation": random.choice([0, 1, 1, None, 9 if self._beyond else 0]),
            "prerequisites": [],
            "targets": [],
            "rules": [self._rule(index, len(variations)) for index in range(random.randint(0, 4))],
            "fallthrough": self._outcome(len(variations)),
        }
        # Of flags before this one mostly: now and then they go in circles, or to where there is no flag.
        asked = self._flags[:number] if random.random() < 0.85 else [*self._flags, "nowhere"]
        if asked and random.random() < 0.4:
            flag["prerequisites"] = [
                {"key": random.choice(asked), "variation": random.randint(0, 2)}
                for _ in range(random.randint(1, 2))
            ]
        if random.random() < 0.4:
            flag["targets"] = [self._target(len(variations)) for _ in range(2)]
        if random.random() < 0.3:
            user = {"contextKind": "user", "variation": random.choice([0, 1]), "values": []}
            flag["contextTargets"] = [
                random.choice([user, {"contextKind": random.choice(KINDS), **self._target(len(variations))}])
                for _ in range(2)
            ]
        return flag

    def _target(self, count: int) -> dict[str, Any]:
        keys = self._random.sample(KEYS, self._random.randint(1, 6))
        return {"values": keys, "variation": self._index(count)}

    def _index(self, count: int) -> int:
        return 7 if self._beyond and self._random.random() < 0.05 else self._random.randrange(count)

    def _rule(self, index: int, count: int) -> dict[str, Any]:
        rule = {"clauses": self._clauses(), **self._outcome(count)}
        return rule if self._random.random() < 0.3 else {"id": f"rule-{index}", **rule}

    def _outcome(self, count: int) -> dict[str, Any]:
        random = self._random
        if random.random() < 0.5:
            return {"variation": self._index(count)}
        rollout: dict[str, Any] = {"variations": self._weights(count)}
        if random.random() < 0.4:
            rollout["kind"] = "experiment"
        if random.random() < 0.4:
            rollout["seed"] = random.choice([0, 61, 12345])
        if random.random() < 0.4:
            rollout["contextKind"] = random.choice(KINDS)
        if random.random() < 0.4:
            rollout["bucketBy"] = random.choice(["key", "country", "age", "/address/city", "anonymous"])
            if self._strays and random.random() < 0.2:
                rollout |= {"contextKind": "user", "bucketBy": random.choice(STRAYS)}
        return {"rollout": rollout}

    def _weights(self, count: int) -> list[dict[str, Any]]:
        random = self._random
        weights = random.choice(
            [[50000, 50000], [100000], [33333, 33333, 33334], [10, 99990], [30000, 30000]]
        )
        arms = [{"variation": self._index(count), "weight": weight} for weight in weights]
        if random.random() < 0.3:
            arms[-1]["untracked"] = True
        return arms

    # -- clauses -------------------------------------------------------------------------------------

    def _clauses(self) -> list[dict[str, Any]]:
        return [self._clause() for _ in range(self._random.choice([0, 1, 1, 1, 2, 3]))]

    def _clause(self) -> dict[str, Any]:
        random = self._random
        if random.random() < 0.2:
            names = [random.choice([*self._segments, "nowhere"]) for _ in range(random.randint(1, 2))]
            clause: dict[str, Any] = {"attribute": "", "op": "segmentMatch", "values": names}
        else:
            attribute = random.choice([*NAMES, "key", "kind", "anonymous"])
            values = [_value(random) for _ in range(random.randint(1, 3))]
            clause = {"attribute": attribute, "op": random.choice(OPERATORS), "values": values}
            if clause["op"] == "matches":
                clause["values"] = [random.choice(PATTERNS) for _ in range(2)]
            if attribute == "key":
                clause["values"] = random.sample(KEYS, 4)
            if attribute == "kind":
                clause["values"] = [random.choice(KINDS)]
            if random.random() < 0.4:
                clause["contextKind"] = random.choice(KINDS)
                clause["attribute"] = random.choice([*REFERENCES, attribute])
            if self._strays and random.random() < 0.1:
                clause |= {"contextKind": "user", "attribute": random.choice(STRAYS)}
        if random.random() < 0.25:
            clause["negate"] = True
        return clause

    def _segment(self, key: str, number: int) -> dict[str, Any]:
        random = self._random
        segment: dict[str, Any] = {"key": key, "version": 1, "salt": random.choice(["salt", ""])}
        segment["included"] = random.sample(KEYS, random.choice([0, 0, 3]))
        segment["excluded"] = random.sample(KEYS, random.choice([0, 0, 3]))
        if random.random() < 0.3:
            segment["includedContexts"] = [
                {"contextKind": random.choice(KINDS), "values": random.sample(KEYS, 4)}
            ]
        if random.random() < 0.2:
            segment["excludedContexts"] = [
                {"contextKind": random.choice(KINDS), "values": random.sample(KEYS, 4)}
            ]
        segment["rules"] = [self._segment_rule(number) for _ in range(random.randint(0, 2))]
        if random.random() < 0.15:
            segment |= {"unbounded": True, "generation": random.choice([None, 1, 1])}
            segment["unboundedContextKind"] = random.choice([None, *KINDS])
        return segment

    def _segment_rule(self, number: int) -> dict[str, Any]:
        random = self._random
        rule: dict[str, Any] = {"clauses": self._clauses()}
        # To segments after this one: else they may go in circles.
        if not self._circles or random.random() < 0.5:
            for clause in rule["clauses"]:
                if clause["op"] == "segmentMatch":
                    clause["values"] = self._segments[number + 1 :][:1]
        if random.random() < 0.4:
            rule["weight"] = random.choice([0, 1, 50000, 100000])
            if random.random() < 0.5:
                rule["bucketBy"] = random.choice(["key", "country", "age"])
            if random.random() < 0.3:
                rule |= {"rolloutContextKind": "user", "bucketBy": random.choice([*REFERENCES, "key"])}
        return rule
