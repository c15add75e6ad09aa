"""Clauses' operators, and where they find what they test.

An operator is given a list of values; one that an attribute passes for is enough, and so is one element of an
attribute that is a list. Nothing is known of an attribute that is absent: neither a clause nor its negation
holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

from flagstaff.core.conditions import parse_instant, semver_key
from flagstaff.core.context import Context
from flagstaff.core.patterns import compile_pattern
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Reading

from .contexts import USER, individual, kinds, value_reader

__all__ = ["OPERATORS", "READERS"]

_Test: TypeAlias = Callable[[Any], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# -- one value against one operand ---------------------------------------------------------------------------


def _same(operand: Any, value: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and no boolean is a number."""
    if isinstance(operand, bool) or isinstance(value, bool):
        return operand is value
    if isinstance(operand, dict) and isinstance(value, dict):
        return operand.keys() == value.keys() and all(_same(operand[name], value[name]) for name in operand)
    if isinstance(operand, list) and isinstance(value, list):
        return len(operand) == len(value) and all(map(_same, operand, value))
    return (
        type(operand) is type(value) and bool(operand == value)
        if not _is_number(operand)
        else (_is_number(value) and bool(operand == value))
    )


def _one_of(operands: list[Any]) -> _Test:
    texts = frozenset(operand for operand in operands if isinstance(operand, str))
    others = [operand for operand in operands if not isinstance(operand, str)]

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        return any(_same(operand, value) for operand in others)

    return test


def _texts(compare: Callable[[str, str], bool]) -> Callable[[list[Any]], _Test]:
    def prepare(operands: list[Any]) -> _Test:
        texts = [operand for operand in operands if isinstance(operand, str)]
        return lambda value: isinstance(value, str) and any(compare(value, text) for text in texts)

    return prepare


def _matching(operands: list[Any]) -> _Test:
    found = [pattern for pattern in map(_pattern, operands) if pattern is not None]
    return lambda value: isinstance(value, str) and any(finds(value) for finds in found)


def _pattern(operand: Any) -> Callable[[str], bool] | None:
    try:
        return compile_pattern(operand) if isinstance(operand, str) else None
    except ValueError:
        return None


def _ordered(read: Callable[[Any], Any], accepts: Callable[[int], bool]) -> Callable[[list[Any]], _Test]:
    """Whether a value lies in the right order to one of the operands, both as ``read`` has them."""

    def prepare(operands: list[Any]) -> _Test:
        bounds = [bound for bound in map(read, operands) if bound is not None]

        def test(value: Any) -> bool:
            own = read(value)
            return own is not None and any(accepts((own > bound) - (own < bound)) for bound in bounds)

        return test

    return prepare


def _number(value: Any) -> Any:
    return value if _is_number(value) else None


def _instant(value: Any) -> float | None:
    """Milliseconds since the epoch, of a number of them or of RFC 3339 text."""
    if _is_number(value):
        return float(value)
    seconds = parse_instant(value) if isinstance(value, str) else None
    return None if seconds is None else round(seconds * 1e6) / 1e3


_LOOSE = re.compile(r"(\d+)(\.\d+)?(\.\d+)?(.*)", re.ASCII | re.DOTALL)


def _version(value: Any) -> Any:
    """A version's place in order; minor and patch may be left out."""
    match = _LOOSE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    major, minor, patch, rest = match.groups()
    return semver_key(f"{major}{minor or '.0'}{patch or '.0'}{rest}")


_TESTS: dict[str, Callable[[list[Any]], _Test]] = {
    "in": _one_of,
    "startsWith": _texts(str.startswith),
    "endsWith": _texts(str.endswith),
    "contains": _texts(str.__contains__),
    "matches": _matching,
    "lessThan": _ordered(_number, lambda sign: sign < 0),
    "lessThanOrEqual": _ordered(_number, lambda sign: sign <= 0),
    "greaterThan": _ordered(_number, lambda sign: sign > 0),
    "greaterThanOrEqual": _ordered(_number, lambda sign: sign >= 0),
    "before": _ordered(_instant, lambda sign: sign < 0),
    "after": _ordered(_instant, lambda sign: sign > 0),
    "semVerEqual": _ordered(_version, lambda sign: sign == 0),
    "semVerLessThan": _ordered(_version, lambda sign: sign < 0),
    "semVerGreaterThan": _ordered(_version, lambda sign: sign > 0),
    "unknown": lambda _: lambda _: False,
}


_DEAR = ("matches", "before", "after", "semVerEqual", "semVerLessThan", "semVerGreaterThan")
"""Operators whose answers are worth keeping."""


def _operator(name: str) -> Callable[[Any], Prepared]:
    def prepared(operands: Any) -> Prepared:
        if not isinstance(operands, list):
            raise ValueError("must be a list")
        test = partial(_any_of, _TESTS[name](operands))
        if name == "in":
            return Prepared(test, "text in", frozenset(item for item in operands if isinstance(item, str)))
        return Prepared(test, "text memo" if name in _DEAR else "")

    return prepared


def _any_of(test: _Test, value: Any) -> bool | None:
    if value is None:
        return None
    return any(map(test, value)) if isinstance(value, list | tuple) else test(value)


OPERATORS: dict[str, Callable[[Any], Prepared]] = {name: _operator(name) for name in _TESTS}


# -- readers -------------------------------------------------------------------------------------------------


def _place(argument: Any) -> tuple[str, tuple[str, ...]]:
    match argument:
        case [str(kind), [str(), *_] as path] if all(isinstance(name, str) for name in path):
            return kind, tuple(path)
    raise ValueError("must be a context kind and a path of names")


def _label(kind: str, path: Iterable[str]) -> str:
    name = ".".join(path)
    return name if kind == "user" else f"{kind}.{name}"


def _attribute(argument: Any) -> Reading:
    kind, path = _place(argument)
    return Reading(_label(kind, path), value_reader(kind, path), _direct(kind, path, always=True))


def _direct(kind: str, path: tuple[str, ...], *, always: bool) -> Direct | None:
    """Where a context of the kind that is meant by none has it."""
    if kind != USER or len(path) > 1 or path[0] in ("kind", "anonymous"):
        return None
    return Direct(None if path[0] == "key" else path[0], unless=("kind",), always=always)


def _unit(argument: Any) -> Reading:
    """Text as it is, and whole numbers in decimal; all else is no unit."""
    kind, path = _place(argument)
    read = value_reader(kind, path)

    def unit(context: Context) -> str | None:
        value = read(context)
        if isinstance(value, str):
            return value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

    return Reading(_label(kind, path), unit, _direct(kind, path, always=False))


def _key(kind: Any) -> Reading:
    if not isinstance(kind, str):
        raise ValueError("must be a context kind")

    def key(context: Context) -> Any:
        found = individual(context, kind)
        return None if found is None else found[0]

    return Reading(_label(kind, ["key"]), key, _direct(kind, ("key",), always=True))


def _kinds(_argument: Any) -> Reading:
    return Reading("kind", kinds)


READERS: dict[str, Callable[[Any], Reading]] = {
    "attribute": _attribute,
    "unit": _unit,
    "key": _key,
    "kinds": _kinds,
}
