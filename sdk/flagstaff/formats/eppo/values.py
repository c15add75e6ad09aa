"""Values as Eppo reads them: their text, their number, their version; and what a variation is worth."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn

from flagstaff.core.conditions import semver_key

__all__ = ["KINDS", "number", "text", "version", "worth"]

_NUMBER = re.compile(
    r"[+-]?(?:inf|infinity|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE | re.ASCII
)
_MOST = 2**64
_LONGEST = 1024

KINDS = ("STRING", "INTEGER", "NUMERIC", "BOOLEAN", "JSON")
"""What a flag may be of."""


def text(value: Any) -> str | None:
    """How a value is written; None where there is none. Numbers have as few digits as tell them apart."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    found = number(value)
    if found is None:
        return None
    if not math.isfinite(found):
        return "NaN" if math.isnan(found) else "inf" if found > 0 else "-inf"
    return format(Decimal(repr(found)), "f").removesuffix(".0")


def number(value: Any) -> float | None:
    """The number that a value is, or says."""
    if isinstance(value, str):
        return float(value) if len(value) <= _LONGEST and _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def version(value: Any) -> Any:
    """A key that orders versions, by their build metadata in the end; None where it is none."""
    key = semver_key(value) if isinstance(value, str) else None
    if key is None or max(key[:3]) >= _MOST:
        return None
    _, _, build = value.partition("+")
    return key, tuple(map(_build_key, build.split("."))) if build else ()


def _build_key(part: str) -> tuple[bool, int, int, str]:
    if part.isdecimal():
        return False, int(part), len(part), ""
    return True, 0, 0, part


def worth(value: Any, kind: str) -> Any:
    """What a variation's value comes to in a flag of that kind. ValueError says what it must be."""
    match kind:
        case "STRING" if isinstance(value, str):
            return value
        case "BOOLEAN" if isinstance(value, bool):
            return value
        case "INTEGER" if _is_number(value) and value == int(value):
            return int(value)
        case "NUMERIC" if _is_number(value):
            return float(value)
        case "JSON" if isinstance(value, str):
            return json.loads(value, parse_constant=_no_constant)
    raise ValueError(f"must be a value of type {kind}")


def _is_number(value: Any) -> bool:
    return number(value) is not None and not isinstance(value, str) and math.isfinite(value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
