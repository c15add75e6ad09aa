"""The one place that asks the machine what time it is."""

from __future__ import annotations

import time as _time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object  # `typing` costs more to import than all of this room

__all__ = ["Clock", "SystemClock", "rest"]


class Clock(Protocol):
    """What everybody in the package asks for the time; tests hand in their own."""

    def time(self) -> float:
        """Seconds since the epoch, UTC. It may jump: for stamps, never for waits."""

    def monotonic(self) -> float:
        """Seconds since some moment. It never goes back: for waits and deadlines."""


class SystemClock:
    """The machine's own clock."""

    # The C functions themselves: the hot path asks on every exposure.
    time: staticmethod[[], float] = staticmethod(_time.time)
    monotonic: staticmethod[[], float] = staticmethod(_time.monotonic)


def rest() -> None:
    """Let the other threads go on: a lengthy piece of work on a thread of ours does so between its steps."""
    _time.sleep(_REST)


_REST = 50e-6  # seconds: zero would not do, for who doesn't really sleep takes the interpreter's lock again
