"""Tests, readers and draws that the engine writes in place, against the functions whose place they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pytest

from flagstaff import Client, Context
from flagstaff.core.schemes import Scheme
from flagstaff.formats import VENDORS, load
from flagstaff.formats.dialects import prepared, reader

DIALECTS = {name: import_module(f"flagstaff.formats.{name}.dialect") for name in VENDORS}


class Text(str):
    __slots__ = ()


OPERANDS: list[Any] = [
    "pro", "5", "", "^p", "4|3", "1.2.3", "1.2.3:semver", "2026-01-01T00:00:00Z", "true",
    5, 5.5, True, False, None,
    ["pro", "5"], ["pro", "free"], ["pro", 5, None, True], ["1.2.3"], ["10.0.0.0/8"], ["^p"], [],
    {"key": "layout", "count": 2}, {"$in": ["pro"]},
]  # fmt: skip
VALUES: list[Any] = [
    None, "", "pro", "Pro", "5", "05", "1.2.3", "1.2.4", "10.1.2.3", "2027-01-01T00:00:00Z", "true",
    5, 5.0, 5.5, 0, True, False, ["pro"], [5], [], {}, {"pro": 1}, Text("pro"), Text("5"),
]  # fmt: skip


def _accepted(names: Iterator[str], make: Any, given: list[Any]) -> Iterator[tuple[str, Any]]:
    for name in names:
        for argument in given:
            try:
                make(name, argument)
            except ValueError:
                continue
            yield name, argument


def _flag(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    variants = {"on": {"value": True, "enabled": True}, "off": {"value": False, "enabled": False}}
    return {"variants": variants, "default": "off", "rules": [rule]}


def _is_on(client: Client, flag: str, context: Context) -> bool:
    return client.decide(flag, context).variant == "on"


@pytest.mark.parametrize("vendor", [name for name in VENDORS if hasattr(DIALECTS[name], "OPERATORS")])
def test_a_test_that_is_written_in_place_answers_as_its_function_does(vendor: str) -> None:
    names = (f"{vendor}:{name}" for name in DIALECTS[vendor].OPERATORS)
    leaves = [*_accepted(names, prepared, OPERANDS)]
    flags = {}
    for index, (name, operand) in enumerate(leaves):
        leaf = {"attribute": "plan", "op": name, "value": operand}
        flags[f"holds {index}"] = _flag({"when": leaf, "serve": "on"})
        flags[f"fails {index}"] = _flag({"when": {"not": leaf}, "serve": "on"})
    with Client.from_document({"version": 1, "flags": flags}) as client:
        for index, (name, operand) in enumerate(leaves):
            test = prepared(name, operand).test
            for value in VALUES:
                context = Context("user-1", {"plan": value})
                wanted = _answer(test, value)
                said = f"{name} {operand!r} of {value!r}"
                assert _is_on(client, f"holds {index}", context) == (wanted is True), said
                assert _is_on(client, f"fails {index}", context) == (wanted is False), said


def _answer(test: Any, value: Any) -> bool | None:
    try:
        answer = test(value)
    except TypeError:  # unknown, as everything is that can't be worked out
        return None
    return None if answer is None else bool(answer)


ARGUMENTS: list[Any] = [
    None, "id", "plan", "userId", "sessionId", "production", "user", "org",
    {"name": "plan"}, {"name": "plan", "otherwise": "pro"}, {"name": "$.identity.key", "environment": "env"},
    {"name": "$.identity.identifier", "identifier": True},
    {"name": "$.identity.traits.plan", "trait": ["plan"]},
    ["user", ["key"]], ["user", ["plan"]], ["org", ["key"]], ["user", ["plan", "name"]],
    ["user", ["anonymous"]],
]  # fmt: skip
CONTEXTS = [
    Context(key, attributes)
    for key in ("user-1", "", Text("user-1"), 7, None)
    for attributes in (
        {},
        {"plan": "pro", "id": "other", "sessionId": "s-1", "userId": "u-2"},
        {"plan": "5", "id": None, "$flagsmith": {"key": "own"}, "$opt_bucketing_id": "bucketed"},
        {"plan": Text("pro"), "id": 7, "$flagsmith": {"key": ""}, "$opt_bucketing_id": 7},
        {"plan": "", "$.identity.key": "trait", "kind": "org"},
        {"plan": 5.0, "kind": "multi", "user": {"key": "u", "plan": "pro"}},
        {"plan": True, "kind": "user", "$.identity.key": None},
    )
]
RANDOM = ("unleash:random", "unleash:unit_or_random", "unleash:unit")
"""Readers that may draw anything for a context that has no unit."""


@pytest.mark.parametrize("vendor", [name for name in VENDORS if hasattr(DIALECTS[name], "READERS")])
def test_a_reader_that_is_written_in_place_reads_what_its_function_does(vendor: str) -> None:
    names = (f"{vendor}:{name}" for name in DIALECTS[vendor].READERS)
    read = [*_accepted(names, reader, ARGUMENTS)]
    flags = {}
    for index, (name, argument) in enumerate(read):
        subject = {"read": name, "of": argument}
        flags[f"there {index}"] = _flag(
            {"when": {"attribute": subject, "op": "exists", "value": True}, "serve": "on"}
        )
        flags[f"pro {index}"] = _flag(
            {"when": {"attribute": subject, "op": "eq", "value": "pro"}, "serve": "on"}
        )
        bucket = {"hash": "murmur3", "spread": "mod", "size": 7, "prefix": "salt", "unit": subject}
        for stop in (3, 7):
            arms = [{"variant": "on", "ranges": [[0, stop]]}]
            flags[f"drawn {stop} {index}"] = _flag({"draw": {"bucket": bucket, "arms": arms}})
            share = {"bucket": bucket, "ranges": [[0, stop]]}
            flags[f"in {stop} {index}"] = _flag({"when": share, "serve": "on"})
    with Client.from_document({"version": 1, "flags": flags}) as client:
        for index, (name, argument) in enumerate(read):
            for context in CONTEXTS:
                value = reader(name, argument).read(context)
                bare = Context(context.targeting_key)
                if name in RANDOM and {reader(name, argument).read(bare) for _ in range(9)} != {value}:
                    continue
                said = f"{name} of {argument!r} for {context!r}"
                assert _is_on(client, f"there {index}", context) == (value is not None), said
                assert _is_on(client, f"pro {index}", context) == (value == "pro"), said
                if not isinstance(value, str | None):  # no unit
                    continue
                number = None if value is None else Scheme("murmur3", "mod", 7).rank(f"salt{value}")
                for stop in (3, 7):
                    wanted = number is not None and number < stop
                    assert _is_on(client, f"drawn {stop} {index}", context) == wanted, said
                    assert _is_on(client, f"in {stop} {index}", context) == wanted, said


PLANS = [f"plan-{number}" for number in range(20)]


@pytest.mark.parametrize("size", [2, 3, 20])
def test_a_segment_decides_alike_however_long_it_is(size: int) -> None:
    either = {"any": [{"attribute": "plan", "op": "eq", "value": plan} for plan in PLANS[:size]]}
    pad = {"all": [{"attribute": "country", "op": "exists", "value": True}] * size}
    document: dict[str, Any] = {
        "version": 1,
        "segments": {
            "padded": {"all": [either, pad]},
            "plain": either,
            "nested": {"all": [{"segment": "plain"}]},
        },
        "flags": {
            f"{name} {time}": {"rules": [{"segment": name, "serve": "on"}]}
            for name in ("padded", "plain", "nested")
            for time in ("once", "again")
        },
    }
    plans: list[Any] = [*PLANS, None, 5, ["plan-0"], {}]
    with Client.from_document(document) as client:
        for plan in plans:
            context = Context("user-1", {"plan": plan, "country": "NL"})
            wanted = isinstance(plan, str) and plan in PLANS[:size]
            for flag in document["flags"]:
                assert client.enabled(flag, context) == wanted
                assert client.explain(flag, context).decision.enabled == wanted


def test_a_broken_alternative_is_met_before_those_that_follow_it() -> None:
    one = {"attribute": "plan", "op": "eq", "value": "pro"}
    items = [one, one, {"broken": "is broken"}, {**one, "value": "free"}, {**one, "value": "team"}]
    document = {"version": 1, "flags": {"layout": _flag({"when": {"any": items}, "serve": "on"})}}
    assert load(document).canonical
    with Client.from_document(document) as client:
        assert _is_on(client, "layout", Context("user-1", plan="pro"))
        assert client.decide("layout", Context("user-1", plan="free")).reason == "MALFORMED"
