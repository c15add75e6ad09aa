"""When an allocation is open to a subject: Eppo's rules, and its window of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flagstaff.core.conditions import parse_instant
from flagstaff.errors import Problem
from flagstaff.formats.dialects import prepared
from flagstaff.formats.foreign import Unexpected, is_name, items, key_of, path_of, table, unknown_fields

from .dialect import OPERATORS
from .pieces import tables

__all__ = ["Conditions"]

_RULE = frozenset(("conditions",))
_CONDITION = frozenset(("attribute", "operator", "value"))
_NEVER: Mapping[str, Any] = {"any": []}
_A_MOMENT = timedelta(microseconds=1)


class Conditions:
    """Reads them; ``warn`` is told of those that never hold."""

    def __init__(self, warn: Callable[[Problem], None]) -> None:
        self._warn = warn

    def when(self, allocation: Mapping[str, Any], path: str) -> list[Any]:
        """What must hold, as native conditions. Unexpected."""
        made = [*self._window(allocation, path)]
        rules = [
            self._rule(rule, at)
            for at, rule in (tables(allocation, "rules", path) if "rules" in allocation else ())
        ]
        if rules:
            made.append(rules[0] if len(rules) == 1 else {"any": rules})
        return made

    def _window(self, allocation: Mapping[str, Any], path: str) -> list[Any]:
        start, end = (self._instant(allocation, name, path) for name in ("startAt", "endAt"))
        if start is not None and end is not None and start > end:
            return [_NEVER]
        made = {} if start is None else {"start": _written(start)}
        if end is not None:  # which belongs to it
            made["end"] = _written(end + _A_MOMENT)
        return [{"time": made}] if made else []

    def _instant(self, allocation: Mapping[str, Any], name: str, path: str) -> datetime | None:
        given = allocation.get(name)
        if given is None:
            return None
        found = parse_instant(given)
        if found is None:
            raise Unexpected(path_of(path, name), "must be a point in time with a zone")
        return datetime.fromtimestamp(found, UTC)

    def _rule(self, rule: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        for problem in unknown_fields(rule, _RULE, path):
            self._warn(problem)
        where = path_of(path, "conditions")
        if rule.get("conditions") is None:
            raise Unexpected(where, "must be a list, and is missing")
        made = [
            self._condition(given, path_of(where, index))
            for index, given in enumerate(items(rule["conditions"], where))
        ]
        return made[0] if len(made) == 1 else {"all": made}

    def _condition(self, given: Any, path: str) -> Mapping[str, Any]:
        """The native leaf; of a condition that can't be read, one that never holds."""
        try:
            return self._leaf(table(given, path), path)
        except Unexpected as error:
            self._warn(Problem(error.path, f"{error.expected}; the condition never holds"))
            return _NEVER

    def _leaf(self, given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        for problem in unknown_fields(given, _CONDITION, path):
            self._warn(problem)
        name, op = key_of(given, "attribute", path), key_of(given, "operator", path)
        if op not in _OPERATORS:
            raise Unexpected(path_of(path, "operator"), f"is unknown: {op[:256]!r}")
        value = given.get("value")
        try:
            prepared(_OPERATORS[op], value)
        except ValueError as error:
            raise Unexpected(path_of(path, "value"), str(error)) from None
        plain = is_name(name) and name not in ("id", "targeting_key")
        attribute: Any = name if plain else {"read": "eppo:attribute", "of": name}
        return {"attribute": attribute, "op": _OPERATORS[op], "value": value}


_OPERATORS = {name.upper(): f"eppo:{name}" for name in OPERATORS}


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
