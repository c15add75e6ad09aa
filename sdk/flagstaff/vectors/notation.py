"""How the vectors write what JSON can't say, or what not every language reads alike.

``{"int": "42"}`` is an integer of any size, ``{"float": "1.0"}`` a floating-point number,
``{"repeat": ["x", 3]}`` the text ``xxx`` and ``{"codes": [97, 55296]}`` a text by its code points: texts with
lone surrogates are written so, since many a JSON reader refuses them. Any other value stands for itself.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["compact", "noted", "valued"]

_LONG = 600
"""Longer texts are written as a repetition, if they are one; longer ints are read in parts."""


def valued(given: Any) -> Any:
    """The value that a notation stands for."""
    match given:
        case {"int": digits}:
            return _whole(valued(digits))
        case {"float": digits}:
            return float(digits)
        case {"repeat": [text, times]}:
            return valued(text) * times
        case {"codes": codes}:
            return "".join(map(chr, codes))
    return given


def _whole(digits: str) -> int:
    """An int of any length; ``int`` alone stops at Python's limit."""
    if len(digits) <= _LONG:
        return int(digits)
    half = len(digits) // 2
    power: int = 10 ** (len(digits) - half)
    return _whole(digits[:half]) * power + _whole(digits[half:])


def noted(value: Any) -> Any:
    """The notation of a value; numbers stay as they are, since most columns hold plain ones."""
    if not isinstance(value, str):
        return value
    if len(value) > _LONG and value == value[0] * len(value):
        return {"repeat": [noted(value[0]), len(value)]}
    if any("\ud800" <= character <= "\udfff" for character in value):
        return {"codes": [ord(character) for character in value]}
    return value


def compact(value: Any) -> str:
    """A value as JSON text: ASCII, on one line."""
    return json.dumps(value, separators=(",", ":"))
