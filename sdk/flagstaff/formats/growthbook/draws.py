"""GrowthBook's draws: fractions of a thousand or of ten thousand buckets, by FNV-1a."""

from __future__ import annotations

from math import ceil, inf, nextafter
from typing import Any

from flagstaff.formats.foreign import Unexpected, items, path_of
from flagstaff.formats.javascript import text, truthy

__all__ = ["Scheme", "fraction", "namespace_of", "pair", "portions", "unit_of", "without"]

_MOST = 2**53
_SIZES = {1: 1_000, 2: 10_000}


class Scheme:
    """Whom a seed draws, in which version of the hash: 1 or 2. There are no buckets in any other."""

    def __init__(self, seed: str, attribute: object, version: object) -> None:
        self._seed = seed
        self._attribute = attribute
        number = version if isinstance(version, int | float) and not isinstance(version, bool) else None
        self._version = 2 if number == 2 else 1
        self.is_known: bool = number in _SIZES

    @property
    def bucket(self) -> dict[str, Any]:
        """The draw, as it stands in a document."""
        unit = unit_of(self._attribute)
        if self._version == 2:
            return {**_spread("fnv1a_twice", 2), "prefix": self._seed, "unit": unit}
        return {**_spread("fnv1a", 1), "suffix": self._seed, "unit": unit}

    def ranges(self, start: float, stop: float) -> list[list[int]]:
        """The buckets of [start, stop)."""
        size = _SIZES[self._version]
        low, high = _first(start, size), _first(stop, size)
        return [[low, high]] if low < high else []

    def up_to(self, most: float) -> list[list[int]]:
        """The buckets of [0, most]."""
        return self.ranges(0, nextafter(most, inf))


def _spread(hashed: str, version: int) -> dict[str, Any]:
    return {"hash": hashed, "spread": "mod", "size": _SIZES[version]}


def _first(bound: float, size: int) -> int:
    """The first bucket whose fraction is at least the bound: exactly, as the fractions are compared."""
    if bound <= 0:
        return 0
    if bound > 1:
        return size
    bucket = max(ceil(bound * size) - 1, 0)
    while bucket / size < bound:
        bucket += 1
    return bucket


def unit_of(attribute: object) -> dict[str, Any]:
    """Who is drawn and measured. Of two attributes the second is for those who lack the first."""
    if isinstance(attribute, list):
        return {"read": "growthbook:unit", "of": attribute}
    return {"read": "growthbook:unit", "of": text(attribute) if truthy(attribute) else "id"}


def namespace_of(given: Any, attribute: object, path: str) -> dict[str, Any]:
    """Whether a unit is in an experiment's part of a namespace."""
    name, *bounds = items(given, path)[:3] or [None]
    if not isinstance(name, str) or len(bounds) != 2:
        raise Unexpected(path, "must be a name and two numbers from 0 to 1")
    scheme = Scheme(f"__{name}", attribute, 1)
    return {"bucket": scheme.bucket, "ranges": scheme.ranges(*pair(bounds, path))}


def pair(given: Any, path: str) -> tuple[float, float]:
    """Two numbers."""
    match given:
        case [low, high, *_]:
            return fraction(low, path_of(path, 0)), fraction(high, path_of(path, 1))
        case _:
            raise Unexpected(path, "must be two numbers from 0 to 1")


def fraction(given: Any, path: str) -> float:
    """A number."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not -_MOST <= given <= _MOST:
        raise Unexpected(path, "must be a number from 0 to 1")
    return float(given)


def portions(count: int, coverage: float, weights: list[float] | None) -> list[tuple[float, float]]:
    """What each variation gets: of its weight's share the covered part, from the start."""
    covered = min(max(coverage, 0.0), 1.0)
    if weights is None or len(weights) != count or not 0.99 <= sum(weights) <= 1.01:
        weights = [1 / count] * count
    found, start = [], 0.0
    for weight in weights:
        found.append((start, start + covered * weight))
        start += weight
    return found


def without(ranges: list[list[int]], others: list[list[int]]) -> list[list[int]]:
    """The buckets of ranges that are in none of the others."""
    for start, stop in others:
        ranges = [
            part
            for low, high in ranges
            for part in ([low, min(high, start)], [max(low, stop), high])
            if part[0] < part[1]
        ]
    return ranges
