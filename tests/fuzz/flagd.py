"""@openfeature/flagd-core, which OpenFeature's providers for JavaScript share, asked at random.

It runs as its interpreter does (``disableDynamicCodeGeneration``), like flagd itself. Not asked for is where
it gives up in the middle of a targeting, say because a text is compared with a number, which in flagd and in
JsonLogic's own suite is simply false; nor what it hashes beyond ASCII, which it takes for UTF-16; nor what it
draws by null, in whose place flagd has the flag and the targeting key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Child, Vendor

__all__ = ["Fuzz"]

_ARMS = ("a", "b", "c", "d")
_TEXTS = ("NL", "BE", "pro", "free", "", "x@example.com", "y@example.org", "Zoë", "7", "1e2", " 7 ", "0")
_NUMBERS = (0, 1, 2, 7, -3, 18, 100, 0.5, 2.25, 1e21)
_VERSIONS = (
    *("1.0.0", "1.2.3", "v1.2.3", "1.2", "2", "1.2.3-a", "1.2.3-a.1", "1.2.3-1", "1.2.3+b", "01.2.3"),
    *("1.2.3.4", "1.2.3-01", "10.0.0", "2.0.0-rc.1", "1.2.3-", "V2.0.0", "x", "99999999999999999.0.0"),
)
_ANY = (*_NUMBERS, True, False, "7", None)
_SIGNS = ("=", "!=", "<", "<=", ">", ">=", "^", "~", "==")
_COMPARISONS = ("==", "!=", "===", "!==", "<", "<=", ">", ">=")
_NAMES = ("country", "plan", "email")
_COUNTS = ("age", "score")


class Fuzz(Vendor):
    format: ClassVar[str] = "flagd"

    def __init__(self) -> None:
        self._child = Child("flagd")

    # -- documents ------------------------------------------------------------------------------------------

    def document(self, random: Random) -> dict[str, Any]:
        evaluators = {f"e{number}": self._condition(random, 2) for number in range(2)}
        flags = {f"f{number}": self._flag(random) for number in range(5)}
        return {"flags": flags, "$evaluators": evaluators, "metadata": {"set": "s", "shared": 1}}

    def _flag(self, random: Random) -> dict[str, Any]:
        made: dict[str, Any] = {
            "state": "ENABLED" if random.random() < 0.95 else "DISABLED",
            "variants": {name: f"value {name}" for name in (*_ARMS, "true", "false", "7")},
            "targeting": {} if random.random() < 0.1 else self._targeting(random, 3),
        }
        if random.random() < 0.8:
            made["defaultVariant"] = random.choice((*_ARMS, None))
        if random.random() < 0.3:
            made["metadata"] = {"shared": random.choice((2, "two", True))}
        return made

    def _targeting(self, random: Random, depth: int) -> Any:
        kind = random.random()
        if not depth or kind < 0.1:
            return random.choice((*_ARMS, None, True, 7, "missing"))
        if kind < 0.5:
            parts = [
                part
                for _ in range(random.choice((1, 1, 2, 5)))
                for part in (self._condition(random, depth), self._targeting(random, depth - 1))
            ]
            last = [self._targeting(random, depth - 1)] if random.random() < 0.7 else []
            return {random.choice(("if", "if", "?:")): [*parts, *last]}
        if kind < 0.8:
            return self._fractional(random)
        return self._condition(random, depth)

    def _fractional(self, random: Random) -> Any:
        known: tuple[list[Any], ...] = ([], [], [{"var": "email"}], [{"cat": ["seed", {"var": "plan"}]}])
        odd: tuple[list[Any], ...] = (["seed"], [{"var": "any"}], [{"var": "roles"}], [{"var": "user"}])
        by = random.choice((*known, *odd))
        arms = [self._arm(random) for _ in range(random.choice((1, 2, 3, 4)))]
        return {"fractional": [*by, *arms]}

    def _arm(self, random: Random) -> list[Any]:
        chosen = {"if": [self._condition(random, 1), "a", "b"]}
        inner = {"fractional": [[{"var": "plan"}, 1], ["b"], ["c", 2]]}
        name = random.choice((*_ARMS, *_ARMS, {"var": "plan"}, chosen, inner, True, None))
        weights = (0, 1, 10, 25, 50, 100, -5, 2**30, 25.5, {"var": "age"}, {"if": [{"var": "plan"}, 10, 90]})
        return [name] if random.random() < 0.2 else [name, random.choice(weights)]

    def _condition(self, random: Random, depth: int) -> Any:
        if depth and random.random() < 0.35:
            return self._joined(random, depth - 1)
        text, count = {"var": random.choice(_NAMES)}, {"var": random.choice(_COUNTS)}
        made = [
            {random.choice(_COMPARISONS): self._shuffled(random, text, random.choice(_TEXTS))},
            {random.choice(_COMPARISONS): self._shuffled(random, count, random.choice(_NUMBERS))},
            {random.choice(_COMPARISONS[4:]): [0, self._number(random, depth), random.choice(_NUMBERS)]},
            {random.choice(_COMPARISONS): [self._number(random, depth), random.choice(_NUMBERS)]},
            {random.choice(_COMPARISONS): [{"var": "any"}, random.choice(_ANY)]},
            {"in": [text, random.sample(_TEXTS, 3)]},
            {"in": [{"var": "any"}, [7, "7", True, 1, None, "NL"]]},
            {"in": [random.choice(("a", "e", "@example", "")), text]},
            {random.choice(("starts_with", "ends_with")): [text, random.choice((*_TEXTS, 7, ".org"))]},
            {"sem_ver": [{"var": "version"}, random.choice(_SIGNS), random.choice(_VERSIONS)]},
            {"sem_ver": [random.choice(_VERSIONS), random.choice(_SIGNS), {"var": "version"}]},
            {"sem_ver": [{"var": "version"}, {"var": "sign"}, *random.choice((["1.2.3"], [], ["1", "2"]))]},
            {random.choice(("starts_with", "ends_with")): random.choice(([text], [text, "N", "L"], "NL"))},
            {random.choice(("!", "!!")): [text]},
            {"!!": {"var": "user.beta"}},
            {"==": [{"var": "$flagd.flagKey"}, random.choice(("f0", "f1"))]},
            {">": [{"var": "$flagd.timestamp"}, random.choice((0, 2**40))]},
            {"$ref": random.choice(("e0", "e1"))} if depth > 2 else text,
            {"missing": random.sample((*_NAMES, *_COUNTS, "user.beta", "user.name"), 2)},
            {"missing_some": [random.choice((1, 2)), ["country", "plan", "age"]]},
            {random.choice(("some", "all", "none")): [{"var": "roles"}, {"in": [{"var": ""}, ["a", "b"]]}]},
            {"===": [self._text(random), random.choice(("NL7", "pro", "ro", "x@e", "fre", ""))]},
        ]
        return random.choice(made)

    def _joined(self, random: Random, depth: int) -> Any:
        if random.random() < 0.3:
            return {random.choice(("!", "!!")): [{"and": [self._condition(random, depth), True]}]}
        parts = [self._condition(random, depth) for _ in range(random.choice((1, 2, 3)))]
        return {random.choice(("and", "or")): parts}

    def _shuffled(self, random: Random, one: Any, other: Any) -> list[Any]:
        return [one, other] if random.random() < 0.7 else [other, one]

    def _number(self, random: Random, depth: int) -> Any:
        count: Any = {"var": random.choice(_COUNTS)}
        if depth and random.random() < 0.5:
            count = self._number(random, depth - 1)
        lists, both = {"var": "scores"}, [{"var": "accumulator"}, {"var": "current"}]
        made = [
            {random.choice("+-*/%"): [count, random.choice((1, 2, 7, 0.5, "3"))]},
            {random.choice("+-*"): [random.choice((1, 2, "7")), count]},
            {random.choice(("max", "min")): [{"+": [count, 0]}, 5, 7]},
            {"reduce": [lists, {"+": both}, 1]},
            {"reduce": [{"filter": [lists, {">": [{"var": ""}, 3]}]}, {"max": both}, 0]},
            {"reduce": [{"map": [lists, {"*": [{"var": ""}, 2]}]}, {"-": both}, 0]},
            {"var": ["scores.1", 4]},
        ]
        return random.choice(made)

    def _text(self, random: Random) -> Any:
        text, first = {"var": [random.choice(_NAMES), "x"]}, random.choice((0, 1, -2, 3, -9))
        made = [
            {"cat": [text, random.choice(("", "7", 7, {"var": "age"}))]},
            {"substr": [text, first]},
            {"substr": [text, first, random.choice((1, 3, -1, 0))]},
            {"cat": {"merge": [[text], {"var": "roles"}]}},
        ]
        return random.choice(made)

    # -- contexts --------------------------------------------------------------------------------------------

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG002
        return [self._context(random) for _ in range(30)]

    def _context(self, random: Random) -> dict[str, Any]:
        made: dict[str, Any] = {
            "targetingKey": random.choice((f"u{random.randrange(999)}", "", "k" * 40)),
            "country": random.choice(_TEXTS),
            "plan": random.choice(("pro", "free", "7", "a")),
            "email": f"{random.randrange(99)}{random.choice(('@example.com', '@example.org'))}",
            "age": random.choice(_NUMBERS),
            "score": random.choice(_NUMBERS),
            "version": random.choice((*_VERSIONS, 1, 1.2, True)),
            "any": random.choice((*_NUMBERS, "7", "NL", True, False)),
            "sign": random.choice(_SIGNS),
            "user": {"beta": random.choice((True, False)), "name": "n"},
            "roles": random.sample(("a", "b", "c"), random.randrange(4)),
            "scores": [random.choice((1, 2.5, 7, 40)) for _ in range(random.randrange(4))],
        }
        needed = ("roles", "scores", "email", "plan", "user", "any")
        return {name: value for name, value in made.items() if name in needed or random.random() < 0.9}

    # -- answers ------------------------------------------------------------------------------------------

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Any]) -> list[Answers]:
        if not all(flag.get("variants") for flag in document["flags"].values()):
            raise RuntimeError("flagd's schema refuses it")
        answers: Any = self._child.ask({"document": document, "contexts": contexts})
        if isinstance(answers, dict):
            raise RuntimeError(answers["refused"])
        said: list[Answers] = answers
        return said

    def default(self, document: Mapping[str, Any], flag: str) -> Any:  # noqa: ARG002
        return "caller"

    def compare(self, decision: Decision, answer: Any) -> str | None:
        if answer["errorCode"] == "GENERAL" and decision.reason != "GENERAL":
            return None  # it gave up
        code = answer["errorCode"]
        wanted = {"reason": {"PARSE_ERROR": "MALFORMED"}.get(code, code) or answer["reason"]}
        for name, expected in {**wanted, "variant": answer["variant"], "value": answer["value"]}.items():
            if getattr(decision, name) != expected:
                return f"{name} is not {expected!r}"
        if decision.error is None and dict(decision.metadata) != answer["metadata"]:
            return f"metadata is not {answer['metadata']}"
        return None

    def close(self) -> None:
        self._child.close()
