"""Which exposures were recorded today."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Seen"]

_Units: TypeAlias = dict[str, set[str]]  # those that were exposed, by the exposure's key

_DAY = 86_400.0
_PLACE = 256  # characters of a unit; a longer one takes more than one place


class Seen:
    """Remembers the last exposures of a UTC day, at least half of ``maxsize`` and no more.

    They lie in two generations: when the young one is full it becomes the old one, and the old one is
    forgotten. The hot path looks itself, in this order: ``since <= now < until``, then ``young`` and ``old``;
    a method call would cost more than the look. There is no lock: where threads get in each other's way, an
    exposure is forgotten too early, and comes again with the same id, or is kept beyond the bound.
    """

    young: _Units
    old: _Units
    _count: int  # places that are taken in the young generation

    def __init__(self, maxsize: int = 100_000) -> None:
        self._half = max(1, maxsize // 2)
        self._begin(-_DAY)

    def add(self, key: str, unit: str, now: float) -> None:
        """Remember an exposure that the spool has accepted; forget the oldest or, at midnight, all."""
        if not self.since <= now < self.until:
            self._begin(now)
        places = min(1 + len(unit) // _PLACE, self._half)
        if self._count + places > self._half:
            self.young, self.old = {}, self.young
            self._count = 0
        units = self.young.setdefault(key, set())
        if unit not in units:
            units.add(unit)
            self._count += places

    def _begin(self, now: float) -> None:
        # Before the new bounds: whoever sees those must not find yesterday's exposures.
        self.young = {}
        self.old = {}
        self._count = 0
        self.since: float = now - now % _DAY
        self.until: float = self.since + _DAY
