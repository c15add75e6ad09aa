"""GrowthBook's conditions on a value, and on the fields of an object, as functions.

They are never unknown: what is missing is null, and a test that makes no sense is false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from flagstaff.core.patterns import compile_pattern, ecmascript_classes
from flagstaff.formats.javascript import (
    compare,
    is_number,
    number,
    strictly_equal,
    stringify,
    text,
    truthy,
)

from .patterns import translated, units
from .versions import padded

__all__ = ["TESTS", "Test", "fields", "follow", "is_operators", "pattern", "value"]

Test: TypeAlias = Callable[[Any], bool]


def follow(found: Any, path: list[str]) -> Any:
    """What a path leads to; lists have indexes and a length."""
    for name in path:
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list | tuple):
            found = _in_list(found, name)
        else:
            return None
    return found


def _in_list(found: list[Any] | tuple[Any, ...], name: str) -> Any:
    if name == "length":
        return len(found)
    index = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else len(found)
    return found[index] if index < len(found) and str(index) == name else None


def is_operators(expected: object) -> bool:
    """Whether an object is one of operators, all of which must hold."""
    return isinstance(expected, Mapping) and bool(expected) and all(name[:1] == "$" for name in expected)


# -- objects ---------------------------------------------------------------------------------------


def fields(condition: Any) -> Test:
    """A test of an object. Of a text or a list the characters or items are the fields."""
    if isinstance(condition, str | list):
        condition = {str(index): item for index, item in enumerate(condition)}
    if not isinstance(condition, Mapping):
        return _true
    return _all([_field(name, expected) for name, expected in condition.items()])


def _field(name: str, expected: Any) -> Test:
    match name:
        case "$and":
            return _all(_each(expected))
        case "$or":
            return _any(_each(expected))
        case "$nor":
            return _not(_any(_each(expected)))
        case "$not":
            return _not(fields(expected))
        case _:
            path, test = name.split("."), value(expected)
            return lambda found: test(follow(found, path))


def _each(conditions: Any) -> list[Test]:
    return [fields(condition) for condition in conditions] if isinstance(conditions, list) else []


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda found: all(test(found) for test in tests)


def _any(tests: list[Test]) -> Test:
    return (lambda found: any(test(found) for test in tests)) if tests else _true


def _not(test: Test) -> Test:
    return lambda found: not test(found)


def _true(_found: Any) -> bool:
    return True


def _false(_found: Any) -> bool:
    return False


# -- values ----------------------------------------------------------------------------------------


def value(expected: Any) -> Test:
    """A test of a value: what it must equal, or operators."""
    if is_operators(expected):
        return _all([TESTS.get(name, _no_such)(operand) for name, operand in expected.items()])
    return _like(expected)


def _no_such(_operand: Any) -> Test:
    return _false


def _like(expected: Any) -> Test:
    """Equal to a plain value, after the conversion that its type asks for."""
    if isinstance(expected, str):
        return partial(_is_text, expected)
    if expected is None:
        return lambda found: found is None
    if isinstance(expected, bool):
        return lambda found: found is not None and truthy(found) is expected
    if is_number(expected):
        wanted = number(expected)
        return lambda found: number(found) == wanted
    written = stringify(expected)
    return lambda found: stringify(found) == written


def _is_text(expected: str, found: Any) -> bool:
    return found == expected if found.__class__ is str else text(found) == expected


def _equal(operand: Any) -> Test:
    return partial(strictly_equal, operand)


def _order(accepts: Callable[[int], bool]) -> Callable[[Any], Test]:
    def prepare(operand: Any) -> Test:
        def test(found: Any) -> bool:
            sign = compare(found, operand)
            return sign is not None and accepts(sign)

        return test

    return prepare


def _version(accepts: Callable[[int], bool]) -> Callable[[Any], Test]:
    def prepare(operand: Any) -> Test:
        wanted = padded(operand)

        def test(found: Any) -> bool:
            sign = compare(padded(found), wanted)
            return sign is not None and accepts(sign)

        return test

    return prepare


def _in(operand: Any, *, fold: bool = False) -> Test:
    if not isinstance(operand, list):
        return _false
    items = [_folded(item) for item in operand] if fold else operand
    texts = frozenset(item for item in items if isinstance(item, str))
    numbers = frozenset(number(item) for item in items if is_number(item))
    others = [item for item in (None, True, False) if any(item is one for one in items)]

    def is_one(found: Any) -> bool:
        if isinstance(found, str):
            return (found.lower() if fold else found) in texts
        if is_number(found):
            return number(found) in numbers
        return any(found is one for one in others)

    def test(found: Any) -> bool:
        if found.__class__ is str:
            return (found.lower() if fold else found) in texts
        if isinstance(found, list | tuple):
            return any(is_one(item) for item in found)
        return is_one(found)

    return test


def _folded(item: Any) -> Any:
    return item.lower() if isinstance(item, str) else item


def _unless(inner: Callable[[Any], Test]) -> Callable[[Any], Test]:
    """The opposite; of what is no list, no answer either."""

    def prepare(operand: Any) -> Test:
        return _not(inner(operand)) if isinstance(operand, list) else _false

    return prepare


def _on_list(inner: Callable[[Any], Callable[[list[Any]], bool]]) -> Callable[[Any], Test]:
    """A test of a list, which nothing else passes."""

    def prepare(operand: Any) -> Test:
        test = inner(operand)
        return lambda found: isinstance(found, list | tuple) and test([*found])

    return prepare


def _holds_all(operand: Any, *, fold: bool = False) -> Callable[[list[Any]], bool]:
    if not isinstance(operand, list):
        return _false
    tests = [_like_folded(item) if fold else value(item) for item in operand]
    return lambda found: all(any(test(item) for item in found) for test in tests)


def _like_folded(expected: Any) -> Test:
    if not isinstance(expected, str):
        return value(expected)
    wanted = expected.lower()
    return lambda found: text(found).lower() == wanted


def _some(operand: Any) -> Callable[[list[Any]], bool]:
    test = value(operand) if is_operators(operand) else fields(operand)
    return lambda found: any(truthy(item) and test(item) for item in found)


def _size(operand: Any) -> Callable[[list[Any]], bool]:
    test = value(operand)
    return lambda found: test(len(found))


def _exists(operand: Any) -> Test:
    wanted = truthy(operand)
    return lambda found: (found is not None) is wanted


def _type(operand: Any) -> Test:
    return lambda found: _kind(found) == operand


def _kind(found: Any) -> str:
    if found is None:
        return "null"
    if isinstance(found, bool):
        return "boolean"
    if isinstance(found, str):
        return "string"
    if is_number(found):
        return "number"
    return "array" if isinstance(found, list | tuple) else "object"


def pattern(operand: Any, *, fold: bool = False) -> Callable[[str], bool]:
    """What finds a pattern in a text. ValueError where it isn't one."""
    if not isinstance(operand, str):
        raise ValueError("a pattern is text")
    written = units(translated(operand))
    finds = compile_pattern(f"(?i:{written})" if fold else written, ecmascript_classes)
    return lambda found: finds(units(found))


