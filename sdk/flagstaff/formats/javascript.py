"""How JavaScript sees JSON: what counts as true, how values turn into text and numbers, how they compare.

Rules of vendors whose reference is written in JavaScript mean what that language makes of them. Everything
here is total for JSON, and follows ECMA-262: ToBoolean, ToString, ToNumber (§7.1), Number::toString
(§6.1.6.1.20), IsLessThan (§7.2.12), IsLooselyEqual and IsStrictlyEqual (§7.2.13 and 14). Null stands for what
is missing, too. A list or a table is what the language calls an object, and equal to no other.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = [
    "compare",
    "is_number",
    "loosely_equal",
    "number",
    "number_text",
    "strictly_equal",
    "stringify",
    "text",
    "truthy",
]

_SAFE = 2**53
_SPACES = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_DECIMAL = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
_OTHER_BASE = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_BASES = {"x": 16, "o": 8, "b": 2}
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def is_number(value: object) -> bool:
    """Whether a value is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def truthy(value: object) -> bool:
    """Whether a value counts as true: so do empty lists and tables."""
    if value is None or value is False or value == "":
        return False
    return not (is_number(value) and (value == 0 or value != value))  # noqa: PLR0124 - not a number


# -- text ------------------------------------------------------------------------------------------


def text(value: Any) -> str:
    """What ``value + ""`` is."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else text(item) for item in value)
    return "[object Object]"


def number_text(value: float) -> str:
    """A number as text: the fewest digits that tell it from its neighbours, in powers of ten beyond 10^21."""
    if isinstance(value, int):
        if -_SAFE <= value <= _SAFE:
            return int.__repr__(value)
        value = _double(value)
    if not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124
    if value == 0:
        return "0"
    return f"-{_digits(-value)}" if value < 0 else _digits(value)


def _digits(value: float) -> str:
    mantissa, _, power = f"{value!r}e".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(power.rstrip("e") or 0)
    digits = digits.rstrip("0")
    if 0 < point <= 21:
        return digits.ljust(point, "0") if len(digits) <= point else f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"


def stringify(value: Any) -> str:
    """Text that is the same for two values if and only if ``JSON.stringify`` makes the same of both."""
    if isinstance(value, Mapping):
        names = sorted(value, key=_rank)
        return f"{{{','.join(f'{json.dumps(name)}:{stringify(value[name])}' for name in names)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(stringify, value))}]"
    if is_number(value):
        return number_text(value) if math.isfinite(_double(value)) else "null"
    return json.dumps(value) if isinstance(value, str) else text(value)


def _rank(name: object) -> tuple[bool, int]:
    """Where a name goes: whole numbers below 2^32 - 1 come first, by size; the others stay as they were."""
    index = int(name) if isinstance(name, str) and _INDEX.fullmatch(name) else 2**32
    return (False, index) if index < 2**32 - 1 else (True, 0)


# -- numbers ---------------------------------------------------------------------------------------


def number(value: Any) -> float:
    """What ``value * 1`` is; not a number where it is none."""
    if isinstance(value, bool | int | float):
        return _double(value)
    if value is None:
        return 0.0
    if isinstance(value, Mapping):
        return math.nan
    return _parsed(text(value).strip(_SPACES))


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _parsed(digits: str) -> float:
    if not digits:
        return 0.0
    if _DECIMAL.fullmatch(digits):
        return float(digits)
    if _OTHER_BASE.fullmatch(digits):
        return _double(int(digits[2:], _BASES[digits[1].lower()]))
    return math.nan


# -- order and equality ----------------------------------------------------------------------------


def compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1: two texts by their UTF-16 code units, everything else as numbers; None for no order."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        if left.isascii() and right.isascii():
            return (left > right) - (left < right)
        one, other = (side.encode("utf-16-be", "surrogatepass") for side in (left, right))
        return (one > other) - (one < other)
    one_number, other_number = number(left), number(right)
    if math.isnan(one_number) or math.isnan(other_number):
        return None
    return (one_number > other_number) - (one_number < other_number)


def _primitive(value: Any) -> Any:
    return text(value) if isinstance(value, list | tuple | Mapping) else value


def strictly_equal(left: Any, right: Any) -> bool:
    """Whether ``left === right`` for values from two places: so no list equals another."""
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str) and left == right
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if not (is_number(left) and is_number(right)):
        return False
    return _double(left) == _double(right)


def loosely_equal(left: Any, right: Any) -> bool:
    """Whether ``left == right`` for values from two places."""
    if left is None or right is None:
        return left is right
    if isinstance(left, list | tuple | Mapping) and isinstance(right, list | tuple | Mapping):
        return False
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return number(left) == number(right)
