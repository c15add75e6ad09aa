"""Unleash's constraints as conditions.

Unleash's engine writes a flag's strategies out as one line of a small language and compiles that. What
doesn't compile, say an operator that it doesn't know, turns the whole flag off: here, ``Uncompilable``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, items, key_of, path_of, table, unknown_fields
from flagstaff.formats.rust import rust_pattern

from .values import instant, version

__all__ = ["NEVER", "Constraints", "Uncompilable", "all_of", "any_of", "quoted"]

NEVER: Mapping[str, Any] = {"any": []}
"""The condition that never holds."""

_KNOWN = frozenset({"contextName", "operator", "values", "value", "inverted", "caseInsensitive"})

_TEXT_TESTS = {"STR_CONTAINS": "contains", "STR_STARTS_WITH": "starts_with", "STR_ENDS_WITH": "ends_with"}
_ORDERS = {
    **{f"NUM_{name}": name.lower() for name in ("EQ", "GT", "GTE", "LT", "LTE")},
    **{f"SEMVER_{name}": name.lower() for name in ("EQ", "GT", "GTE", "LT", "LTE")},
    "DATE_AFTER": "gt",
    "DATE_BEFORE": "lt",
}
_FAMILIES = {"NUM": "num", "SEMVER": "semver", "DATE": "date"}

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{3})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class Uncompilable(Exception):  # noqa: N818 - a finding, not a fault of the program
    """The flag is off for everybody, as Unleash's engine can't compile it."""


def quoted(written: str, path: str, *, escaped: bool = True) -> str:
    """The text, if it can stand between the quotes of Unleash's language."""
    if written.endswith("\\") or (not escaped and '"' in written):
        raise Uncompilable(f"{path} has a quote or a last backslash, which Unleash can't compile")
    return written


def all_of(conditions: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """All of them, in as few words as it takes."""
    return conditions[0] if len(conditions) == 1 else {"all": conditions}


def any_of(conditions: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Any of them, in as few words as it takes."""
    return conditions[0] if len(conditions) == 1 else {"any": conditions}


class Constraints:
    """Translates constraints; what people should know of them goes to ``warn``.

    ``said`` are the fields of the context that the service has said once.
    """

    def __init__(self, said: Mapping[str, str], warn: Callable[[Problem], object]) -> None:
        self._said = said
        self._warn = warn

    def conditions(self, given: Any, path: str) -> Iterator[Mapping[str, Any]]:
        """The condition of each constraint in a list."""
        for index, constraint in enumerate(items(given, path)):
            where = path_of(path, index)
            yield self._condition(table(constraint, where), where)

    def subject(self, name: str) -> Any:
        """Where the value of a field or a property is found."""
        if name in self._said:
            return {"read": "unleash:field", "of": {"name": name, "otherwise": self._said[name]}}
        if name == "userId":
            return "targeting_key"
        if name == "targeting_key" or not is_name(name):
            return {"read": "unleash:attribute", "of": name}
        return name

    def _condition(self, given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        for problem in unknown_fields(given, _KNOWN, path):
            self._warn(problem)
        name = quoted(key_of(given, "contextName", path), path_of(path, "contextName"), escaped=False)
        kind, inverted = key_of(given, "operator", path), _flag(given, "inverted", path)
        if kind.startswith("SEMVER_") and kind in _ORDERS and _value(given, path).startswith("v"):
            self._warn(Problem(path_of(path, "value"), "has a v before the version, so nothing ever holds"))
            return NEVER
        made = self._test(name, kind, given, path)
        return {"not": made} if inverted != (kind == "NOT_IN") else made

    def _test(self, name: str, kind: str, given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        folded = "_ignoring_case" if _flag(given, "caseInsensitive", path) else ""
        if kind in ("IN", "NOT_IN"):
            return self._leaf(name, "in", _texts(given, path))
        if kind in _TEXT_TESTS:
            return self._leaf(name, _TEXT_TESTS[kind] + folded, _some(_texts(given, path), path))
        if kind == "IN_CIDR":
            return self._leaf(name, "in_cidr", _some(_texts(given, path), path))
        if kind == "REGEX":
            return self._regex(name, _value(given, path), bool(folded), path)
        if kind in _ORDERS:
            return self._order(name, kind, _value(given, path), path)
        raise Uncompilable(f"{path_of(path, 'operator')} is {kind!r}, which Unleash doesn't know")

    def _leaf(self, name: str, op: str, operand: Any) -> Mapping[str, Any]:
        return {"attribute": self.subject(name), "op": f"unleash:{op}", "value": operand}

    def _regex(self, name: str, pattern: str, folded: bool, path: str) -> Mapping[str, Any]:
        quoted(pattern, path_of(path, "value"))
        pattern = f"(?i){pattern}" if folded else pattern
        try:
            rust_pattern(pattern)
        except ValueError as error:
            self._warn(Problem(path_of(path, "value"), f"matches nothing: {error}"))
            return NEVER
        return self._leaf(name, "regex", pattern)

    def _order(self, name: str, kind: str, value: str, path: str) -> Mapping[str, Any]:
        where, order = path_of(path, "value"), _ORDERS[kind]
        family, written = _FAMILIES[kind.partition("_")[0]], value.strip(" \t\r\n")
        compared = _family(written)
        if compared is None:
            raise Uncompilable(f"{where} is {value!r}, which Unleash can't compare with")
        if compared != family:
            self._warn(Problem(where, f"looks like a {_NOUNS[compared]}, and is compared as one"))
        leaf = self._leaf(name, f"{compared}_{order}", written)
        if name == "currentTime" and compared == "date":
            return {"any": [leaf, {"all": [_absent(name), {"time": _window(order, written)}]}]}
        return leaf


_NOUNS = {"num": "number", "semver": "version", "date": "point in time"}


def _family(written: str) -> str | None:
    """What a text looks like: that is what it is compared as, whatever the operator."""
    if _DATE.fullmatch(written):
        return "date" if instant(written) is not None else None
    if version(written) is not None:
        return "semver"
    return "num" if _NUMBER.fullmatch(written) else None


def _absent(name: str) -> Mapping[str, Any]:
    return {"attribute": name, "op": "exists", "value": False}


def _window(order: str, written: str) -> Mapping[str, str]:
    """The window of time in which it is after, or before, a point in time."""
    moment = _FIRST + timedelta(microseconds=(instant(written) or 0) // 1000)
    later = moment + timedelta(microseconds=1)
    ends = {"gt": ("start", later), "gte": ("start", moment), "lt": ("end", moment), "lte": ("end", later)}
    end, bound = ends.get(order, ("end", _FIRST))
    return {end: bound.isoformat()}


def _texts(given: Mapping[str, Any], path: str) -> list[str]:
    where = path_of(path, "values")
    found = items(given.get("values"), where)
    if not all(isinstance(item, str) for item in found):
        raise Unexpected(where, "must be a list of texts")
    return [quoted(item, where) for item in found]


def _some(found: list[str], path: str) -> list[str]:
    if not found:
        raise Uncompilable(f"{path_of(path, 'values')} is empty, which Unleash can't compile")
    return found


def _value(given: Mapping[str, Any], path: str) -> str:
    value = given.get("value")
    if value is not None and not isinstance(value, str):
        raise Unexpected(path_of(path, "value"), "must be text")
    return value or ""


def _flag(given: Mapping[str, Any], field: str, path: str) -> bool:
    value = given.get(field)
    if value is not None and not isinstance(value, bool):
        raise Unexpected(path_of(path, field), "must be true or false")
    return value is True
