"""Audiences as segments: and, or and not over audiences and tests of attributes, in three values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, path_of

from .datafile import Datafile, Entity
from .dialect import OPERATORS, is_number

__all__ = ["Audiences"]

_MAX_DEPTH = 32
_TYPES = ("custom_attribute", "third_party_dimension")
_UNKNOWN = {"attribute": "targeting_key", "op": "optimizely:unknown", "value": None}
_SEGMENTS = {"read": "optimizely:segments", "of": None}


class Audiences:
    """Makes conditions of what experiments ask for, and segments of the audiences that they name."""

    def __init__(self, datafile: Datafile) -> None:
        self._datafile = datafile
        self._names: dict[str, str] = {}
        self.segments: dict[str, Any] = {}
        self.warnings: list[Problem] = []

    def of(self, entity: Entity) -> dict[str, Any] | None:
        """Whom an experiment, a rule or a holdout is for; None: everybody."""
        given = entity.data.get("audienceConditions")
        field = "audienceIds" if given is None else "audienceConditions"
        given = entity.data.get(field)
        return (
            None if given is None or given == [] else _tree(given, path_of(entity.path, field), self._named)
        )

    def _named(self, node: Any, path: str) -> dict[str, Any]:
        audience = self._datafile.audiences.get(node) if isinstance(node, str) else None
        if audience is None:
            self.warnings.append(
                Problem(path, f"no such audience: {node!r:.100}; nobody is known to be in it")
            )
            return _UNKNOWN
        return {"segment": self._segment(node, audience)}

    def _segment(self, number: str, audience: Entity) -> str:
        if number not in self._names:
            name = audience.data.get("name")
            if not is_name(name) or name in self.segments:
                name = f"audience {number}"[:256]
            self._names[number] = str(name)
            self.segments[str(name)] = self._condition(audience)
        return self._names[number]

    def _condition(self, audience: Entity) -> dict[str, Any]:
        path = path_of(audience.path, "conditions")
        try:
            return _tree(self._datafile.conditions(audience), path, self._leaf)
        except Unexpected as error:
            self.warnings.append(Problem(error.path, error.expected))
            return {"broken": str(error)}

    def _leaf(self, node: Any, path: str) -> dict[str, Any]:
        if not isinstance(node, Mapping):
            return _UNKNOWN
        match = "exact" if node.get("match") is None else node["match"]
        if match == "unknown" or match not in (*OPERATORS, "exists") or node.get("type") not in _TYPES:
            said = f"{node.get('type')!r:.100}, {match!r:.100}"
            self.warnings.append(Problem(path, f"is a test of a kind that is not known here: {said}"))
            return _UNKNOWN
        if match == "exists":
            return {"attribute": _subject(node), "op": "exists", "value": True}
        value = node.get("value")
        if not isinstance(value, str | bool) and not is_number(value):
            return _UNKNOWN
        if match == "qualified":
            self.warnings.append(
                Problem(path, "asks for a segment, which only a context can say: see the docs")
            )
            return {"attribute": _SEGMENTS, "op": "optimizely:qualified", "value": value}
        return {"attribute": _subject(node), "op": f"optimizely:{match}", "value": value}


def _subject(node: Mapping[str, Any]) -> Any:
    name = node.get("name")
    plain = is_name(name) and name != "targeting_key"
    return name if plain else {"read": "optimizely:attribute", "of": str(name)}


def _tree(node: Any, path: str, leaf: Callable[[Any, str], dict[str, Any]], depth: int = 1) -> dict[str, Any]:
    """A tree of lists that begin with and, or or not; those that don't mean or."""
    if depth > _MAX_DEPTH:
        raise Unexpected(path, f"is nested more than {_MAX_DEPTH} deep")
    if not isinstance(node, list):
        return leaf(node, path)
    operator = node[0] if node and node[0] in ("and", "or", "not") else None
    start = 0 if operator is None else 1
    made = [
        _tree(item, path_of(path, index), leaf, depth + 1) for index, item in enumerate(node[start:], start)
    ]
    if operator == "not":
        return {"not": made[0]} if made else _UNKNOWN
    return {"all": made} if operator == "and" else {"any": made}
