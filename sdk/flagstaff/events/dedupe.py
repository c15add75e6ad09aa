"""Which exposures were recorded today."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["Key", "Seen"]

Key: TypeAlias = tuple[str, str]  # the exposure's key, the unit

_DAY = 86_400.0
_PLACE = 256  # characters of a unit; a longer one takes more than one place


class Seen:
    """Remembers the last exposures of a UTC day, at least half of ``maxsize`` and never more.

    They lie in two generations: when the young one is full it becomes the old one, and the old one is
    forgotten. The hot path looks itself, in this order: ``since <= now < until``, then ``young`` and ``old``;
    a method call would cost more than the look. There is no lock: where threads get in each other's way, an
    exposure is forgotten too early, and comes again with the same id.
    """

    young: set[Key]
    old: set[Key]
    _extra: int  # places that long units take beyond their first

    def __init__(self, maxsize: int = 100_000) -> None:
        self._half = max(1, maxsize // 2)
        self._begin(-_DAY)

    def add(self, key: Key, now: float) -> None:
        """Remember an exposure that the spool has accepted; forget the oldest or, at midnight, all."""
        if not self.since <= now < self.until:
            self._begin(now)
        extra = len(key[1]) // _PLACE
        if len(self.young) + self._extra + extra >= self._half:
            self.young, self.old = set(), self.young
            self._extra = 0
        if extra:
            self._extra += min(extra, self._half - 1)
        self.young.add(key)

    def _begin(self, now: float) -> None:
        # Before the new bounds: whoever sees those must not find yesterday's exposures.
        self.young = set()
        self.old = set()
        self._extra = 0
        self.since: float = now - now % _DAY
        self.until: float = self.since + _DAY
