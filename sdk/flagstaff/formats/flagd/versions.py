"""Semantic versions as flagd compares them: a leading v, and 1 or 1.2 for 1.0.0 and 1.2.0, are fine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flagstaff.formats.javascript import is_number, text

__all__ = ["SIGNS", "Version", "version"]

Version: TypeAlias = "tuple[tuple[int, int, int], bool, tuple[tuple[bool, float, str], ...]]"

_LARGEST = 2**53 - 1
_VERSION = re.compile(
    r"[vV]{0,2}(0|[1-9][0-9]{0,15})(?:\.(0|[1-9][0-9]{0,15}))?(?:\.(0|[1-9][0-9]{0,15})"
    r"(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?"
)
_PART = re.compile(r"0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*")


def version(value: Any) -> Version | None:
    """What a version is sorted by; None if it is none. Builds don't count."""
    written = value if isinstance(value, str) else text(value) if is_number(value) else ""
    found = _VERSION.fullmatch(written) if len(written) <= 256 else None
    if found is None:
        return None
    major, minor, patch, tail = found.groups()
    numbers = (int(major), int(minor or 0), int(patch or 0))
    parts = tail.split(".") if tail else []
    if max(numbers) > _LARGEST or not all(map(_PART.fullmatch, parts)):
        return None
    ranks = ((False, float(part), "") if part.isdigit() else (True, 0.0, part) for part in parts)
    return numbers, not parts, tuple(ranks)


SIGNS: Mapping[str, Callable[[Version, Version], bool]] = {
    "=": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
    "^": lambda one, other: one[0][0] == other[0][0],
    "~": lambda one, other: one[0][:2] == other[0][:2],
}
