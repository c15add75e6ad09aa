"""Versions as Optimizely compares them: not quite Semantic Versioning.

A version of fewer parts stands for all that begin with it: 2.0.9 is equal to a target of 2.0. A ``-`` begins
a pre-release, a ``+`` a build, whichever comes first.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple

__all__ = ["Version", "compare", "read"]

_LONGEST = 256


class Version(NamedTuple):
    """The parts of a version: up to three numbers, and what follows a mark as one more."""

    parts: tuple[str, ...]
    is_prerelease: bool
    is_build: bool


def read(text: str) -> Version | None:
    """The parts of a version, or None where it is none."""
    if " " in text or len(text) > _LONGEST:
        return None
    dash, plus = text.find("-"), text.find("+")
    is_prerelease = dash >= 0 and (plus < 0 or dash < plus)
    is_build = plus >= 0 and not is_prerelease
    numbers, mark, rest = text.partition("-" if is_prerelease else "+")
    parts = numbers.split(".")
    if len(parts) > 3 or not all(part.isdigit() for part in parts):
        return None
    return Version((*parts, rest) if mark else tuple(parts), is_prerelease, is_build)


def compare(user: Version, target: Version) -> int | None:
    """-1, 0 or 1, over as many parts as the target has; None where a number meets what is none."""
    for own, wanted in zip_longest(user.parts[: len(target.parts)], target.parts):
        sign = _missing(target) if own is None else _part(own, wanted, user, target)
        if sign != 0:
            return sign
    return -1 if user.is_prerelease and not target.is_prerelease else 0


def _missing(target: Version) -> int:
    return 1 if target.is_prerelease or target.is_build else -1


def _part(own: str, wanted: str, user: Version, target: Version) -> int | None:
    if own.isdigit():
        if not (own.isdecimal() and wanted.isdecimal()):
            return None
        one, other = int(own), int(wanted)
        return (one > other) - (one < other)
    if own < wanted:
        return 1 if target.is_prerelease and not user.is_prerelease else -1
    if own > wanted:
        return -1 if user.is_prerelease and not target.is_prerelease else 1
    return 0
