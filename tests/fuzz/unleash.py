"""Unleash's own engine, which its SDKs share, asked at random."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from yggdrasil_engine.engine import UnleashEngine

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Vendor

__all__ = ["Fuzz"]

_FIELDS = ("userId", "sessionId", "environment", "appName", "currentTime", "remoteAddress")
_PROPERTIES = ("country", "version", "age", "born", "email", "ip", "tenant", "targeting_key", "a.b")
_FLAGS = ("f0", "f1", "f2", "f3", "f4")
_PLAIN = ("IN", "NOT_IN")
_PARTS = ("STR_CONTAINS", "STR_STARTS_WITH", "STR_ENDS_WITH")
_NUMBERS = ("NUM_EQ", "NUM_GT", "NUM_GTE", "NUM_LT", "NUM_LTE")
_VERSIONS = ("SEMVER_EQ", "SEMVER_GT", "SEMVER_GTE", "SEMVER_LT", "SEMVER_LTE")
_DATES = ("DATE_AFTER", "DATE_BEFORE")

_TEXTS = [
    *("NL", "nl", "BE", "é", "É", "straße", "STRASSE", "a,b", " a ", "", "x y", 'q"q', "b\\c", "日本", "😀"),
    *("7", "7.0", "007", "true", "None", "İ", "ß", "\u03a3", "\u03c2", "line\nfeed"),
]
_DIGITS = [
    *("0", "7", "7.0", "7.5", "-3", "+7", "1e2", "1E2", "007", ".5", "5.", "inf", "NaN", "-0", "1e400"),
    *("9007199254740993", "x", "", " 7", "7 ", "0x7", "1_0"),
]
_SEMVERS = [
    *("1.0.0", "1.2.3", "1.2.3-a", "1.2.3-a.1", "1.2.3-a.b", "1.2.3-1", "1.2.3+b", "2.0.0", "10.0.0"),
    *("v1.2.3", "1.2", "01.2.3", "1.2.3-01", "18446744073709551616.0.0", "1.2.3-rc.1+5", "1.2.3-A", ""),
]
_MOMENTS = [
    *("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.001Z"),
    *("2024-01-01T02:00:00+02:00", "2023-12-31T23:59:59-05:00", "2024-06-01T12:00:00Z"),
    *("2024-02-30T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z"),
    *("2024-01-01T00:00:00.5Z", "2024-06-01t12:00:00z", "soon"),
]
_ADDRESSES = [
    *("10.0.0.1", "10.0.1.1", "10.0.0.300", "::1", "::ffff:10.0.0.1", "2001:db8::1", "fe80::1%eth0"),
    *(" 10.0.0.1", "10.0.0.01", ""),
]
_NETWORKS = [
    *("10.0.0.0/24", "10.0.0.1", "10.0.0.7/16", "::/0", "0.0.0.0/0", "2001:db8::/32"),
    *("::ffff:10.0.0.0/120", "10.0.0.0/33", "10.0.0.0/0", "x", ""),
    *("10.0.0.0/255.255.255.0", "10.0.0.0/0.0.255.255"),
]
_PATTERNS = [
    *("^N", "[a-z]+$", "N|B", "(?i)nl", "n(?i)L", "a.b", r"\d+", r"^\w+$", "(?=x)", r"(a)\1", "("),
    *("[[:alpha:]]{2}", "", "^$", "x{2,}", r"\.", "É", "[^a]", r"\bNL\b", "a{2}{3}", "*", "(?:)", "é|ß"),
    *(r"\x41", "(?P<n>N)", r"^\W+$", r"\s", r"\S\s\S", r"[\w]{3}", r"é\b"),
]
_SHARES = [
    *("0", "1", "25", "50", "50", "75", "100", "100", "99.9", "101", "+50", "050", "", "x", "-1"),
]
_STICKY = [
    *("default", "default", "default", "userId", "sessionId", "tenant", "appName", "remoteAddress"),
    *("targeting_key", ""),
]
_STRATEGIES = [
    *("default", "flexibleRollout", "flexibleRollout", "flexibleRollout", "userWithId", "remoteAddress"),
    *("gradualRolloutUserId", "gradualRolloutSessionId", "gradualRolloutRandom", "custom"),
]


class Fuzz(Vendor):
    format: ClassVar[str] = "unleash"

    # -- documents --------------------------------------------------------------------------------------

    def document(self, random: Random) -> dict[str, Any]:
        segments = [
            {"id": number, "name": f"s{number}", "constraints": self._constraints(random, 2)}
            for number in range(1, 4)
        ]
        features = [self._feature(random, name) for name in _FLAGS]
        return {"version": 2, "features": features, "segments": segments}

    def _feature(self, random: Random, name: str) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name, "enabled": random.random() < 0.95}
        made["strategies"] = [self._strategy(random) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3)))]
        if random.random() < 0.5:
            made["variants"] = self._variants(random, overrides=True)
        if random.random() < 0.3:
            made["dependencies"] = [
                self._dependency(random, name) for _ in range(random.choice((0, 1, 1, 2)))
            ]
        if random.random() < 0.3:
            made["impressionData"] = random.random() < 0.5
        return made

    def _dependency(self, random: Random, name: str) -> dict[str, Any]:
        others = [other for other in _FLAGS if other != name]
        made: dict[str, Any] = {"feature": random.choice([*others, *others, "missing"])}
        if random.random() < 0.5:
            made["enabled"] = random.choice((True, True, False, None))
        if random.random() < 0.5:
            made["variants"] = random.choice(([], ["A"], ["A", "B"], ["C", "disabled"], None))
        return made

    def _strategy(self, random: Random) -> dict[str, Any]:
        name = random.choice(_STRATEGIES)
        made: dict[str, Any] = {"name": name, "parameters": self._parameters(random, name)}
        if random.random() < 0.6:
            made["constraints"] = self._constraints(random, 3)
        if random.random() < 0.2:
            made["segments"] = random.sample((1, 2, 3, 3, 9), random.choice((0, 1, 1, 2)))
        if random.random() < 0.4 and made["parameters"].get("stickiness") != "random":
            made["variants"] = self._variants(random, overrides=random.random() < 0.1)
        return made

    def _parameters(self, random: Random, name: str) -> dict[str, Any]:
        share = random.choice(_SHARES)
        group = random.choice(("g", "g", "f0", "", "x:y", 'q"q', "é"))
        match name:
            case "flexibleRollout":
                sticky = random.choice(_STICKY)
                if random.random() < 0.1:  # all or nobody, as everything else is drawn anew
                    sticky, share = "random", random.choice(("0", "100"))
                made = {"rollout": share, "stickiness": sticky, "groupId": group}
                return {name: value for name, value in made.items() if random.random() < 0.93}
            case "gradualRolloutUserId" | "gradualRolloutSessionId":
                made = {"percentage": share, "groupId": group}
                return {name: value for name, value in made.items() if random.random() < 0.95}
            case "gradualRolloutRandom":
                return {"percentage": random.choice(("0", "100", "", "200"))}
            case "userWithId":
                return {"userIds": random.choice(("u1", "u1, u2 ,u3", "", "7", "é,u4", 'q"q', "a b"))}
            case "remoteAddress":
                return {"IPs": ", ".join(random.sample(_NETWORKS, random.choice((0, 1, 2, 3))))}
        return {"stickiness": random.choice(("default", "userId"))} if random.random() < 0.3 else {}

    def _constraints(self, random: Random, most: int) -> list[dict[str, Any]]:
        return [self._constraint(random) for _ in range(random.randint(0, most))]

    def _constraint(self, random: Random) -> dict[str, Any]:
        name, kind, operand = self._test(random)
        made: dict[str, Any] = {"contextName": name, "operator": kind, **operand}
        if random.random() < 0.03:  # without what it compares with, or with both
            del made[random.choice([*operand])]
        elif random.random() < 0.03:
            made |= {"value": random.choice(_TEXTS), "values": ["NL", "7"]}
        for field in ("inverted", "caseInsensitive"):
            if random.random() < 0.3:
                made[field] = random.random() < 0.7
        return made

    def _test(self, random: Random) -> tuple[str, str, dict[str, Any]]:
        def any_of(*names: str) -> str:
            return random.choice(names)

        def some(texts: Sequence[str]) -> dict[str, Any]:
            return {"values": random.sample(texts, random.choice((1, 1, 2, 3, 5)))}

        def one(texts: Sequence[str], sound: int = 0) -> dict[str, Any]:
            return {"value": random.choice([*texts[:sound], *texts])}

        if random.random() < 0.03:
            return "country", any_of("WHATEVER", "STR_CONTAINS", "IN_CIDR"), {"values": []}
        if random.random() < 0.03:
            kind = any_of(*_NUMBERS, *_VERSIONS, *_DATES)
            return any_of("age", "version", "born"), kind, one([*_DIGITS, *_SEMVERS, *_MOMENTS])
        users = ["u1", "u2", "u3", "7", "é", ""]
        tests: list[Callable[[], tuple[str, str, dict[str, Any]]]] = [
            lambda: (any_of("userId", "sessionId", "appName"), any_of(*_PLAIN), some(users)),
            lambda: (any_of("country", "environment", "a.b", "targeting_key"), any_of(*_PLAIN), some(_TEXTS)),
            lambda: (any_of("country", "email", "userId"), any_of(*_PARTS), some(_TEXTS)),
            lambda: ("age", any_of(*_NUMBERS), one(_DIGITS, 9)),
            lambda: ("version", any_of(*_VERSIONS), one(_SEMVERS, 9)),
            lambda: (any_of("born", "currentTime"), any_of(*_DATES), one(_MOMENTS, 6)),
            lambda: (any_of("ip", "remoteAddress"), "IN_CIDR", some(_NETWORKS)),
            lambda: (any_of("country", "email"), "REGEX", one(_PATTERNS)),
        ]
        return random.choice(tests)()

    def _variants(self, random: Random, *, overrides: bool) -> list[dict[str, Any]]:
        made = [self._variant(random, overrides) for _ in range(random.choice((0, 1, 2, 3, 4)))]
        # Weights that come to nothing crash the engine.
        return made if not made or sum(variant["weight"] for variant in made) else []

    def _variant(self, random: Random, overrides: bool) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": random.choice("ABCD"),
            "weight": random.choice((0, 1, 1, 333, 334, 1000)),
        }
        if random.random() < 0.6:
            made["stickiness"] = random.choice(("default", "userId", "sessionId"))
        if random.random() < 0.6:
            made["payload"] = random.choice(_PAYLOADS)
        if overrides and random.random() < 0.3:
            values = random.sample(("u1", "u2", "7", "NL", "é"), 2)
            made["overrides"] = [{"contextName": random.choice(("userId", "country")), "values": values}]
        return made

    # -- contexts ---------------------------------------------------------------------------------------

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:
        # Without anything to go by, draws are random.
        known = _sticks_to(document) != {"default"}
        return [self._context(random, known) for _ in range(60)]

    def _context(self, random: Random, known: bool) -> dict[str, Any]:
        user = random.choice(("u1", "u2", "u3", "7", "é", "", f"user-{random.randint(0, 10**6)}"))
        made: dict[str, Any] = {
            "userId": user,
            "sessionId": random.choice(("s1", "s2", "", f"s-{random.random()}")),
        }
        if not known and random.random() < 0.15:
            del made["userId"]
        choices = {"environment": _TEXTS, "appName": ["u1", "shop"], "remoteAddress": _ADDRESSES}
        for name, values in {**choices, "currentTime": _MOMENTS[:6]}.items():
            if random.random() < 0.8:
                made[name] = random.choice(values)
        made["properties"] = self._properties(random)
        return made

    def _properties(self, random: Random) -> dict[str, Any]:
        values = dict.fromkeys(_PROPERTIES, _TEXTS)
        values |= {"version": _SEMVERS, "age": _DIGITS, "born": _MOMENTS, "ip": _ADDRESSES}
        made: dict[str, Any] = {
            name: random.choice(values[name]) for name in _PROPERTIES if random.random() < 0.75
        }
        if random.random() < 0.1:
            made["age"] = random.choice((7, 7.5, -3, 0, 10**15))
        return made

    # -- answers ----------------------------------------------------------------------------------------

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        if any("sessionId" not in given for given in contexts):
            raise ValueError("some draws would be random")
        engine = UnleashEngine()
        engine.take_state(json.dumps(document))
        return [{name: self._answer(engine, name, given) for name in _names(document)} for given in contexts]

    def _answer(self, engine: UnleashEngine, name: str, given: Mapping[str, Any]) -> Any:
        toggle = engine.check_enabled(name, {**given})
        if not toggle.is_found:
            raise ValueError("the engine has refused the document, or fails of it")
        variant = engine.check_variant(name, {**given}).variant
        return toggle.is_enabled, variant.name if variant.enabled else None, variant.payload

    def compare(self, decision: Decision, answer: Any) -> str | None:
        enabled, name, payload = answer
        if decision.enabled is not enabled:
            return "enabled"
        if decision.variant != name:
            return "variant"
        worth = decision.value if payload else None
        return None if worth == _worth(payload) else "value"


_PAYLOADS = (
    {"type": "string", "value": "x"},
    {"type": "string", "value": ""},
    {"type": "csv", "value": "a,b"},
    {"type": "number", "value": "1.5"},
    {"type": "json", "value": '{"a": [1, null]}'},
)


def _worth(payload: Mapping[str, str] | None) -> Any:
    if not payload:
        return None
    return json.loads(payload["value"]) if payload["type"] in ("json", "number") else payload["value"]


def _sticks_to(document: Mapping[str, Any]) -> set[str]:
    """By what variants are drawn."""
    found = {"default"}
    for feature in document["features"]:
        found |= {variant.get("stickiness", "default") for variant in feature.get("variants", [])[:1]}
        for strategy in feature["strategies"]:
            if strategy.get("variants"):
                found.add(strategy["parameters"].get("stickiness", "default"))
    return found


def _names(document: Mapping[str, Any]) -> list[str]:
    return [feature["name"] for feature in document["features"]]
