"""Clauses and segments as conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.circles import circular
from flagstaff.formats.foreign import Unexpected, is_name, items, path_of, table, unknown_fields

from .contexts import USER
from .dialect import OPERATORS
from .references import parse

__all__ = ["Clauses", "bucket", "kind_of", "unit"]

_CLAUSE = frozenset(("contextKind", "attribute", "op", "values", "negate"))
_SEGMENT = frozenset(
    (
        *("key", "version", "included", "excluded", "includedContexts", "excludedContexts", "rules", "salt"),
        *("unbounded", "unboundedContextKind", "generation", "deleted"),
    )
)
_RULE = frozenset(("id", "clauses", "weight", "bucketBy", "rolloutContextKind"))

_NOBODY: dict[str, Any] = {"any": []}
_MOST_INLINE = 64
"""How many segments are written out in the place of others, where segments go in circles."""


def kind_of(given: Mapping[str, Any], field: str) -> str:
    """The kind of context that something is about."""
    kind = given.get(field)
    return kind if isinstance(kind, str) and kind else USER


def unit(kind: str, by: object, *, literal: bool) -> dict[str, Any] | None:
    """Who is drawn; None where the reference is none."""
    path = ["key"] if by in (None, "") else parse(by, literal=literal)
    return None if path is None else {"read": "launchdarkly:unit", "of": [kind, path]}


def bucket(prefix: str, unit: Mapping[str, Any]) -> dict[str, Any]:
    """The draw of a unit: the first 60 bits of a SHA-1, from 0 to 1."""
    return {"hash": "sha1_60", "spread": "unit", "prefix": prefix, "unit": unit}


class Clauses:
    """Writes conditions; segments become segments, unless they go in circles."""

    def __init__(self, segments: Mapping[str, Any], warn: Callable[[Problem], None]) -> None:
        self._given = segments
        self._warn = warn
        self._circular = circular({key: _named_in(segment) for key, segment in segments.items()})
        self._inlined = 0

    def segments(self) -> dict[str, Any]:
        """All segments that flags may name."""
        return {key: self._segment(key, ()) for key in self._given if self._is_named(key)}

    def _is_named(self, key: object) -> bool:
        return is_name(key) and key not in self._circular

    def of(self, given: Mapping[str, Any], path: str, stack: tuple[str, ...] = ()) -> dict[str, Any]:
        """All clauses of a rule."""
        where = path_of(path, "clauses")
        found = items(given.get("clauses"), where)
        return {
            "all": [
                self._clause(table(clause, path_of(where, index)), path_of(where, index), stack)
                for index, clause in enumerate(found)
            ]
        }

    def _clause(self, clause: Mapping[str, Any], path: str, stack: tuple[str, ...]) -> dict[str, Any]:
        self._look(clause, _CLAUSE, path)
        op = clause.get("op")
        values = items(clause.get("values"), path_of(path, "values"))
        if op == "segmentMatch":
            condition = {"any": [self._in_segment(value, stack) for value in values]}
        else:
            condition = self._test(clause, op, values, path)
        return {"not": condition} if clause.get("negate") is True else condition

    def _test(self, clause: Mapping[str, Any], op: Any, values: list[Any], path: str) -> dict[str, Any]:
        literal = not clause.get("contextKind")
        names = parse(clause.get("attribute"), literal=literal)
        if names is None:
            return {"broken": f"{path}: {clause.get('attribute')!r:.100} is no reference to an attribute"}
        if not isinstance(op, str) or op not in OPERATORS or op == "unknown":
            self._warn(Problem(path_of(path, "op"), f"no such operator, so it never holds: {op!r:.100}"))
            op = "unknown"
        subject: dict[str, Any] = {
            "read": "launchdarkly:attribute",
            "of": [kind_of(clause, "contextKind"), names],
        }
        if names == ["kind"]:
            subject = {"read": "launchdarkly:kinds", "of": None}
        return {"attribute": subject, "op": f"launchdarkly:{op}", "value": values}

    def _look(self, given: Mapping[str, Any], known: frozenset[str], path: str) -> None:
        for problem in unknown_fields(given, known, path):
            self._warn(problem)

    # -- segments ------------------------------------------------------------------------------------

    def _in_segment(self, key: object, stack: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(key, str) or key not in self._given:
            return _NOBODY
        if self._is_named(key):
            return {"segment": key}
        self._inlined += bool(stack)
        if key in stack or self._inlined > _MOST_INLINE:
            return {"broken": f"segments go in circles, {key!r:.100} among them"}
        return self._segment(key, (*stack, key))

    def _segment(self, key: str, stack: tuple[str, ...]) -> dict[str, Any]:
        path = path_of("segments", key)
        try:
            segment = table(self._given[key], path)
            self._look(segment, _SEGMENT, path)
            rules = [*self._rules(key, segment, path, stack)]
            if segment.get("unbounded") is True:
                problem = "is a big segment: who is listed in it is known to a store that is not here"
                self._warn(Problem(path, problem))
                listed, unlisted = [], []
                present = _is_of_kind(kind_of(segment, "unboundedContextKind"))
                rules = [{"all": [present, {"any": rules}]}] if segment.get("generation") is not None else []
            else:
                listed = [*_listed(segment, "included", path)]
                unlisted = [*_listed(segment, "excluded", path)]
        except Unexpected as error:
            self._warn(Problem(error.path, error.expected))
            return {"broken": str(error)}
        free = [{"not": {"known": {"any": unlisted}}}] if unlisted else []
        return {"known": {"any": [*listed, {"all": [*free, {"any": rules}]}]}}

    def _rules(
        self, key: str, segment: Mapping[str, Any], path: str, stack: tuple[str, ...]
    ) -> Iterator[dict[str, Any]]:
        where = path_of(path, "rules")
        for index, given in enumerate(items(segment.get("rules"), where)):
            at = path_of(where, index)
            rule = table(given, at)
            self._look(rule, _RULE, at)
            condition = self.of(rule, at, stack)
            weight = rule.get("weight")
            if weight is not None:
                condition["all"].append(_weighted(rule, weight, f"{key}.{segment.get('salt') or ''}.", at))
            yield condition


def _is_of_kind(kind: str) -> dict[str, Any]:
    return {"attribute": {"read": "launchdarkly:key", "of": kind}, "op": "exists", "value": True}


def _listed(segment: Mapping[str, Any], field: str, path: str) -> Iterator[dict[str, Any]]:
    """Whose keys a segment lists, by kind."""
    keys = items(segment.get(field), path_of(path, field))
    if keys:
        yield _has_key(USER, keys)
    where = path_of(path, f"{field}Contexts")
    for index, given in enumerate(items(segment.get(f"{field}Contexts"), where)):
        entry = table(given, path_of(where, index))
        keys = items(entry.get("values"), path_of(where, index))
        if keys:
            yield _has_key(kind_of(entry, "contextKind"), keys)


def _has_key(kind: str, keys: list[Any]) -> dict[str, Any]:
    texts = [key for key in keys if isinstance(key, str)]
    if not texts:
        return _NOBODY
    return {"attribute": {"read": "launchdarkly:key", "of": kind}, "op": "in", "value": texts}


def _weighted(rule: Mapping[str, Any], weight: Any, prefix: str, path: str) -> dict[str, Any]:
    """A share of a kind. One without the attribute that is drawn by is drawn in front of all others."""
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise Unexpected(path_of(path, "weight"), "must be a number")
    kind = kind_of(rule, "rolloutContextKind")
    drawn = unit(kind, rule.get("bucketBy"), literal=not rule.get("rolloutContextKind"))
    if drawn is None:
        return {"broken": f"{path}: {rule.get('bucketBy')!r:.100} is no reference to an attribute"}
    share = {"bucket": bucket(prefix, drawn), "ranges": [[0, weight / 100000.0]]}
    if weight <= 0:
        return _NOBODY
    present = _is_of_kind(kind)
    absent = {"attribute": drawn, "op": "exists", "value": False}
    return {"known": {"any": [{"all": [present, absent]}, share]}}


def _named_in(segment: Any) -> Iterator[str]:
    rules = segment.get("rules") if isinstance(segment, Mapping) else None
    for rule in rules if isinstance(rules, list) else ():
        clauses = rule.get("clauses") if isinstance(rule, Mapping) else None
        for clause in clauses if isinstance(clauses, list) else ():
            if isinstance(clause, Mapping) and clause.get("op") == "segmentMatch":
                values = clause.get("values")
                yield from (value for value in (values or ()) if isinstance(value, str))
