"""Parts of all that the draws of one unit may come to, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flagstaff.core.buckets import BUCKETS
from flagstaff.core.rules import Ranges

__all__ = ["World"]

_ALL: Ranges = ((0, BUCKETS),)


@dataclass(frozen=True, slots=True)
class World:
    """What is left of each draw's buckets, by salt, and how large a part of everything that is.

    Draws with the same salt are one draw: dividing by it again divides only what is left.
    """

    weight: float = 1.0
    left: Mapping[str, Ranges] = field(default_factory=dict)

    def inside(self, salt: str, ranges: Ranges) -> World | None:
        """The part in which the draw falls inside the ranges; None if that is nothing."""
        return self._narrowed(salt, _merged(ranges))

    def outside(self, salt: str, ranges: Ranges) -> World | None:
        """The part in which the draw falls outside the ranges; None if that is nothing."""
        return self._narrowed(salt, _rest(_merged(ranges)))

    def _narrowed(self, salt: str, ranges: Ranges) -> World | None:
        before = self.left.get(salt, _ALL)
        after = _common(before, ranges)
        if not after:
            return None
        return World(self.weight * _size(after) / _size(before), {**self.left, salt: after})


def _merged(ranges: Ranges) -> Ranges:
    """The same buckets in ranges that don't overlap, lowest first."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)


def _rest(ranges: Ranges) -> Ranges:
    bounds = [0, *(bound for pair in ranges for bound in pair), BUCKETS]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((start, stop) for start, stop in pairs if start < stop)


def _common(these: Ranges, those: Ranges) -> Ranges:
    both = ((max(a, c), min(b, d)) for a, b in these for c, d in those)
    return tuple((start, stop) for start, stop in both if start < stop)


def _size(ranges: Ranges) -> int:
    return sum(stop - start for start, stop in ranges)
