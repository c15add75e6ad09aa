from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Child, Vendor

__all__ = ["Fuzz"]

NAMES = (
    "id",
    "country",
    "age",
    "version",
    "tags",
    "plan",
    "tags.0",
    "tags.length",
    "who.name",
    "targeting_key",
)
TEXTS = (
    "NL",
    "nl",
    "BE",
    "",
    "1",
    "10",
    "true",
    "null",
    "a,b",
    "é",
    "\U0001f600",
    "\uffff",
    "[object Object]",
)
NUMBERS = (0, 1, 2, -1, 1.0, 1.5, 10, 18, 1e21, 0.1)
VERSIONS = ("1.2.3", "1.2.3-beta.1", "v1.2", "1.10.0", "1.9.0+b", "2", "1.2.3.4", "x", "")
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    ["NL", "BE"],
    ["nl", 1],
    [1, 2],
    [None],
    {},
    {"name": "NL"},
    [{"name": "NL"}],
    [{"name": "BE", "kind": 1}, None, {"id": "user-3", "country": "NL"}],
    [["NL"], "NL", {"name": None, "tags": ["NL"]}],
)
PATTERNS = (
    "^N",
    "l$",
    "[0-9]+",
    "a|b",
    "N.",
    "\\d",
    "\\w+",
    "\\bNL\\b",
    "é",
    "(?:N)(L)?",
    "\\u00e9",
    "[",
    "a/b",
    "",
    "(?i)nl",
    "(?<n>N)",
    "(?P<n>N)",
    "[^]",
    "[]",
    "[[:alpha:]]",
    "[[.]",
    "^.$",
    "\\z|\\a",
    "\\x{2}|\\x4e",
)
KINDS = ("string", "number", "boolean", "array", "object", "null", "undefined")
ORDERS = ("$lt", "$lte", "$gt", "$gte")
VERSION_ORDERS = ("$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte")
GROUPS = ("g0", "g1", "typed", "asked", "circle", "broken", "missing")
USERS = tuple(f"user-{number}" for number in range(30))
KEYS = tuple(f"f{number}" for number in range(5))
EXPERIMENTS = ("e0", "e1", "f0", "f1")


class Fuzz(Vendor):
    """The SDK in JavaScript is the reference. What it assigns it does not keep: each context has its own."""

    format: ClassVar[str] = "growthbook"

    def __init__(self) -> None:
        self._child = Child("growthbook")

    def document(self, random: Random) -> dict[str, Any]:
        return _Document(random).whole()

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG002 - they suit any
        return [_context(random) for _ in range(40)]

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        answers: list[Answers] = self._child.ask({"document": document, "contexts": contexts})
        return answers

    def compare(self, decision: Decision, answer: Any) -> str | None:
        if "raised" in answer:
            return None
        if answer["source"] == "cyclicPrerequisite":
            return None if decision.reason == "MALFORMED" and decision.value is None else "circle"
        if not _same(decision.value, answer["value"]) or decision.enabled is not answer["on"]:
            return "value"
        if (decision.rule or "") != answer["ruleId"]:
            return "rule"
        told = decision.variant if decision.experiment is not None else None
        if told != answer["variation"]:
            return "variation"
        hashed = None if decision.experiment is None else decision._exposed is not None
        return None if hashed is answer["hashUsed"] else "exposed"

    def close(self) -> None:
        self._child.close()


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _value(random: Random) -> Any:
    return random.choice(random.choice([TEXTS, TEXTS, NUMBERS, VERSIONS, VALUES]))


def _context(random: Random) -> dict[str, Any]:
    attributes = {
        name: _value(random) for name in ("country", "age", "version", "tags", "plan", "targeting_key")
    }
    for name in random.sample([*attributes], random.randint(0, 4)):
        del attributes[name]
    if random.random() < 0.3:
        attributes["who"] = random.choice([{"name": _value(random)}, "NL", None, ["x"]])
    if random.random() < 0.95:
        attributes["id"] = random.choice([*USERS, *USERS, 7, 0, 1.5, True, "", "é", "\U0001f600"])
    found: dict[str, Any] = {"attributes": attributes}
    if random.random() < 0.1:
        query = random.choice(["e0=1", "e0=9", "e1=x", "f0=0&e1=1", "e0=1.7", "e0", "x=1?e0=1", "e0=1#e1=1"])
        found["url"] = f"https://shop.test/?{query}"
    if random.random() < 0.1:
        found["forcedVariations"] = {random.choice(EXPERIMENTS): random.choice([0, 1, 1, 2, 9, -1])}
    if random.random() < 0.3:
        found["stickyBucketAssignmentDocs"] = _sticky(random, attributes)
    if random.random() < 0.05:
        found["qaMode"] = True
    if random.random() < 0.05:
        found["enabled"] = False
    return found


