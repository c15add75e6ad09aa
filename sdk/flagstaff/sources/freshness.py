"""A source's machine with an eye on the age of the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagstaff.sources.told import Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.runtime.machine import Machine
    from flagstaff.sources.source import Source

__all__ = ["Freshness"]


class Freshness(Told):
    """Calls ``aged`` when the rules have become older than ``limit`` seconds, and when they no longer are.

    It looks whenever the machine is asked or told something, so a job that is under way delays it.
    """

    def __init__(
        self, machine: Machine[Any, Any], source: Source, limit: float, aged: Callable[[], None]
    ) -> None:
        super().__init__(machine, aged)
        self._source = source
        self._limit = limit
        self._old = False

    def next(self, now: float) -> Any:
        left = self._look(now)
        step = self._machine.next(now)
        return min(step, left) if isinstance(step, int | float) and left > 0 else step

    def done(self, job: Any, answer: Any, now: float) -> None:
        self._machine.done(job, answer, now)
        self._look(now)

    def _look(self, now: float) -> float:
        """Seconds until the rules are too old; not more than 0 when they are."""
        checked = self._source.checked
        left = float("inf") if checked is None else checked + self._limit - now
        if (left <= 0) != self._old:
            self._old = left <= 0
            self._told()
        return left
