"""Where events wait for their delivery."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from flagstaff.events.model import Form

__all__ = ["BREATH", "Batch", "Breathe", "LastWords", "MemorySpool", "Record", "Spool"]

Record: TypeAlias = tuple[bytes, str, str]  # the encoded event, its flag, its variant
LastWords: TypeAlias = Callable[[Sequence[Record]], Sequence[bytes]]
Breathe: TypeAlias = Callable[[], object] | None

BREATH = 64  # events that are encoded between two breaths
_KEPT_ASIDE = 16  # refused events kept for a person to look at


class Batch(NamedTuple):
    """The oldest records of a spool and where they stand in it."""

    position: int
    records: tuple[Record, ...]


class Spool(Protocol):
    """First in, first out; what is appended stays until it is acknowledged or set aside.

    Every method may be called from any thread, and none waits for the network. ``fault`` is a sentence about
    what is wrong with it now, or None.

    ``appended`` counts the events that were ever kept, ``settled`` those of them that have left, one way or
    the other. Once ``appended`` has come to ``wake_at``, or ``size`` to ``wake_size``, whoever sends wants to
    know.
    """

    fault: str | None
    appended: int
    settled: int
    wake_at: int
    wake_size: int

    @property
    def pending(self) -> int:
        """How many events wait."""

    @property
    def size(self) -> int:
        """How many bytes wait, as they are kept."""

    def expose(self, form: Form, unit: str, now: float, number: int) -> bool:
        """Keep an exposure, of which the form is to make an event; False when there is no room for it."""

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        """Keep an encoded event; False when there is no room for it."""

    def peek(self, max_count: int, max_bytes: int, breathe: Breathe = None) -> Batch | None:
        """Return the oldest events within both bounds, but at least one; None when there are none.

        ``breathe`` is called after every ``BREATH`` of them, to let others work.
        """

    def acknowledge(self, batch: Batch) -> int:
        """Let go of the batch that was peeked last; return how many events that were."""

    def set_aside(self, batch: Batch, reason: str) -> int:
        """Take events that nobody wants out of the way; return how many that were."""

    def tend(self, now: float) -> float:
        """See to what is no single event's business; return the seconds until it is time again.

        Called by the sender's driver; ``now`` is monotonic.
        """

    def close(self, last_words: LastWords | None = None) -> tuple[Record, ...]:
        """Take no more events; return those that can't outlive this process.

        ``last_words`` is told of them and answers with encoded events that are to be kept, where that is
        possible, for an heir.
        """

    def forked(self) -> None:
        """Become a child process's own: what waits here now is the parent's to deliver."""


class _Exposure(NamedTuple):
    """An exposure that is not encoded yet; ``weight`` is about the bytes that it will take."""

    weight: int
    form: Form
    unit: str
    now: float
    number: int

    def record(self) -> Record:
        form = self.form
        return form.render(self.unit, self.now, self.number), form.flag, form.variant


class _Event(NamedTuple):
    """An event that is encoded, and what it weighs."""

    weight: int
    event: bytes
    flag: str
    variant: str

    def record(self) -> Record:
        return self.event, self.flag, self.variant


_Kept: TypeAlias = _Exposure | _Event


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
        self._kept: deque[_Kept] = deque()
        self.size: int = 0
        self.appended: int = 0
        self.settled: int = 0
        self.wake_at: int = 0
        self.wake_size: int = 0
        # Re-entrant: a finaliser or a signal handler may track an event in the middle of this one.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def pending(self) -> int:
        return len(self._kept)

    def expose(self, form: Form, unit: str, now: float, number: int) -> bool:
        return self._keep(_Exposure(form.weight + 2 * len(unit), form, unit, now, number))

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        return self._keep(_Event(len(record), record, flag, variant))

    def _keep(self, event: _Kept) -> bool:
        with self._lock:
            size = self.size + event.weight
            if self._closed or size > self._max_bytes or len(self._kept) >= self._max_events:
                return False
            self.size = size
            self.appended += 1
            self._kept.append(event)
        return True

    def peek(self, max_count: int, max_bytes: int, breathe: Breathe = None) -> Batch | None:
        with self._lock:
            oldest = tuple(islice(self._kept, max_count))
            position = self.settled
        records: list[Record] = []
        size = 0
        for event in oldest:
            record = event.record()
            size += len(record[0])
            if size > max_bytes and records:
                break
            records.append(record)
            if breathe is not None and not len(records) % BREATH:
                breathe()
        return Batch(position, tuple(records)) if records else None

    def acknowledge(self, batch: Batch) -> int:
        with self._lock:
            if batch.position != self.settled or len(batch.records) > len(self._kept):
                return 0  # taken before a fork or a close: not ours any more
            for _ in batch.records:
                self.size -= self._kept.popleft().weight
            self.settled += len(batch.records)
        return len(batch.records)

    def set_aside(self, batch: Batch, reason: str) -> int:
        self.aside.extend((record, reason) for record in batch.records)
        return self.acknowledge(batch)

    def tend(self, now: float) -> float:  # noqa: ARG002 - the protocol's
        return math.inf

    def close(self, last_words: LastWords | None = None) -> tuple[Record, ...]:
        with self._lock:
            self._closed = True
            lost = tuple(event.record() for event in self._kept)
            self._kept.clear()
            self.size = 0
            self.settled += len(lost)
        if last_words is not None:
            last_words(lost)  # which nobody will hear
        return lost