def _sticky(random: Random, attributes: Mapping[str, Any]) -> dict[str, Any]:
    docs = {}
    for name in ("id", "country"):
        value = attributes.get(name)
        if isinstance(value, str) and random.random() < 0.7:
            keys = [f"{key}__{version}" for key in EXPERIMENTS for version in (0, 1, 2)]
            given = {
                key: random.choice(["v0", "v1", "control", "0", "1", "x"]) for key in random.sample(keys, 5)
            }
            docs[f"{name}||{value}"] = {"attributeName": name, "attributeValue": value, "assignments": given}
    return docs


class _Document:
    """A document in the making."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def whole(self) -> dict[str, Any]:
        bandits = {"cb": {"banditVersion": 3, "contexts": [self._leaf(index) for index in range(3)]}}
        return {
            "features": {key: self._feature() for key in KEYS},
            "savedGroups": {
                "g0": [*TEXTS[:3], 1],
                "g1": [*USERS[:15]],
                "typed": {"type": "list", "attributeKey": "id", "values": [*USERS[10:]]},
                "asked": {"type": "condition", "condition": self._condition(1)},
                "circle": {"type": "condition", "condition": {"$savedGroup": {"id": "circle"}}},
                "broken": 7,
            },
            "contextualBandits": bandits,
        }

    def _leaf(self, index: int) -> dict[str, Any]:
        weights = self._random.choice([[1, 0], [0.5, 0.5], [0.2, 0.8], [0.2, 0.3, 0.5]])
        return {"leafId": index, "condition": self._condition(1), "weights": weights}

    def _feature(self) -> dict[str, Any]:
        random = self._random
        rules = [self._rule(index) for index in range(random.randint(0, 4))]
        plain = {"rules": rules} if random.random() < 0.95 else {}
        return {"defaultValue": self._worth(), **plain} if random.random() < 0.9 else plain

    def _worth(self) -> Any:
        return self._random.choice([True, False, "a", "b", "", 0, 1, 2.5, None, {"a": 1}, [], [1]])

    def _rule(self, index: int) -> dict[str, Any]:
        random = self._random
        rule: dict[str, Any] = {"id": f"r{index}"} if random.random() < 0.6 else {}
        if random.random() < 0.5:
            rule["condition"] = self._condition(2)
        if random.random() < 0.2:
            rule["parentConditions"] = [self._parent() for _ in range(random.randint(1, 2))]
        if random.random() < 0.15:
            rule["filters"] = [self._filter() for _ in range(random.randint(0, 2))]
        if random.random() < 0.3:
            rule["hashAttribute"] = random.choice(["id", "country", "missing", ""])
        if random.random() < 0.5:
            rule["hashVersion"] = random.choice([1, 2, 2, 2, 3, 0])
        if random.random() < 0.3:
            rule["seed"] = random.choice(["", "s", "é"])
        if random.random() < 0.5:
            rule["coverage"] = random.choice([0, 0.1, 0.5, 0.5, 0.999, 1, 1.5, -0.2])
        rule |= self._stickiness()
        return rule | (self._forced() if random.random() < 0.45 else self._experiment())

    def _stickiness(self) -> dict[str, Any]:
        random = self._random
        made: dict[str, Any] = {
            "fallbackAttribute": random.choice(["id", "country", "plan"]),
            "disableStickyBucketing": random.random() < 0.2,
            "bucketVersion": random.choice([0, 1, 1, 2]),
            "minBucketVersion": random.choice([0, 0, 1, 2]),
        }
        return {name: value for name, value in made.items() if random.random() < 0.3}

    def _forced(self) -> dict[str, Any]:
        random = self._random
        found: dict[str, Any] = {"force": self._worth()}
        if random.random() < 0.3:
            found["range"] = self._range()
        return found

    def _experiment(self) -> dict[str, Any]:
        random = self._random
        count = random.choice([1, 2, 2, 2, 3])
        found: dict[str, Any] = {"variations": [self._worth() for _ in range(count)]}
        if random.random() < 0.15:
            found = {
                "contextualVariations": found["variations"],
                "contextualBanditRef": random.choice(["cb", "cb", "no"]),
            }
        if random.random() < 0.6:
            found["key"] = random.choice(EXPERIMENTS)
        if random.random() < 0.4:
            found["weights"] = random.choice(
                [[0.5, 0.5], [0.1, 0.9], [0.3, 0.3], [0.1, 0.2, 0.7], [1, 0], []]
            )
        if random.random() < 0.2:
            found["ranges"] = [self._range() for _ in range(count)]
        if random.random() < 0.2:
            found["namespace"] = ["ns", *self._range()]
        if random.random() < 0.4:
            found["meta"] = [self._meta(index) for index in range(count)]
        return found

    def _meta(self, index: int) -> dict[str, Any]:
        random = self._random
        key = {"key": random.choice([f"v{index}", "control", str(index)])} if random.random() < 0.7 else {}
        return {**key, "passthrough": True} if random.random() < 0.2 else key

    def _range(self) -> list[float]:
        random = self._random
        return sorted(random.choice([0, 1, 0.5, 0.333, random.random()]) for _ in range(2))

    def _filter(self) -> dict[str, Any]:
        random = self._random
        found: dict[str, Any] = {"seed": "f", "ranges": [self._range() for _ in range(random.randint(0, 2))]}
        if random.random() < 0.3:
            found["attribute"] = random.choice(["id", "country"])
        if random.random() < 0.3:
            found["hashVersion"] = random.choice([1, 2, 3])
        return found

    def _parent(self) -> dict[str, Any]:
        random = self._random
        inner = {"value": self._test(1)} if random.random() < 0.9 else self._condition(1)
        found: dict[str, Any] = {"id": random.choice([*KEYS, "missing"]), "condition": inner}
        return {**found, "gate": True} if random.random() < 0.5 else found

    # -- conditions ----------------------------------------------------------------------------------

    def _condition(self, depth: int) -> dict[str, Any]:
        random = self._random
        found: dict[str, Any] = {}
        for _ in range(random.choice([0, 1, 1, 1, 2])):
            kind = random.random()
            if depth > 0 and kind < 0.25:
                operator = random.choice(["$or", "$and", "$nor"])
                found[operator] = [self._condition(depth - 1) for _ in range(random.randint(0, 2))]
            elif depth > 0 and kind < 0.35:
                found["$not"] = self._condition(depth - 1)
            elif kind < 0.42:
                group: dict[str, Any] = {"id": random.choice(GROUPS)}
                found["$savedGroup"] = (
                    {**group, "attributeKey": "country"} if random.random() < 0.3 else group
                )
            else:
                found[random.choice(NAMES)] = self._test(depth)
        return found

    def _test(self, depth: int) -> Any:
        random = self._random
        if random.random() < 0.35:
            return _value(random)
        return dict(self._operator(depth) for _ in range(random.choice([1, 1, 1, 2])))

    def _operator(self, depth: int) -> tuple[str, Any]:
        random = self._random
        plain = [
            self._equality,
            self._order,
            self._version,
            self._member,
            self._member,
            self._kind,
            self._pattern,
        ]
        nested = [self._list, self._nested, self._nested] if depth > 0 else []
        return random.choice([*plain, *nested])(depth - 1)

    def _equality(self, _depth: int) -> tuple[str, Any]:
        return self._random.choice(["$eq", "$ne"]), _value(self._random)

    def _order(self, _depth: int) -> tuple[str, Any]:
        return self._random.choice(ORDERS), _value(self._random)

    def _version(self, _depth: int) -> tuple[str, Any]:
        return self._random.choice(VERSION_ORDERS), self._random.choice(VERSIONS)

    def _member(self, _depth: int) -> tuple[str, Any]:
        random = self._random
        if random.random() < 0.3:
            return random.choice(["$inGroup", "$notInGroup"]), random.choice(GROUPS)
        operand = [_value(random) for _ in range(random.randint(0, 3))]
        return random.choice(["$in", "$nin", "$ini", "$nini"]), operand if random.random() < 0.95 else "NL"

    def _kind(self, _depth: int) -> tuple[str, Any]:
        random = self._random
        exists = "$exists", random.choice([True, False, 1, 0])
        return exists if random.random() < 0.5 else ("$type", random.choice(KINDS))

    def _pattern(self, _depth: int) -> tuple[str, Any]:
        return self._random.choice(["$regex", "$regexi"]), self._random.choice(PATTERNS)

    def _list(self, depth: int) -> tuple[str, Any]:
        random = self._random
        kind = random.random()
        if kind < 0.4:
            return random.choice(["$all", "$alli"]), [self._test(0) for _ in range(random.randint(0, 2))]
        if kind < 0.7:
            return "$elemMatch", self._of_element(depth)
        return random.choice(["$elemMatch", "$size"]), self._test(depth)

    def _of_element(self, depth: int) -> dict[str, Any]:
        """A condition on the fields of one element of a list."""
        found: dict[str, Any] = {self._random.choice(["name", "kind", "tags.0", "id"]): self._test(depth)}
        if self._random.random() < 0.3:
            found["$savedGroup"] = {"id": self._random.choice(GROUPS), "attributeKey": "name"}
        return found | self._condition(depth) if self._random.random() < 0.4 else found

    def _nested(self, depth: int) -> tuple[str, Any]:
        return self._random.choice(["$not", "$not", "$strange"]), self._test(depth)
