"""What a rules document means, said a second time: naively, over plain dicts, with nothing of the engine's.

It reads the canonical form and follows the specification sentence by sentence; speed is no concern of it.
The engine's tests hold the engine to it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import mmh3

__all__ = ["Answer", "Reference"]

Node = Mapping[str, Any]


class Answer(NamedTuple):
    """What a decision says, less the sentences for people."""

    variant: str | None
    value: Any
    enabled: bool
    reason: str
    rule: str | None = None
    experiment: str | None = None


class Reference:
    """One question: a document, a context (targeting key and attributes) and a point in time."""

    def __init__(self, document: Node, key: Any, attributes: Any, now: float) -> None:
        self._document = document
        self._key = key
        self._attributes = attributes
        self._now = now

    # -- flags ---------------------------------------------------------------------------------------

    def decide(self, name: str) -> Answer:
        flag = self._document.get("flags", {}).get(name)
        if flag is None:
            return Answer(None, None, False, "FLAG_NOT_FOUND")
        if not flag.get("enabled", True):
            return _answer(flag, flag["off"], "DISABLED")
        gates, pins, rules = flag.get("gates", []), flag.get("pins", {}), flag.get("rules", [])
        if not all(self._holds(gate) is True for gate in gates):
            return _answer(flag, flag["off"], "PREREQUISITE_FAILED")
        unit = self._unit("targeting_key")
        if unit in pins:
            return _answer(flag, pins[unit], "TARGETING_MATCH")
        units_missed: list[Node] = []
        for rule in rules:
            if "when" in rule and self._holds(rule["when"]) is not True:
                continue
            served = self._serve(name, flag, rule, units_missed)
            if served is not None:
                anyone = rule is rules[0] and "when" not in rule and not gates and not pins
                plain = served.reason == "TARGETING_MATCH" and self._is_plain(rule)
                return served._replace(reason="STATIC") if anyone and plain else served
        if units_missed:
            return _answer(flag, flag["default"], "TARGETING_KEY_MISSING")
        return _answer(flag, flag["default"], "DEFAULT" if rules or gates or pins else "STATIC")

    def _is_plain(self, rule: Node) -> bool:
        if "experiment" not in rule:
            return True
        return bool(self._document["experiments"][rule["experiment"]]["status"] == "decided")

    def _serve(self, name: str, flag: Node, rule: Node, missed: list[Any]) -> Answer | None:
        if "experiment" in rule:
            experiment = self._document["experiments"][rule["experiment"]]
            return self._experiment(rule["experiment"], experiment, flag, rule, missed)
        if "serve" in rule and "rollout" not in rule:
            return _answer(flag, rule["serve"], "TARGETING_MATCH", rule["id"])
        unit = self._unit(rule.get("unit", "targeting_key"))
        if unit is None:
            missed.append(rule)
            return None
        salt = rule.get("salt") or flag.get("salt") or name
        if "serve" in rule:
            taken = self._rolled_out(rule["rollout"], salt, unit)
            return _answer(flag, rule["serve"], "SPLIT", rule["id"]) if taken else None
        if "rollout" in rule and not self._rolled_out(rule["rollout"], f"{salt}:traffic", unit):
            return None
        return _answer(flag, _arm(rule["split"], salt, unit), "SPLIT", rule["id"])

    def _rolled_out(self, rollout: Any, salt: str, unit: str) -> bool:
        if not isinstance(rollout, list):
            return _drawn(salt, unit, [[0, rollout]])
        begun = [step["percent"] for step in rollout if _instant(step["at"]) <= _moment(self._now)]
        return bool(begun) and _drawn(salt, unit, [[0, begun[-1]]])

    # -- experiments -----------------------------------------------------------------------------------

    def _experiment(
        self, name: str, experiment: Node, flag: Node, rule: Node, missed: list[Any]
    ) -> Answer | None:
        status, rule_id = experiment["status"], rule["id"]
        if status == "decided":
            return _answer(flag, experiment["winner"], "TARGETING_MATCH", rule_id)
        if status in ("draft", "stopped"):
            return None
        unit = self._unit(experiment.get("unit", "targeting_key"))
        if unit in experiment.get("pins", {}):
            return _answer(flag, experiment["pins"][unit], "TARGETING_MATCH", rule_id)
        if status == "qa":
            return None
        if unit is None:
            missed.append(rule)
            return None
        for holdout, spec in self._document.get("holdouts", {}).items():
            if name in spec["experiments"] and _drawn(spec.get("salt") or holdout, unit, [[0, spec["size"]]]):
                return _answer(flag, flag["default"], "HOLDOUT", rule_id)
        salt = experiment.get("salt") or name
        if not self._takes_part(experiment, salt, unit):
            return None
        return _answer(flag, _arm(experiment["split"], salt, unit), "SPLIT", rule_id, name)

    def _takes_part(self, experiment: Node, salt: str, unit: str) -> bool:
        if "layer" not in experiment:
            return _drawn(f"{salt}:traffic", unit, [[0, experiment["traffic"]]])
        layer = self._document["layers"][experiment["layer"]]
        return _drawn(layer.get("salt") or experiment["layer"], unit, experiment["slots"])

    # -- conditions: True, False, or None for unknown --------------------------------------------------

    def _holds(self, node: Node) -> bool | None:
        if "attribute" in node:
            return self._leaf(node)
        if "segment" in node:
            return self._holds(self._document["segments"][node["segment"]])
        if "flag" in node:
            return self._prerequisite(node)
        if "bucket" in node:
            unit = self._unit(node["bucket"].get("unit", "targeting_key"))
            return None if unit is None else _drawn(node["bucket"]["salt"], unit, node["in"])
        if "time" in node:
            start, end = node["time"].get("start"), node["time"].get("end")
            begun = start is None or _instant(start) <= _moment(self._now)
            return begun and (end is None or _moment(self._now) < _instant(end))
        if "not" in node:
            return _negated(self._holds(node["not"]))
        if "all" in node:
            return _conjunction(self._holds(item) for item in node["all"])
        return _negated(_conjunction(_negated(self._holds(item)) for item in node["any"]))

    def _prerequisite(self, node: Node) -> bool | None:
        answer = self.decide(node["flag"])
        if answer.reason in ("FLAG_NOT_FOUND", "MALFORMED", "GENERAL"):
            return None
        if "variant" in node and answer.variant not in node["variant"]:
            return False
        return "enabled" not in node or answer.enabled is node["enabled"]

    def _leaf(self, node: Node) -> bool | None:
        known: bool | None = None
        with suppress(Exception):  # a hostile value can't be looked at, so nothing is known of it
            known = _OPERATORS[node["op"]](self._value(node["attribute"]), node["value"])
        return known

    # -- values ----------------------------------------------------------------------------------------

    def _value(self, path: Any) -> Any:
        names = [path] if isinstance(path, str) else path
        if names == ["targeting_key"]:
            return self._key
        value = self._attributes
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def _unit(self, path: Any) -> str | None:
        with suppress(Exception):  # a hostile value is no unit, and neither is an int beyond Python's limit
            value = self._value(path)
            if isinstance(value, str):
                return str.__str__(value) or None
            if isinstance(value, int) and not isinstance(value, bool):
                return int.__str__(value)
        return None


def _answer(
    flag: Node, variant: str, reason: str, rule: str | None = None, experiment: str | None = None
) -> Answer:
    worth = flag["variants"][variant]
    return Answer(variant, worth["value"], worth["enabled"], reason, rule, experiment)


# -- draws ---------------------------------------------------------------------------------------------


def _bucket(salt: str, unit: str) -> int:
    return mmh3.mmh3_32_uintdigest(f"{salt}:{unit}".encode("utf-8", "surrogatepass"), 0) * 100_000 // 2**32


def _bound(percent: float) -> Fraction:
    return Fraction(str(percent)) * 1000


def _drawn(salt: str, unit: str, ranges: Iterable[Any]) -> bool:
    return any(_bound(low) <= _bucket(salt, unit) < _bound(high) for low, high in ranges)


def _arm(split: Iterable[Node], salt: str, unit: str) -> str:
    end = Fraction(0)
    for part in split:
        end += _bound(part["weight"])
        if _bucket(salt, unit) < end:
            return str(part["variant"])
    raise AssertionError("the weights of a split sum to 100")


# -- logic ---------------------------------------------------------------------------------------------


def _negated(known: bool | None) -> bool | None:
    return None if known is None else not known


def _conjunction(items: Iterable[bool | None]) -> bool | None:
    known = list(items)
    if False in known:
        return False
    return None if None in known else True


# -- operators -----------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_short(value: Any) -> bool:
    """Whether a value is text that is read as a version, an address or a point in time at all."""
    return isinstance(value, str) and len(value) <= 256


def _alike(value: Any, operand: Any) -> bool:
    """Whether two values are of one kind and equal."""
    for kind in (bool, str):
        if isinstance(value, kind) or isinstance(operand, kind):
            return isinstance(value, kind) and isinstance(operand, kind) and value == operand
    return bool(value == operand)


def _in(value: Any, operands: list[Any]) -> bool | None:
    if not isinstance(value, str | int | float):
        return None
    return any(_alike(value, operand) for operand in operands)


def _contains(value: Any, operand: Any) -> bool | None:
    operands = operand if isinstance(operand, list) else [operand]
    if isinstance(value, str):
        texts = [item for item in operands if isinstance(item, str)]
        return any(text in value for text in texts) if texts else None
    if isinstance(value, list | tuple | set | frozenset):
        return any(_in(item, operands) is True for item in value)
    return None


def _affix(value: Any, operand: Any, at_end: bool) -> bool | None:
    if not isinstance(value, str):
        return None
    operands = operand if isinstance(operand, list) else [operand]
    return any(value.endswith(text) if at_end else value.startswith(text) for text in operands)


def _ordered(value: Any, operand: Any) -> int | None:
    if not _is_number(value) or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value > operand) - int(value < operand)


def _cidr(value: Any, operand: Any) -> bool | None:
    if not _is_short(value):
        return None
    address: Any = ip_address(value)
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(text) for text in (operand if isinstance(operand, list) else [operand]))


_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)


def _versions(value: Any, operand: Any) -> int | None:
    """Order two versions by Semantic Versioning 2.0.0, section 11, point by point."""
    if not _is_short(value) or not (left := _version(value)) or not (right := _version(operand)):
        return None
    if left[:3] != right[:3]:
        return 1 if left[:3] > right[:3] else -1
    ours, theirs = left[3], right[3]
    if not ours or not theirs:
        return int(not ours) - int(not theirs)
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            return _identifiers(mine, other)
    return (len(ours) > len(theirs)) - (len(ours) < len(theirs))


def _version(text: str) -> tuple[int, int, int, list[str]] | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    parts = match[4].split(".") if match[4] else []
    numeric = [match[1], match[2], match[3], *(part for part in parts if part.isdigit())]
    if "" in parts or any(len(number) > 1 and number[0] == "0" for number in numeric):
        return None
    return int(match[1]), int(match[2]), int(match[3]), parts


def _identifiers(mine: str, other: str) -> int:
    if mine.isdigit() and other.isdigit():
        return 1 if int(mine) > int(other) else -1
    if mine.isdigit() != other.isdigit():
        return -1 if mine.isdigit() else 1
    return 1 if mine > other else -1


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]([01]\d|2[0-3]):(\d\d):(\d\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


def _instant(text: str) -> timedelta:
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    fields = [int(part) for part in match.groups()[:6]]
    local = datetime(*fields, microsecond=int((match[7] or "")[:6].ljust(6, "0")), tzinfo=UTC)  # type: ignore[misc,arg-type]
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
    return local - _EPOCH + (offset if match[8] == "-" else -offset)


def _moment(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _times(value: Any, operand: str) -> int | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        left = value - _EPOCH
    elif _is_short(value):
        left = _instant(value)
    else:
        return None
    right = _instant(operand)
    return (left > right) - (left < right)


def _found(value: Any, operand: str) -> bool | None:
    return re.search(operand, value, re.ASCII) is not None if isinstance(value, str) else None


def _when(order: Any, signs: tuple[int, ...]) -> Any:
    def test(value: Any, operand: Any) -> bool | None:
        sign = order(value, operand)
        return None if sign is None else sign in signs

    return test


_OPERATORS: dict[str, Any] = {
    "eq": lambda value, operand: _in(value, [operand]),
    "ne": lambda value, operand: _negated(_in(value, [operand])),
    "in": _in,
    "not_in": lambda value, operand: _negated(_in(value, operand)),
    "lt": _when(_ordered, (-1,)),
    "le": _when(_ordered, (-1, 0)),
    "gt": _when(_ordered, (1,)),
    "ge": _when(_ordered, (0, 1)),
    "contains": _contains,
    "starts_with": lambda value, operand: _affix(value, operand, at_end=False),
    "ends_with": lambda value, operand: _affix(value, operand, at_end=True),
    "matches": _found,
    "semver_eq": _when(_versions, (0,)),
    "semver_ne": _when(_versions, (-1, 1)),
    "semver_lt": _when(_versions, (-1,)),
    "semver_le": _when(_versions, (-1, 0)),
    "semver_gt": _when(_versions, (1,)),
    "semver_ge": _when(_versions, (0, 1)),
    "before": _when(_times, (-1,)),
    "after": _when(_times, (1,)),
    "in_cidr": _cidr,
    "exists": lambda value, operand: (value is not None) is operand,
}
