"""Timing a loop: short passes over items that keep coming round."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.peers import Loop

__all__ = ["Paced"]

_PASS_SECONDS = 0.005
_FEWEST, _TRIAL = 2, 20


class Paced:
    """A loop with its items, cut into passes of a few milliseconds.

    Short passes let an interruption spoil one of them and not the turn; going on where the last pass ended
    lets every user come round, so that no cache is warmer than in a service with that many users.
    """

    def __init__(self, loop: Loop, items: Sequence[Any], weight: int, clock: Callable[[], int]) -> None:
        """``weight`` is how many evaluations one item is; ``clock`` counts nanoseconds."""
        self._loop = loop
        self._items = items
        self._weight = weight
        self._clock = clock
        self._at = 0
        self._size = _FEWEST
        self._calibrate()

    def _calibrate(self) -> None:
        self._pass()
        trial = min(_TRIAL, len(self._items))
        while self._size < trial:
            self._size *= 2
            if self._pass() > _PASS_SECONDS * 1e9:
                return
        self._size = trial
        one = min(self._pass() for _ in range(5)) / trial
        self._size = max(_FEWEST, min(len(self._items), int(_PASS_SECONDS * 1e9 / one)))

    def turn(self, seconds: float) -> float:
        """Evaluate for about so long, after a tenth of that for warming up.

        Returns the nanoseconds that an evaluation takes: the median of the passes.
        """
        self._passes(seconds / 10)
        return statistics.median(self._passes(seconds)) / (self._size * self._weight)

    def crowd(self, threads: int, seconds: float) -> float:
        """The same by several threads at once, in nanoseconds that pass while one evaluation is done."""
        passes = max(1, int(seconds / _PASS_SECONDS / threads))
        chunks = [[self._slice() for _ in range(passes)] for _ in range(threads)]
        barrier = threading.Barrier(threads + 1)

        def work(chunk: list[Sequence[Any]]) -> None:
            barrier.wait()
            for items in chunk:
                self._loop(items)

        crew = [threading.Thread(target=work, args=(chunk,)) for chunk in chunks]
        for thread in crew:
            thread.start()
        barrier.wait()
        start = time.perf_counter_ns()
        for thread in crew:
            thread.join()
        return (time.perf_counter_ns() - start) / (threads * passes * self._size * self._weight)

    def _passes(self, seconds: float) -> list[int]:
        until = time.perf_counter() + seconds
        found = [self._pass()]
        while time.perf_counter() < until:
            found.append(self._pass())
        return found

    def _pass(self) -> int:
        items, loop, clock = self._slice(), self._loop, self._clock
        start = clock()
        loop(items)
        return clock() - start

    def _slice(self) -> Sequence[Any]:
        if self._at + self._size > len(self._items):
            self._at = 0
        start, self._at = self._at, self._at + self._size
        return self._items[start : self._at]
