"""Flagsmith's segments as conditions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, items, key_of, path_of, table, unknown_fields

from .dialect import OPERATORS
from .properties import Asked, Properties

__all__ = ["NEVER", "Segments"]

NEVER: Mapping[str, Any] = {"any": []}

_CONDITION = frozenset(("property", "operator", "value"))
_TYPES = ("ALL", "ANY", "NONE")
_FIELDS = ("enabled", "value", "variant")


class Segments:
    """Translates the rules of segments; what people should know of them goes to ``warn``."""

    def __init__(
        self, properties: Properties, has_flag: Callable[[str], bool], warn: Callable[[Problem], object]
    ) -> None:
        self._properties = properties
        self._has_flag = has_flag
        self._warn = warn

    def condition(self, given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """The condition of a segment; one without rules never holds."""
        where = path_of(path, "rules")
        key, rules = str(given.get("key", "")), items(given.get("rules"), where)
        if not rules:
            return NEVER
        return {"all": [self._rule(rule, key, path_of(where, index)) for index, rule in enumerate(rules)]}

    def asks_for(self, given: Any) -> Iterator[str]:
        """The flags that rules ask for."""
        for rule in given if isinstance(given, list) else ():
            if isinstance(rule, Mapping):
                yield from self.asks_for(rule.get("rules"))
                for condition in rule.get("conditions") or ():
                    name = condition.get("property") if isinstance(condition, Mapping) else None
                    asked = self._properties.asked(name) if isinstance(name, str) else None
                    if asked is not None:
                        yield asked.flag

    def _rule(self, given: Any, key: str, path: str) -> Mapping[str, Any]:
        rule = table(given, path)
        kind = rule.get("type")
        if kind not in _TYPES:
            raise Unexpected(path_of(path, "type"), f"must be one of {', '.join(_TYPES)}")
        where, below = path_of(path, "conditions"), path_of(path, "rules")
        conditions = items(rule.get("conditions"), where)
        rules = items(rule.get("rules"), below)
        tests = [self._condition(part, key, path_of(where, at)) for at, part in enumerate(conditions)]
        nested = [self._rule(part, key, path_of(below, at)) for at, part in enumerate(rules)]
        return {"all": [_joined(kind, parts) for parts in (tests, nested) if parts]}

    def _condition(self, given: Any, key: str, path: str) -> Mapping[str, Any]:
        condition = table(given, path)
        for problem in unknown_fields(condition, _CONDITION, path):
            self._warn(problem)
        kind, value = key_of(condition, "operator", path), condition.get("value")
        name = condition.get("property") or ""
        if not isinstance(name, str):
            raise Unexpected(path_of(path, "property"), "must be text")
        if not self._properties.is_understood(name):
            self._warn(
                Problem(path_of(path, "property"), "is a path that is not read here; it finds nothing")
            )
        if kind == "PERCENTAGE_SPLIT":
            return self._split(name or "$.identity.key", value, key)
        made = self._test(kind, value, path)
        return NEVER if made is None else self._placed(name, *made)

    def _placed(self, name: str, op: str, operand: Any) -> Mapping[str, Any]:
        """The test of a property, or of what another flag is decided to be."""
        asked = self._properties.asked(name)
        if asked is None or not self._is_there(asked):
            return {"attribute": self._properties.subject(name), "op": f"flagsmith:{op}", "value": operand}
        leaf = {"attribute": asked.field, "op": f"flagsmith:{op}", "value": operand}
        return {"known": {"flag": asked.flag, "that": leaf}}

    def _is_there(self, asked: Asked) -> bool:
        return self._has_flag(asked.flag) and asked.field in _FIELDS

    def _test(self, kind: str, value: Any, path: str) -> tuple[str, Any] | None:
        """The operator and what it is given; None where nothing would hold."""
        if kind == "IN":
            return "in", _listed(value, path_of(path, "value"))
        if kind in ("IS_SET", "IS_NOT_SET"):
            return "set", kind == "IS_SET"
        op = kind.lower()
        if op not in OPERATORS or op == "set":
            self._warn(Problem(path_of(path, "operator"), f"is {kind!r}, which never holds"))
            return None
        operand = str(value)
        try:
            OPERATORS[op](operand)
        except ValueError as error:
            self._warn(Problem(path_of(path, "value"), f"never holds: {error}"))
            return None
        return op, operand

    def _split(self, name: str, value: Any, key: str) -> Mapping[str, Any]:
        try:
            share = float(value)
        except (TypeError, ValueError):
            return NEVER
        if not share >= 0:
            return NEVER
        drawn = {
            "hash": "md5_percent",
            "spread": "raw",
            "prefix": f"{key},",
            "unit": self._properties.unit(name),
        }
        stop = math.nextafter(min(share, 100.0), math.inf)
        return {"known": {"bucket": drawn, "ranges": [[0, stop]]}}


def _joined(kind: str, parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    if kind == "ALL":
        return {"all": parts}
    return {"any": parts} if kind == "ANY" else {"not": {"any": parts}}


def _listed(value: Any, path: str) -> list[str]:
    listed = value
    if isinstance(value, str):
        listed = _parsed(value) if value.startswith("[") else value.split(",")
    if not isinstance(listed, list):
        raise Unexpected(path, "must be text or a list")
    return [item if isinstance(item, str) else str(item) for item in listed]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.split(",")
