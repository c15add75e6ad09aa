"""How Flagsmith's engine sees values: text that looks like a number is one."""

from __future__ import annotations

import re
from typing import Any

from flagstaff.core.conditions import semver_key

__all__ = ["looks_like_a_number", "seen", "semver"]

_INT = re.compile(r"-?[0-9]+")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+")
_SUFFIX = ":semver"


def looks_like_a_number(text: str) -> bool:
    """Whether a text is taken for a number."""
    return (_INT.fullmatch(text) or _FLOAT.fullmatch(text)) is not None


def seen(value: Any) -> Any:
    """The value as conditions see it: null, text, a number or a boolean."""
    if isinstance(value, str):
        return _number(value) if value and value[-1] in "0123456789" else value
    return value if value is None or isinstance(value, int | float) else str(value)


def _number(text: str) -> Any:
    try:
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text
    except ValueError:  # more digits than Python reads
        return text


def semver(operand: str) -> tuple[Any, ...] | None:
    """The version that an operand such as ``1.2.3:semver`` asks to be compared with."""
    return semver_key(operand.removesuffix(_SUFFIX)) if operand.endswith(_SUFFIX) else None
