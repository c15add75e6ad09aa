"""GrowthBook's conditions as native ones: and, or and not are the engine's, tests are this dialect's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, path_of, table

from .contexts import EXTRA
from .matching import TESTS, is_operators, pattern

__all__ = ["FALSE", "TRUE", "Targeting", "all_of"]

TRUE: dict[str, Any] = {"all": []}
FALSE: dict[str, Any] = {"any": []}

_MAX_DEPTH = 30
_MAX_NODES = 10_000
_NEVER = {"$never": None}
"""An operator that there isn't: false for every value."""
_NOTHING: dict[str, Any] = {"$nor": [{}]}
"""A condition on an object that none meets."""


class _Group(NamedTuple):
    """A saved group: a condition, or the values that an attribute may have."""

    number: str
    condition: Mapping[str, Any] | None
    attribute: str
    values: list[Any]


def all_of(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    """One condition for several."""
    return conditions[0] if len(conditions) == 1 else {"all": conditions}


class Targeting:
    """Makes conditions of one document, and segments of its saved groups."""

    def __init__(self, groups: Mapping[str, Any]) -> None:
        self._groups = groups
        self._nodes = 0
        self._scope = ""
        self.segments: dict[str, Any] = {}
        self.warnings: list[Problem] = []

    def begin(self) -> None:
        """What follows is another feature's: each may have so many conditions."""
        self._nodes = 0

    def of(self, condition: Any, path: str) -> dict[str, Any]:
        """A condition on the attributes of a context."""
        self._scope = ""
        return self._fields(condition, path, ())

    def of_value(self, condition: Any, path: str, *, known: bool) -> dict[str, Any]:
        """A condition on another feature's value; one that isn't ``known`` is worth null."""
        self._scope = "value" if known else "nothing"
        return self._fields(condition, path, ())

    # -- objects -------------------------------------------------------------------------------------

    def _fields(self, condition: Any, path: str, within: tuple[str, ...], depth: int = 1) -> dict[str, Any]:
        self._count(path, depth)
        fields = table(condition, path).items()
        return all_of([self._field(name, given, path, within, depth) for name, given in fields])

    def _field(self, name: str, given: Any, path: str, within: tuple[str, ...], depth: int) -> dict[str, Any]:
        path = path_of(path, name)
        match name:
            case "$and":
                return all_of(self._each(given, path, within, depth))
            case "$or" | "$nor":
                items = self._each(given, path, within, depth)
                either = {"any": items} if items else TRUE
                return either if name == "$or" else {"not": either}
            case "$not":
                return {"not": self._fields(given, path, within, depth + 1)}
            case "$savedGroup":
                return self._group(given, path, within, depth)
            case _:
                return all_of([*self._tests(name, given, path, within, depth)])

    def _each(self, given: Any, path: str, within: tuple[str, ...], depth: int) -> list[dict[str, Any]]:
        items = given if isinstance(given, list) else []
        return [
            self._fields(item, path_of(path, index), within, depth + 1) for index, item in enumerate(items)
        ]

    def _count(self, path: str, depth: int) -> None:
        self._nodes += 1
        if depth > _MAX_DEPTH:
            raise Unexpected(path, f"is nested more than {_MAX_DEPTH} deep")
        if self._nodes > _MAX_NODES:
            raise Unexpected(path, f"comes to more than {_MAX_NODES:,} conditions")

    # -- values --------------------------------------------------------------------------------------

    def _tests(
        self, name: str, given: Any, path: str, within: tuple[str, ...], depth: int
    ) -> Iterator[dict[str, Any]]:
        self._count(path, depth)
        subject = self._subject(name)
        if not is_operators(given):
            yield {"attribute": subject, "op": "growthbook:is", "value": given}
            return
        for operator, operand in given.items():
            place = path_of(path, operator)
            if operator == "$not":
                yield {"not": all_of([*self._tests(name, operand, place, within, depth + 1)])}
            elif operator in ("$inGroup", "$notInGroup"):
                yield self._in_group(name, operator, operand, place)
            elif operator in TESTS:
                self._check(operator, operand, place)
                plain = self._inlined({operator: operand}, path, within, depth)
                yield {"attribute": subject, "op": f"growthbook:{operator}", "value": plain[operator]}
            else:
                self.warnings.append(Problem(place, "is no operator that is known here, and never holds"))
                yield FALSE

    def _subject(self, name: str) -> Any:
        if self._scope:
            if self._scope == "nothing" or name.partition(".")[0] != "value":
                return {"read": "growthbook:nothing", "of": None}
            return name if name == "value" else {"read": "growthbook:path", "of": name}
        plain = is_name(name) and "." not in name and name not in ("id", "targeting_key", EXTRA)
        return name if plain else {"read": "growthbook:path", "of": name}

    def _check(self, operator: str, operand: Any, path: str) -> None:
        if operator in ("$regex", "$regexi"):
            try:
                pattern(operand, fold=operator == "$regexi")
            except ValueError as error:
                self.warnings.append(Problem(path, f"never holds: {error}"))

    def _inlined(self, operand: Any, path: str, within: tuple[str, ...], depth: int) -> Any:
        """An operand of which the saved groups that it refers to are part."""
        self._count(path, depth)
        if isinstance(operand, Mapping):
            found: dict[str, Any] = {}
            for name, given in operand.items():
                place = path_of(path, name)
                if name in ("$inGroup", "$notInGroup"):
                    values = self._values(given)
                    operator = "$in" if name == "$inGroup" else "$nin"
                    found |= {operator: values} if values is not None else _NEVER
                elif name == "$elemMatch" and isinstance(given, Mapping) and not is_operators(given):
                    found[name] = self._of_element(given, place, within, depth + 1)
                else:
                    found[name] = self._inlined(given, place, within, depth + 1)
            return found
        if isinstance(operand, list) and any(isinstance(item, Mapping | list) for item in operand):
            return [self._inlined(item, path, within, depth + 1) for item in operand]
        return operand

    def _of_element(self, condition: Any, path: str, within: tuple[str, ...], depth: int) -> Any:
        """A condition on the fields of an item of a list, which groups are written into."""
        self._count(path, depth)
        if not isinstance(condition, Mapping):
            return condition
        found: dict[str, Any] = {}
        groups: list[Any] = []
        for name, given in condition.items():
            place = path_of(path, name)
            if name == "$savedGroup":
                groups.append(self._group_of_element(given, place, within, depth + 1))
            elif name in ("$and", "$or", "$nor") and isinstance(given, list):
                found[name] = [self._of_element(item, place, within, depth + 1) for item in given]
            elif name == "$not":
                found[name] = self._of_element(given, place, within, depth + 1)
            else:
                found[name] = self._inlined(given, place, within, depth + 1)
        if groups:
            both = found.get("$and")
            found["$and"] = [*(both if isinstance(both, list) else ()), *groups]
        return found

    def _group_of_element(self, given: Any, path: str, within: tuple[str, ...], depth: int) -> Any:
        group = self._usable(given, path, within)
        if group is None:
            return _NOTHING
        if group.condition is not None:
            return self._of_element(group.condition, path, (*within, group.number), depth)
        return {group.attribute: {"$in": group.values}}

    # -- saved groups --------------------------------------------------------------------------------

    def _values(self, group: Any) -> list[Any] | None:
        """The values of a list; None for what is none. Of a group that there isn't it is empty."""
        given = self._groups.get(group, []) if isinstance(group, str) else []
        if isinstance(given, Mapping) and given.get("type") == "list":
            given = given.get("values")
        return given if isinstance(given, list) else None

    def _in_group(self, name: str, operator: str, group: Any, path: str) -> dict[str, Any]:
        values = self._values(group)
        if values is None:
            self.warnings.append(Problem(path, "names a group that is no list, and never holds"))
            return FALSE
        inside = self._member(name, str(group), values)
        return inside if operator == "$inGroup" else {"not": inside}

    def _member(self, name: str, group: str, values: list[Any]) -> dict[str, Any]:
        """Whether an attribute is in a list: a segment, since lists are long and used by many."""
        leaf = {"attribute": self._subject(name), "op": "growthbook:$in", "value": values}
        segment = f"{name} in {group}"
        if not is_name(segment) or (self._scope and name != "value"):
            return leaf
        if self.segments.setdefault(segment, leaf) != leaf:
            return leaf
        return {"segment": segment}

    def _group(self, given: Any, path: str, within: tuple[str, ...], depth: int) -> dict[str, Any]:
        """Whoever is in a group: of a list by an attribute, else by a condition of its own."""
        group = self._usable(given, path, within)
        if group is None:
            return FALSE
        if group.condition is not None:
            return self._fields(group.condition, path, (*within, group.number), depth + 1)
        return self._member(group.attribute, group.number, group.values)

    def _usable(self, given: Any, path: str, within: tuple[str, ...]) -> _Group | None:
        """The group that is referred to; None where there is none that can be used."""
        number = given.get("id") if isinstance(given, Mapping) else None
        group = self._groups.get(number) if isinstance(number, str) else None
        if isinstance(number, str) and isinstance(group, Mapping) and number not in within:
            if group.get("type") == "condition" and isinstance(group.get("condition"), Mapping):
                return _Group(number, group["condition"], "", [])
            name = given.get("attributeKey") or group.get("attributeKey")
            values = self._values(number)
            if group.get("type") == "list" and isinstance(name, str) and values is not None:
                return _Group(number, None, name, values)
        self.warnings.append(Problem(path, "names no group that can be used here, and never holds"))
        return None
