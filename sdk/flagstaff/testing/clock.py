"""Time that passes when a test says so."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A clock for a client's ``clock``: it stands still until ``advance`` is called.

        clock = FakeClock()
        client = Client.from_document(rules, clock=clock)
        clock.advance(3600)

    ``now`` is where the wall clock starts, in seconds since the epoch: noon on 1 January 2026, UTC.
    """

    def __init__(self, now: float = 1_767_268_800.0) -> None:
        self._now = now
        self._passed = 0.0

    def time(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now + self._passed

    def monotonic(self) -> float:
        """Seconds that have passed since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass; ValueError for a negative number, since time never goes back."""
        if seconds < 0:
            raise ValueError(f"time never goes back: advance({seconds!r})")
        self._passed += seconds
