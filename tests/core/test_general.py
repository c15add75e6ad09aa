"""Forms for other dialects: the engine against the same meaning, said again naively over plain data."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

import mmh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagstaff import Client, Context, RulesError
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load

Node = Mapping[str, Any]


class Answer(NamedTuple):
    variant: str | None
    value: Any
    enabled: bool
    reason: str
    rule: str | None = None
    experiment: str | None = None


class BrokenError(Exception):
    """Somebody got to something broken."""


class CircleError(BrokenError):
    """Flags went in circles, which breaks all that asked on the way."""


class Naive:
    """One document and one context: rules gone through one by one, as the reference pages tell it."""

    def __init__(self, document: Node, key: str | None, attributes: Node) -> None:
        self._flags = document["flags"]
        self._attributes = attributes
        self._key = key

    def decide(self, name: str, visited: tuple[str, ...] = ()) -> Answer:
        flag = self._flags[name]
        try:
            return self._decide(name, flag, visited)
        except CircleError:
            if visited:
                raise
            return Answer(None, None, False, "MALFORMED")
        except BrokenError:
            return Answer(None, None, False, "MALFORMED")

    def _decide(self, name: str, flag: Node, visited: tuple[str, ...]) -> Answer:
        if not flag["enabled"]:
            return self._answer(flag, flag["off"], "DISABLED")
        only_last, without_unit = False, False
        for index, rule in enumerate(flag["rules"]):
            if only_last and not rule.get("last"):
                continue
            if "when" in rule and self._holds(rule["when"], name, visited) is not True:
                continue
            if "broken" in rule:
                raise BrokenError
            served, lacks = self._outcome(rule)
            without_unit |= lacks
            if served is not None:
                return self._served(flag, rule, index, *served)
            if rule.get("miss") == "stop":
                break
            only_last |= rule.get("miss") == "last"
        reason = "DEFAULT" if flag["rules"] else "STATIC"
        return self._answer(flag, flag["default"], "TARGETING_KEY_MISSING" if without_unit else reason)

    def _served(self, flag: Node, rule: Node, index: int, variant: str | None, drawn: bool) -> Answer:
        static = index == 0 and "when" not in rule and not drawn
        reason = "SPLIT" if drawn else "STATIC" if static else "TARGETING_MATCH"
        answer = self._answer(flag, variant, rule.get("reason", reason))
        measured = variant is not None and "measure" in rule
        return answer._replace(
            rule=None if rule.get("anonymous") else rule["id"],
            experiment=rule["measure"]["experiment"] if measured else None,
        )

    def _answer(self, flag: Node, variant: str | None, reason: str) -> Answer:
        if variant is None:
            return Answer(None, None, False, reason)
        worth = flag["variants"][variant]
        return Answer(variant if worth.get("named", True) else None, worth["value"], worth["enabled"], reason)

    def _outcome(self, rule: Node) -> tuple[tuple[str | None, bool] | None, bool]:
        """What is served and whether by a draw, and whether a unit was lacking."""
        if "nothing" in rule:
            return (None, False), False
        if "serve" in rule:
            return (rule["serve"], False), False
        draw = rule["draw"]
        if self._key is None and "absent" not in draw:
            return None, True
        bucket = draw["absent"] if self._key is None else self._bucket(draw["bucket"])
        for arm in draw["arms"]:
            if any(low <= bucket < high for low, high in arm["ranges"]):
                return (arm["variant"], True), False
        return None, False

    def _bucket(self, scheme: Node) -> Any:
        data = f"{scheme.get('prefix', '')}{self._key}{scheme.get('suffix', '')}".encode()
        bits = 32
        if scheme["hash"] == "murmur3":
            number = mmh3.hash(data, scheme.get("seed", 0), signed=False)
        elif scheme["hash"] == "md5_32":
            number = int(hashlib.md5(data).hexdigest()[:8], 16)
        else:
            number, bits = int(hashlib.sha1(data).hexdigest()[:15], 16), 60
        if scheme["spread"] == "unit":
            return number / float(2**bits - 1)
        return number % scheme["size"] if scheme["spread"] == "mod" else number * scheme["size"] // 2**32

    def _holds(self, node: Node, asker: str, visited: tuple[str, ...]) -> bool | None:
        if "broken" in node:
            raise BrokenError
        if "attribute" in node:
            value = self._attributes.get(node["attribute"])
            return None if value is None else bool(value == node["value"])
        if "ranges" in node:
            if self._key is None:
                return None
            bucket = self._bucket(node["bucket"])
            return any(low <= bucket < high for low, high in node["ranges"])
        if "known" in node:
            return self._holds(node["known"], asker, visited) is True
        if "not" in node:
            answer = self._holds(node["not"], asker, visited)
            return None if answer is None else not answer
        return self._asked(node, asker, visited)

    def _asked(self, node: Node, asker: str, visited: tuple[str, ...]) -> bool | None:
        came_by = (*visited, asker)
        if node["flag"] in came_by:
            raise CircleError
        answer = self.decide(node["flag"], came_by)
        if answer.reason == "MALFORMED":
            return None
        told = {name: getattr(answer, name) for name in ("value", "variant", "enabled", "reason")}
        return Naive({"flags": {}}, None, told)._holds(node["that"], "", ())


class Writer:
    """Writes documents in which most things go together."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._names = ["one", "two", "three"]

    def document(self) -> dict[str, Any]:
        return {"version": 1, "flags": {name: self._flag(name) for name in self._names}}

    def contexts(self) -> Iterator[tuple[str | None, dict[str, Any]]]:
        for number in range(6):
            attributes = {
                name: self._random.choice(["x", "y"]) for name in "ab" if self._random.random() < 0.7
            }
            yield (None if number == 0 else f"user-{self._random.randrange(1000)}"), attributes

    def _flag(self, name: str) -> dict[str, Any]:
        random = self._random
        variants = {
            variant: {"value": random.choice([variant, None, 1, [variant]]), "enabled": random.random() < 0.5}
            | ({"named": False} if random.random() < 0.2 else {})
            for variant in ("a", "b", "c")
        }
        rules = [self._rule(name, str(index)) for index in range(random.randrange(6))]
        return {
            "enabled": random.random() < 0.95,
            "variants": variants,
            "default": random.choice(["a", None]),
            "off": random.choice(["b", None]),
            "rules": rules,
        }

    def _rule(self, flag: str, name: str) -> dict[str, Any]:
        random = self._random
        rule: dict[str, Any] = {"id": name} | self._outcome()
        if random.random() < 0.8:
            rule["when"] = self._condition(flag, 2)
        extras = {
            "reason": "HOLDOUT",
            "anonymous": True,
            "measure": {"experiment": f"{flag}-{name}"},
            "miss": random.choice(["next", "stop", "last"]),
            "last": True,
        }
        return rule | {key: value for key, value in extras.items() if random.random() < 0.25}

    def _outcome(self) -> dict[str, Any]:
        random = self._random
        match random.randrange(8):
            case 0:
                return {"nothing": True}
            case 1:
                return {"broken": "as it happens"}
            case 2 | 3:
                return {"serve": random.choice("abc")}
        scheme = self._scheme()
        draw: dict[str, Any] = {"bucket": scheme, "arms": list(self._arms(scheme))}
        if random.random() < 0.3:
            draw["absent"] = random.choice([0, 1])
        return {"draw": draw}

    def _arms(self, scheme: Node) -> Iterator[dict[str, Any]]:
        end = scheme.get("size", 1)
        bounds = sorted(self._random.uniform(0, 1) * end for _ in range(4))
        if scheme["spread"] != "unit":
            bounds = [round(bound) for bound in bounds]
        yield {"variant": "a", "ranges": [[0, bounds[0]]]}
        yield {"variant": "b", "ranges": [[bounds[0], bounds[1]], [bounds[2], bounds[3]]]}
        if self._random.random() < 0.5:
            yield {"variant": "c", "ranges": [[bounds[3], end + 1]]}

    def _scheme(self) -> dict[str, Any]:
        random = self._random
        schemes: list[dict[str, Any]] = [
            {"hash": "murmur3", "spread": "mod", "size": 100, "seed": random.choice([0, 86028157])},
            {"hash": "murmur3", "spread": "scale", "size": 10_000, "seed": 1},
            {"hash": "md5_32", "spread": "mod", "size": 10_000},
            {"hash": "sha1_60", "spread": "unit"},
        ]
        around: list[dict[str, Any]] = [
            {},
            {"prefix": "p:"},
            {"suffix": "-s"},
            {"prefix": "p.", "suffix": ".s"},
        ]
        return random.choice(schemes) | random.choice(around)

    def _condition(self, flag: str, depth: int) -> dict[str, Any]:
        random = self._random
        kind = random.randrange(8 if depth else 4)
        if kind < 2:
            return {"attribute": random.choice("ab"), "op": "eq", "value": "x"}
        if kind < 4:
            scheme = self._scheme()
            return {"bucket": scheme, "ranges": self._ranges(scheme)}
        if kind == 4:
            that: dict[str, Any] = random.choice(
                [
                    {"attribute": "variant", "op": "eq", "value": "a"},
                    {"attribute": "enabled", "op": "eq", "value": True},
                ]
            )
            return {"flag": random.choice(self._names), "that": that, "inside": flag}
        if kind == 5 and random.random() < 0.2:
            return {"broken": "as it happens"}
        return {random.choice(["known", "not"]): self._condition(flag, depth - 1)}

    def _ranges(self, scheme: Node) -> list[list[float]]:
        end = scheme.get("size", 1)
        low = self._random.choice([0, end / 4])
        return [[low, end * 3 / 4]] if scheme["spread"] == "unit" else [[int(low), end * 3 // 4]]


@settings(max_examples=400)
@given(st.integers(0, 10**9))
def test_the_engine_means_what_the_forms_say(seed: int) -> None:
    writer = Writer(Random(seed))
    document = writer.document()
    loaded = load(document)
    rules = Snapshot(loaded.rules, lambda: 0.0)
    again = Snapshot(load(loaded.canonical).rules, lambda: 0.0)
    for key, attributes in writer.contexts():
        naive, context = Naive(document, key, attributes), Context(key, attributes)
        for flag in document["flags"]:
            decision = rules.decide(flag, context)
            wanted = naive.decide(flag)
            assert (decision.variant, decision.value, decision.enabled) == wanted[:3]
            assert (str(decision.reason), decision.rule, decision.experiment) == wanted[3:]
            assert rules.explain(flag, context).decision == decision
            assert again.decide(flag, context) == decision


# -- what the caller's default is for ------------------------------------------------------------------------


def client(**flag: Any) -> Client:
    variants = {
        "bare": {"value": None, "enabled": True, "valued": False},
        "hidden": {"value": 7, "enabled": True, "named": False},
        "null": {"value": None, "enabled": True},
    }
    return Client.from_document(
        {"version": 1, "flags": {"f": {"variants": variants, "default": None, **flag}}}
    )


@pytest.mark.parametrize("default", [True, False])
def test_where_nothing_is_served_the_callers_default_is(default: bool) -> None:
    for flags in (client(), client(enabled=False, off=None), client(rules=[{"nothing": True}])):
        assert flags.enabled("f", default=default) is default
        assert flags.value("f", default="mine") == "mine"
        assert flags.value("f") is None
        assert flags.variant("f") is None
        decision = flags.decide("f", default=3)
        assert (decision.value, decision.variant, decision.error) == (3, None, None)


def test_digests_are_compared_with_digests_alone() -> None:
    program = """if True:
        from flagstaff import Client, Context
        arms = [{"variant": "a", "ranges": [[0.1, 0.3]]}, {"variant": "b", "ranges": [[0.5, 2]]}]
        draw = {"bucket": {"hash": "sha1_60", "spread": "unit"}, "arms": arms, "absent": 0.2}
        flag = {"variants": {"a": 1, "b": 2, "c": 3}, "default": "c", "rules": [{"draw": draw}]}
        client = Client.from_document({"version": 1, "flags": {"f": flag}})
        print({client.variant("f", Context(str(number))) for number in range(100)} == {"a", "b", "c"})
    """
    # Where Python is told to, it takes a comparison of bytes with anything else for an error.
    done = subprocess.run([sys.executable, "-bb", "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_variant_without_a_value_has_the_callers() -> None:
    flags = client(rules=[{"serve": "bare"}])
    decision = flags.decide("f", default={"a": 1})
    assert (decision.value, decision.variant, decision.enabled) == ({"a": 1}, "bare", True)
    assert flags.enabled("f")


def test_a_variant_may_keep_its_name_to_itself() -> None:
    decision = client(rules=[{"serve": "hidden"}]).decide("f", default=1)
    assert (decision.value, decision.variant, decision.enabled) == (7, None, True)


def test_a_value_that_is_null_is_of_no_type_but_its_own() -> None:
    flags = client(rules=[{"serve": "null"}])
    assert flags.decide("f").variant == "null"
    assert str(flags.decide("f", default=1).reason) == "TYPE_MISMATCH"


def test_an_override_reaches_variants_that_keep_their_name() -> None:
    flags = client()
    with flags.override({"f": "hidden"}):
        assert (flags.value("f", default=1), flags.variant("f")) == (7, "hidden")


# -- circles -----------------------------------------------------------------------------------------------


def circle(length: int, **last: Any) -> Snapshot:
    flags: dict[str, Any] = {}
    for number in range(length):
        asked = {"flag": f"f{(number + 1) % length}", "inside": f"f{number}"}
        flags[f"f{number}"] = {"rules": [{"when": asked, "serve": "on"}]}
    flags[f"f{length - 1}"]["rules"].insert(0, last or {"when": {"any": []}, "serve": "on"})
    return Snapshot(load({"version": 1, "flags": flags}).rules, lambda: 0.0)


def test_whoever_runs_into_a_circle_is_told_of_it() -> None:
    decision = circle(3).decide("f1", Context("u"))
    assert (str(decision.reason), decision.variant) == ("MALFORMED", None)
    assert decision.error == "flags go in circles: f1 -> f2 -> f0 -> f1"


def test_a_circle_that_somebody_leaves_is_none() -> None:
    decision = circle(3, serve="on").decide("f1", Context("u"))
    assert (str(decision.reason), decision.variant) == ("TARGETING_MATCH", "on")


def test_a_long_circle_ends() -> None:
    assert str(circle(2_000).decide("f0", Context("u")).reason) == "MALFORMED"


def test_a_circle_in_which_everybody_asks_everybody_ends() -> None:
    names = [f"f{number}" for number in range(24)]
    flags = {
        name: {
            "rules": [
                {
                    "when": {
                        "flag": other,
                        "that": {"attribute": "variant", "op": "eq", "value": "no"},
                        "inside": name,
                    },
                    "serve": "on",
                }
                for other in names[names.index(name) + 1 :]
            ]
        }
        for name in names
    }
    rules = Snapshot(load({"version": 1, "flags": flags}).rules, lambda: 0.0)
    assert str(rules.decide("f0", Context("u")).reason) == "MALFORMED"


def test_without_a_word_circles_are_a_fault() -> None:
    flags = {"a": {"rules": [{"when": {"flag": "b"}, "serve": "on"}]}, "b": {"gates": [{"flag": "a"}]}}
    with pytest.raises(RulesError, match="circle"):
        load({"version": 1, "flags": flags})


# -- what is refused -----------------------------------------------------------------------------------------

DRAW: dict[str, Any] = {"bucket": {"hash": "murmur3", "spread": "mod", "size": 100}, "arms": []}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two outcomes": ({"nothing": True, "serve": "a"}, "a rule says one of"),
    "two general outcomes": ({"nothing": True, "broken": "x"}, "a rule says one of"),
    "an unknown variant": ({"draw": DRAW | {"arms": [{"variant": "z", "ranges": []}]}}, "no such variant"),
    "no size": ({"draw": DRAW | {"bucket": {"hash": "murmur3", "spread": "mod"}}}, "says no size"),
    "a spread that can't be": (
        {"draw": DRAW | {"bucket": {"hash": "sha1_60", "spread": "scale", "size": 9}}},
        "can't",
    ),
    "an unknown operator": (
        {"serve": "a", "when": {"attribute": "x", "op": "nobody:eq", "value": 1}},
        "no such",
    ),
    "an unknown reader": (
        {"serve": "a", "when": {"attribute": {"read": "nobody:x", "of": 1}, "op": "eq", "value": 1}},
        "no such",
    ),
    "an unknown language": ({"compute": {"language": "nobody:x", "expression": 1}}, "no such"),
    "a bad unit": (
        {"serve": "a", "measure": {"experiment": "e", "unit": {"read": "nobody:x", "of": 1}}},
        "no such",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_go_together_is_told(name: str) -> None:
    rule, message = WRONG[name]
    flag = {"variants": {"a": {"value": 1}}, "default": None, "rules": [rule]}
    with pytest.raises(RulesError, match=message):
        load({"version": 1, "flags": {"f": flag}})
