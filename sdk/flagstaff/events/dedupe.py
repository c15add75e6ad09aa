"""Which exposures were recorded today."""

from __future__ import annotations

import threading
from typing import TypeAlias

from cachetools import FIFOCache

__all__ = ["Seen"]

Key: TypeAlias = tuple[str, str]  # the exposure's key, the unit

_DAY = 86_400.0
_PLACE = 256  # characters of a unit; a longer one takes more than one place


class Seen:
    """Remembers the last ``maxsize`` exposures of a UTC day; bounded in memory, however long the units.

    The hot path looks itself, in this order: ``since <= now < until``, then ``known``; a method
    call would cost more than the look.
    """

    def __init__(self, maxsize: int = 100_000) -> None:
        self._maxsize = maxsize
        self._begin(-_DAY)
        self.forked()

    def forked(self) -> None:
        """Become a child process's own. What is known stays known: the parent delivers it."""
        self._lock = threading.RLock()

    def add(self, key: Key, now: float) -> None:
        """Remember an exposure that the spool has accepted; forget the oldest or, at midnight, all."""
        places = min(1 + len(key[1]) // _PLACE, self._maxsize)
        with self._lock:
            if not self.since <= now < self.until:
                self._begin(now)
            if key in self.known:
                return
            while self._taken + places > self._maxsize:
                self._forget_oldest()
            self._window[key] = places
            self._taken += places
            self.known.add(key)

    def _begin(self, now: float) -> None:
        self._window: FIFOCache[Key, int] = FIFOCache(self._maxsize)
        self._taken = 0
        # Before the new bounds: whoever sees those must not find yesterday's exposures.
        self.known: set[Key] = set()
        self.since: float = now - now % _DAY
        self.until: float = self.since + _DAY

    def _forget_oldest(self) -> None:
        key, places = self._window.popitem()
        self._taken -= places
        self.known.discard(key)
