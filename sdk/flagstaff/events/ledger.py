"""What became of every event: delivered, pending or dropped, and if dropped, why."""

from __future__ import annotations

import threading
from collections import Counter
from operator import length_hint
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "CORRUPT",
    "NOT_ENCODABLE",
    "QUEUE_FULL",
    "REJECTED",
    "SHUTDOWN",
    "TOO_LARGE",
    "UNIT_MISSING",
    "Counts",
    "Ledger",
    "Loss",
]

QUEUE_FULL = "queue_full"  # the spool had no room
TOO_LARGE = "too_large"  # one event is bigger than allowed, here or at the collector
NOT_ENCODABLE = "not_encodable"  # it holds something that JSON can't
REJECTED = "rejected"  # the collector takes everything but this one
UNIT_MISSING = "unit_missing"  # the context lost it after the decision
CORRUPT = "corrupt"  # it was spooled to disk and can't be read back
SHUTDOWN = "shutdown"  # the client was closed before it could leave


_MOST = 10**15


class Loss(TypedDict):
    """How many events were dropped for one reason; flag and variant are empty for tracked events."""

    reason: str
    flag: str
    variant: str
    count: int


class Counts(TypedDict):
    """A ledger at one moment: ``accepted == delivered + pending + sum(dropped.values())``."""

    accepted: int
    delivered: int
    pending: int
    dropped: dict[str, int]
    losses: list[Loss]


class Ledger:
    """Counts events from any thread; at every moment accepted = delivered + pending + dropped.

    An event is *accepted* when the caller offers it, whatever becomes of it, or when it is adopted from a
    process that is gone; a repetition that was recognised before is no event. A snapshot is consistent in
    itself.
    """

    def __init__(self) -> None:
        self.forked()

    def forked(self) -> None:
        """Start from nothing, in a child process: what came before is the parent's to count."""
        # An iterator and not a number, for two threads never get the same from it: a lock would cost more.
        self._numbers = iter(range(1, _MOST))
        #: Count an event that the caller offers; from now on it is pending. Returns its number, from 1 on.
        self.accept: Callable[[], int] = self._numbers.__next__
        self._adopted = 0
        self._delivered = 0
        self._dropped: Counter[tuple[str, str, str]] = Counter()
        self._reported: Counter[tuple[str, str, str]] = Counter()
        self._lost = 0
        self._unreported = 0
        # Re-entrant: a finaliser or a signal handler may track an event in the middle of this one.
        self._lock = threading.RLock()

    @property
    def unreported(self) -> int:
        """How many events were dropped that the collector has not been told of."""
        return self._unreported

    def adopt(self, count: int) -> None:
        """Count pending events that another process accepted and left behind."""
        with self._lock:
            self._adopted += count

    def deliver(self, count: int) -> None:
        """Count pending events that the collector has acknowledged."""
        with self._lock:
            self._delivered += count

    def drop(self, reason: str, flag: str, variant: str) -> None:
        """Count a pending event that is given up."""
        with self._lock:
            self._dropped[reason, flag, variant] += 1
            self._lost += 1
            self._unreported += 1

    def losses(self, most: int) -> tuple[Loss, ...]:
        """Return what the collector has not been told of, the ``most`` weighty kinds."""
        with self._lock:
            unreported = (self._dropped - self._reported).most_common(most)
        return tuple(_loss(kind, count) for kind, count in unreported)

    def reported(self, losses: tuple[Loss, ...]) -> None:
        """Note that the collector was told of these."""
        with self._lock:
            for loss in losses:
                self._reported[loss["reason"], loss["flag"], loss["variant"]] += loss["count"]
                self._unreported -= loss["count"]

    def snapshot(self) -> Counts:
        """Return all counts of one moment, as plain data."""
        with self._lock:
            dropped = self._dropped.copy()
            delivered, lost = self._delivered, self._lost
            # Last: what is delivered was accepted before.
            accepted = _MOST - 1 - length_hint(self._numbers) + self._adopted
        by_reason: Counter[str] = Counter()
        for (reason, _, _), count in dropped.items():
            by_reason[reason] += count
        return {
            "accepted": accepted,
            "delivered": delivered,
            "pending": accepted - delivered - lost,
            "dropped": dict(by_reason),
            "losses": [_loss(kind, count) for kind, count in sorted(dropped.items())],
        }


def _loss(kind: tuple[str, str, str], count: int) -> Loss:
    reason, flag, variant = kind
    return {"reason": reason, "flag": flag, "variant": variant, "count": count}
