"""Where events wait for their delivery."""

from __future__ import annotations

import math
import threading
from collections import deque
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

__all__ = ["Batch", "MemorySpool", "Record", "Spool"]

Record: TypeAlias = tuple[bytes, str, str]  # the encoded event, its flag, its variant

_KEPT_ASIDE = 16  # refused events kept for a person to look at


class Batch(NamedTuple):
    """The oldest records of a spool and where they stand in it."""

    position: int
    records: tuple[Record, ...]


class Spool(Protocol):
    """First in, first out; what is appended stays until it is acknowledged or set aside.

    Every method may be called from any thread, and none waits for the network. ``fault`` is a sentence about
    what is wrong with it now, or None.
    """

    fault: str | None

    @property
    def pending(self) -> int:
        """How many events wait."""

    @property
    def size(self) -> int:
        """How many bytes wait."""

    @property
    def appended(self) -> int:
        """How many events were ever kept."""

    @property
    def settled(self) -> int:
        """How many of those have left, one way or the other."""

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        """Keep an event; False when there is no room for it."""

    def peek(self, max_count: int, max_bytes: int) -> Batch | None:
        """Return the oldest events within both bounds, but at least one; None when there are none."""

    def acknowledge(self, batch: Batch) -> int:
        """Let go of the batch that was peeked last; return how many events that were."""

    def set_aside(self, batch: Batch, reason: str) -> int:
        """Take events that nobody wants out of the way; return how many that were."""

    def tend(self, now: float) -> float:
        """See to what is no single event's business; return the seconds until it is time again.

        Called by the sender's driver; ``now`` is monotonic.
        """

    def close(self) -> tuple[Record, ...]:
        """Take no more events; return those that can't outlive this process."""

    def forked(self) -> None:
        """Become a child process's own: what waits here now is the parent's to deliver."""


class MemorySpool:
    """Keeps up to ``max_events`` events of ``max_bytes`` in all, in memory: they die with the process."""

    def __init__(self, max_events: int = 10_000, max_bytes: int = 8 * 1024 * 1024) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._closed = False
        self.fault: str | None = None
        self.aside: deque[tuple[Record, str]] = deque(maxlen=_KEPT_ASIDE)
        self.forked()

    def forked(self) -> None:
        """Become a child process's own: empty, with a lock that nobody holds."""
        self._records: deque[Record] = deque()
        self._size = 0
        self._settled = 0
        # Re-entrant: a finaliser or a signal handler may track an event in the middle of this one.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def pending(self) -> int:
        return len(self._records)

    @property
    def size(self) -> int:
        return self._size

    @property
    def appended(self) -> int:
        with self._lock:
            return self._settled + len(self._records)

    @property
    def settled(self) -> int:
        return self._settled

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        with self._lock:
            size = self._size + len(record)
            if self._closed or size > self._max_bytes or len(self._records) >= self._max_events:
                return False
            self._size = size
            self._records.append((record, flag, variant))
        return True

    def peek(self, max_count: int, max_bytes: int) -> Batch | None:
        with self._lock:
            oldest = tuple(islice(self._records, max_count))
            position = self._settled
        size = 0
        for count, record in enumerate(oldest):
            size += len(record[0])
            if size > max_bytes and count > 0:
                return Batch(position, oldest[:count])
        return Batch(position, oldest) if oldest else None

    def acknowledge(self, batch: Batch) -> int:
        with self._lock:
            if batch.position != self._settled or len(batch.records) > len(self._records):
                return 0  # taken before a fork or a close: not ours any more
            for _ in batch.records:
                self._size -= len(self._records.popleft()[0])
            self._settled += len(batch.records)
        return len(batch.records)

    def set_aside(self, batch: Batch, reason: str) -> int:
        self.aside.extend((record, reason) for record in batch.records)
        return self.acknowledge(batch)

    def tend(self, now: float) -> float:  # noqa: ARG002 - the protocol's
        return math.inf

    def close(self) -> tuple[Record, ...]:
        with self._lock:
            self._closed = True
            lost = tuple(self._records)
            self._records.clear()
            self._size = 0
            self._settled += len(lost)
        return lost
