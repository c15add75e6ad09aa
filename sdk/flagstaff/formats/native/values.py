"""Single values of a document: percentages, and what JSON can hold."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from .graph import MAX_DEPTH

__all__ = ["MAX_EXPRESSION", "briefly", "check_json", "check_scalar", "is_harmless", "thousandths"]

MAX_EXPRESSION = 200
"""Levels of an expression in another language."""
_MAX_BITS = 2048
_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXTS = {str}


def thousandths(percent: float) -> int:
    """A percentage in thousandths of a percent, which are buckets; ValueError beyond three decimals."""
    whole = round(percent * 1000)
    if abs(percent * 1000 - whole) > 1e-6:
        raise ValueError(f"{percent} has more than three decimals")
    return whole


def briefly(percent: float) -> int | float:
    """The same number, as an int where it is whole: 25, not 25.0."""
    return int(percent) if percent == int(percent) else percent


def is_harmless(value: Any) -> bool:
    """Whether a look tells that nothing is wrong with a value: so it is with nearly all."""
    kind = type(value)
    if kind is list:
        return {*map(type, value)} == _TEXTS and "".join(value).isascii()
    return kind is bool or (kind is str and value.isascii())


def check_json(value: object, most: int = MAX_DEPTH, *, depth: int = 1) -> None:
    """ValueError unless it is JSON that every reader understands alike."""
    if depth > most:
        raise ValueError(f"must not be nested more than {most} deep")
    match value:
        case dict():
            for key, item in value.items():
                _check_scalar(key, str)
                check_json(item, most, depth=depth + 1)
        case list():
            for item in value:
                check_json(item, most, depth=depth + 1)
        case _:
            _check_scalar(value, str | int | float | None)


def _check_scalar(value: object, kinds: Any) -> None:
    if not isinstance(value, kinds):
        raise ValueError(f"must be what JSON can hold, not a value of type {type(value).__name__}")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ValueError("must be a number of fewer digits")
    if isinstance(value, str) and _SURROGATE.search(value):
        raise ValueError("must not hold half of a surrogate pair")


def check_scalar(value: object) -> None:
    """ValueError unless it is text, a number or a boolean that every reader understands alike."""
    if not isinstance(value, str | int | float):
        raise ValueError(f"must be text, a number or a boolean, not a value of type {type(value).__name__}")
    _check_scalar(value, object)
