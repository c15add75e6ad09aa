"""Parts of all that the draws of one unit may come to, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flagstaff.core.rules import Bucket, Ranges
from flagstaff.core.schemes import Number

__all__ = ["World"]


@dataclass(frozen=True, slots=True)
class World:
    """What is left of each draw's buckets, and how large a part of everything that is.

    Draws of the same text are one draw: dividing by it again divides only what is left.
    """

    weight: float = 1.0
    left: Mapping[str, Ranges] = field(default_factory=dict)

    def inside(self, bucket: Bucket, ranges: Ranges) -> World | None:
        """The part in which the draw falls inside the ranges; None if that is nothing."""
        return self._narrowed(bucket, _merged(ranges, bucket.scheme.end))

    def outside(self, bucket: Bucket, ranges: Ranges) -> World | None:
        """The part in which the draw falls outside the ranges; None if that is nothing."""
        end = bucket.scheme.end
        return self._narrowed(bucket, _rest(_merged(ranges, end), end))

    def _narrowed(self, bucket: Bucket, ranges: Ranges) -> World | None:
        draw = repr(bucket)  # which another dialect's reader of the unit keeps from being hashed
        before = self.left.get(draw, ((0, bucket.scheme.end),))
        after = _common(before, ranges)
        if not after:
            return None
        return World(self.weight * _size(after) / _size(before), {**self.left, draw: after})


def _merged(ranges: Ranges, end: Number) -> Ranges:
    """The same buckets in ranges that don't overlap, lowest first, and lie between 0 and ``end``."""
    merged: list[tuple[Number, Number]] = []
    for start, stop in sorted(_common(((0, end),), ranges)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)


def _rest(ranges: Ranges, end: Number) -> Ranges:
    bounds = [0, *(bound for pair in ranges for bound in pair), end]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((start, stop) for start, stop in pairs if start < stop)


def _common(these: Ranges, those: Ranges) -> Ranges:
    both = ((max(a, c), min(b, d)) for a, b in these for c, d in those)
    return tuple((start, stop) for start, stop in both if start < stop)


def _size(ranges: Ranges) -> Number:
    return sum(stop - start for start, stop in ranges)