def _matches(operand: Any, *, fold: bool = False) -> Test:
    try:
        finds = pattern(operand, fold=fold)
    except ValueError:
        return _false
    return lambda found: finds(text(found))


TESTS: dict[str, Callable[[Any], Test]] = {
    "$eq": _equal,
    "$ne": lambda operand: _not(_equal(operand)),
    "$lt": _order(lambda sign: sign < 0),
    "$lte": _order(lambda sign: sign <= 0),
    "$gt": _order(lambda sign: sign > 0),
    "$gte": _order(lambda sign: sign >= 0),
    "$veq": _version(lambda sign: sign == 0),
    "$vne": _version(lambda sign: sign != 0),
    "$vlt": _version(lambda sign: sign < 0),
    "$vlte": _version(lambda sign: sign <= 0),
    "$vgt": _version(lambda sign: sign > 0),
    "$vgte": _version(lambda sign: sign >= 0),
    "$in": _in,
    "$nin": _unless(_in),
    "$ini": partial(_in, fold=True),
    "$nini": _unless(partial(_in, fold=True)),
    "$all": _on_list(_holds_all),
    "$alli": _on_list(partial(_holds_all, fold=True)),
    "$elemMatch": _on_list(_some),
    "$size": _on_list(_size),
    "$exists": _exists,
    "$type": _type,
    "$regex": _matches,
    "$regexi": partial(_matches, fold=True),
    "$not": lambda operand: _not(value(operand)),
}
"""Every operator, from an operand to a test of a value. Others are false for every value."""
