"""What JsonLogic's operators make of values, as JavaScript sees them.

Where an operator can't do anything with what it is given, say arithmetic with a text that is no number, the
evaluation fails: ``Undecidable``. Null stands for what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from flagstaff.core.decision import Reason, Undecidable
from flagstaff.formats.javascript import (
    compare,
    is_number,
    loosely_equal,
    number,
    strictly_equal,
    text,
    truthy,
)

__all__ = ["COMPARISONS", "PLAIN", "absent", "fail", "same", "step", "walk"]

_LONGEST = 1 << 16
"""Characters of a text, or items of a list, that an expression may put together."""


def fail(why: str) -> NoReturn:
    raise Undecidable(why, Reason.GENERAL)


# -- finding values --------------------------------------------------------------------------------


def walk(value: Any, path: tuple[str, ...]) -> Any:
    """What lies at the end of a path; None where it ends before."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else step(value, name)
        if value is None:
            return None
    return value


def step(value: Any, name: str) -> Any:
    """An item by its index, or how many there are."""
    if not isinstance(value, str | list | tuple):
        return None
    wide = isinstance(value, str) and not value.isascii()
    units = value.encode("utf-16-le", "surrogatepass") if isinstance(value, str) and wide else value
    size = len(units) // 2 if wide else len(units)
    if name == "length":
        return size
    index = int(name) if name.isascii() and name.isdigit() and len(name) < 10 else size
    if str(index) != name or index >= size:
        return None
    if isinstance(units, bytes):
        return units[2 * index : 2 * index + 2].decode("utf-16-le", "surrogatepass")
    return units[index]


def absent(names: Any, data: Any) -> list[Any]:
    """The names, of a list of them, that lead nowhere in the data."""
    if not isinstance(names, list | tuple):
        fail("missing takes a list of names")
    return [name for name in names if not _is_there(data, text(name).split("."))]


def _is_there(value: Any, path: list[str]) -> bool:
    for name in path:
        if isinstance(value, Mapping):
            if name not in value:
                return False
            value = value[name]
        else:
            value = step(value, name)
            if value is None:
                return False
    return True


# -- comparing ---------------------------------------------------------------------------------------


def _are_numbers(left: Any, right: Any) -> bool:
    """Whether two values are compared as numbers: so is null, unless with a text."""
    if (left is None or isinstance(left, str)) and (right is None or isinstance(right, str)):
        return False
    return not (isinstance(left, list | tuple | Mapping) or isinstance(right, list | tuple | Mapping))


def _equal(left: Any, right: Any) -> bool:
    if _are_numbers(left, right):
        return number(left) == number(right)
    return loosely_equal(left, right)


def same(left: Any, right: Any) -> bool:
    """Whether ``left === right``; a list or an object is only itself."""
    if isinstance(left, list | tuple | Mapping):
        return left is right
    return strictly_equal(left, right)


def _ordered(holds: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def test(left: Any, right: Any) -> bool:
        numbers = _are_numbers(left, right)
        order = compare(number(left), number(right)) if numbers else compare(left, right)
        return order is not None and holds(order)

    return test


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "===": same,
    "!==": lambda left, right: not same(left, right),
    "<": _ordered(lambda order: order < 0),
    "<=": _ordered(lambda order: order <= 0),
    ">": _ordered(lambda order: order > 0),
    ">=": _ordered(lambda order: order >= 0),
}


# -- arithmetic --------------------------------------------------------------------------------------


def _operand(value: Any) -> float:
    if value is not None and not isinstance(value, str | int | float):
        fail("arithmetic with a list or an object")
    return number(value)


def _number(value: float) -> float:
    if math.isnan(value):
        fail("arithmetic with what is no number")
    return value


def _unwrapped(values: list[Any]) -> list[Any]:
    """A lone list stands for its items."""
    return [*values[0]] if len(values) == 1 and isinstance(values[0], list | tuple) else values


def _plus(values: list[Any]) -> float:
    return _number(float(sum(map(_operand, _unwrapped(values)))))


def _minus(values: list[Any]) -> float:
    numbers = [_operand(value) for value in _unwrapped(values)]
    if not numbers:
        fail("- takes a number")
    return _number(-numbers[0] if len(numbers) == 1 else numbers[0] - sum(numbers[1:]))


def _times(values: list[Any]) -> float:
    product = 1.0
    for value in values:
        product *= _operand(value)
    return _number(product)


def _over(values: list[Any]) -> float:
    numbers = [_operand(value) for value in values]
    if len(numbers) < 2:
        numbers = [1.0, *numbers]
    result, *others = numbers
    for divisor in others:
        if not divisor or math.isnan(divisor):
            fail("division by zero, or by what is no number")
        result /= divisor
    if result == math.inf:
        fail("a quotient without bounds")
    return _number(result)


def _modulo(values: list[Any]) -> float:
    if len(values) < 2:
        fail("% takes two numbers")
    result, *others = (_number(_operand(value)) for value in values)
    for divisor in others:
        if not divisor or math.isinf(result):
            fail("a remainder of a division by zero")
        result = math.fmod(result, divisor)
    return result


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def find(values: list[Any]) -> Any:
        if not values or not all(map(is_number, values)):
            fail("max and min take numbers")
        return choose(values)

    return find


# -- texts and lists -----------------------------------------------------------------------------------


def _cat(values: list[Any]) -> str:
    parts = ["" if value is None else value if value.__class__ is str else text(value) for value in values]
    if sum(map(len, parts)) > _LONGEST:
        fail("a text gets too long")
    return "".join(parts)


def _substr(values: list[Any]) -> str:
    whole, start, length = [*values, None, None][:3]
    if not isinstance(whole, str):
        fail("substr takes a text")
    units = whole if whole.isascii() else whole.encode("utf-16-le", "surrogatepass")
    wide = 1 if isinstance(units, str) else 2
    size = len(units) // wide
    first = _whole(start, size)
    first = max(size + first, 0) if first < 0 else first
    count = size if len(values) < 3 else _whole(length, size)
    end = max(size + count, first) if count < 0 else min(first + count, size)
    part = units[first * wide : end * wide]
    return part if isinstance(part, str) else part.decode("utf-16-le", "surrogatepass")


def _whole(value: Any, most: int) -> int:
    found = number(value)
    return 0 if math.isnan(found) else int(max(-most, min(most, found)))


def _merge(values: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for value in values:
        merged += value if isinstance(value, list | tuple) else [value]
        if len(merged) > _LONGEST:
            fail("a list gets too long")
    return merged


def _in(values: list[Any]) -> bool:
    item, whole = [*values, None, None][:2]
    if isinstance(whole, str):
        return whole != "" and text(item) in whole
    if isinstance(whole, list | tuple):
        return any(same(item, other) for other in whole)
    if truthy(whole):
        fail("in takes a list or a text")
    return False


def _not(values: list[Any]) -> bool:
    return not (values and values[0])


def _first(values: list[Any]) -> Any:
    return values[0] if values else None


PLAIN: Mapping[str, Callable[[list[Any]], Any]] = {
    "+": _plus,
    "-": _minus,
    "*": _times,
    "/": _over,
    "%": _modulo,
    "max": _extreme(max),
    "min": _extreme(min),
    "cat": _cat,
    "substr": _substr,
    "merge": _merge,
    "in": _in,
    "!": _not,
    "!!": lambda values: not _not(values),
    "log": _first,
}
"""The operators that get all of their values, as a list."""
