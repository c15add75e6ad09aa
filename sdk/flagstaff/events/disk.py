"""A spool on disk: what it has accepted outlives the process, however that ends.

Write first, then queue: an event is in this process's own segment before ``append`` or ``expose`` returns,
and the operating system keeps it from there on (``sync`` asks it to keep it over a power loss as well). An
exposure is not even encoded then: its form lies in the segment once, and whoever sends it makes the event. A
segment is deleted when all of it has left. What a process leaves behind is adopted by the first that takes
its lock.

Where the disk fails, events are kept in memory, and the disk is tried again.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from flagstaff.events.frames import frame_event
from flagstaff.events.homes import Home
from flagstaff.events.inheritance import Inheritance
from flagstaff.events.ledger import CORRUPT
from flagstaff.events.refused import Refused
from flagstaff.events.segments import LEAST_ROOM, Segment
from flagstaff.events.spool import Batch, MemorySpool, Record
from flagstaff.runtime.notice import info, warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flagstaff.events.ledger import Ledger
    from flagstaff.events.model import Form
    from flagstaff.events.spool import Breathe, LastWords
    from flagstaff.runtime.clock import Clock

__all__ = ["DiskSpool"]

_SEGMENT = 1024 * 1024  # bytes of a segment
_LEAST_SEGMENTS = 8  # that a quota is cut into
_RETRY = 1.0  # seconds after which a disk that failed is tried again
_LOOK = 45.0  # seconds between two looks for what others left behind
_AT_HAND = 512 * 1024  # bytes of others' events among ours: enough to fill a batch


class _Part(NamedTuple):
    """What a batch took from one segment, and where the next record is to be looked for."""

    segment: Segment
    end: int
    events: int


class _Out(NamedTuple):
    """The batch that was peeked last, and where it came from: nowhere is memory."""

    batch: Batch
    parts: tuple[_Part, ...]


class DiskSpool:
    """Keeps up to ``quota`` bytes of events below ``root``, those of dead processes included.

    What processes of the same ``kin`` left is adopted at once, what others left when an hour has shown that
    their kind has died out. ``peek``, ``acknowledge``, ``set_aside`` and ``tend`` are the one driver's; all
    else is anybody's.
    """

    def __init__(
        self, root: Path, quota: int, clock: Clock, ledger: Ledger, *, sync: bool = False, kin: str = ""
    ) -> None:
        self._root = root
        self._kin = kin
        self._quota = quota
        self._limit = min(_SEGMENT, quota // _LEAST_SEGMENTS)
        self._clock = clock
        self._ledger = ledger
        self._sync = sync
        self._memory = MemorySpool()
        self._home: Home | None = None
        self._inheritance = Inheritance(root, kin)
        self.refused: Refused = Refused(root)
        self._segments: deque[Segment] = deque()
        self._closed = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.fault: str | None = None
        self._live: Segment | None = None
        self._adopted: set[Segment] = set()
        self._number = 0
        self._stored = 0  # bytes that our segments take
        self.appended: int = 0
        self.settled: int = 0
        self.wake_at: int = 0
        self.wake_size: int = 0
        self._out: _Out | None = None
        self._look_at = -math.inf
        self._try_at = -math.inf
        # Re-entrant: a finaliser or a signal handler may track an event in the middle of this one.
        self._lock = threading.RLock()

    def forked(self) -> None:
        """Become a child process's own: what waits here now is the parent's to deliver."""
        for segment in self._segments:
            segment.forget()
            segment.home.forget()  # our copy of the lock: while we held it, nobody could inherit
        if self._home is not None:
            self._home.forget()
        self._inheritance.forget()
        self._memory.forked()
        self._inheritance = Inheritance(self._root, self._kin)
        self._home = None
        self._segments = deque()
        self._begin_anew()

    # -- how much waits ---------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self.appended - self.settled

    @property
    def size(self) -> int:
        return sum(segment.size - segment.at for segment in tuple(self._segments)) + self._memory.size

    @property
    def aside(self) -> deque[tuple[Record, str]]:
        """Events that nobody wanted, the last few of them."""
        return self._memory.aside

    # -- in -----------------------------------------------------------------------------------------------

    def expose(self, form: Form, unit: str, now: float, number: int) -> bool:
        with self._lock:
            live = self._live
            if live is not None and not self._sync and live.expose(form, unit, now, number):
                self.appended += 1
                return True
            return self._expose_elsewhere(form, unit, now, number)

    def _expose_elsewhere(self, form: Form, unit: str, now: float, number: int) -> bool:
        return self._write(lambda live: live.expose(form, unit, now, number)) or (
            self.fault is not None and self._remember(self._memory.expose(form, unit, now, number))
        )

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        data = frame_event((record, flag, variant))
        with self._lock:
            return self._write(lambda live: live.append(data), len(data)) or (
                self.fault is not None and self._remember(self._memory.append(record, flag, variant))
            )

    def _write(self, write: Callable[[Segment], bool], size: int = 0) -> bool:
        """Write to the live segment, or to a new one; False where there is no room, or a fault."""
        if self.fault is not None and self._clock.monotonic() < self._try_at:
            return False
        try:
            written = self._live is not None and write(self._live)
            if not written:
                live = self._begin_segment(size)
                written = live is not None and write(live)
        except OSError as error:
            self._fail(error)
            return False
        if written:
            self.appended += 1
            self._secure()
        return written

    def _secure(self) -> None:
        """An event was written."""
        try:
            if self._sync and self._live is not None:
                self._live.sync()
        except OSError as error:
            self._fail(error)  # it outlives the process; more can't be had
        else:
            if self.fault is not None:
                self._recover()

    def _remember(self, kept: bool) -> bool:
        self.appended += kept
        return kept

    def _begin_segment(self, least: int = 0) -> Segment | None:
        """Begin a segment with room for so many bytes at least; None where the quota has none."""
        room = max(self._limit, least + LEAST_ROOM)
        if self._closed or self._stored + self._inheritance.size + room > self._quota:
            return None
        return self._open_segment(room)

    def _open_segment(self, room: int) -> Segment:
        if self._home is None:
            name = f"{self._kin}{os.getpid()}-{self._clock.time():.0f}-{os.urandom(4).hex()}"
            self._home = Home.new(self._root, name)
        self._number += 1
        segment = Segment.new(self._home, self._number, room, sync=self._sync)
        self._retire()
        self._live = segment
        self._segments.append(segment)
        self._stored += room
        return segment

    def _retire(self) -> None:
        """Write no more to the live segment."""
        live, self._live = self._live, None
        if live is not None and not live.pending:
            self._finish(live)
        elif live is not None and not live.lost:
            self._stored -= live.room
            live.release()  # from here on it is found by its name; a lost one has only its map
            self._stored += live.room

    def _fail(self, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        if self.fault is None:
            warn("events", "events can't be spooled to disk and are kept in memory: %s", reason)
        self.fault = f"events can't be spooled to disk and are kept in memory: {reason}"
        self._try_at = self._clock.monotonic() + _RETRY
        self._retire()  # it may hold half a frame; the next one goes elsewhere
        if self._home is not None and self._home.lost:
            self._home.release()
            self._home = None

    def _recover(self) -> None:
        self.fault = None
        info("events", "events are spooled to disk again")

    # -- out ----------------------------------------------------------------------------------------------

    def peek(self, max_count: int, max_bytes: int, breathe: Breathe = None) -> Batch | None:
        with self._lock:
            # First what would die with us; it is little, and mostly nothing.
            batch = self._memory.peek(max_count, max_bytes, breathe)
            self._out = None if batch is None else _Out(batch, ())
            segments = () if batch is not None or self._closed else tuple(self._segments)
        return batch if not segments else self._gather(segments, max_count, max_bytes, breathe)

    def _gather(
        self, segments: tuple[Segment, ...], max_count: int, max_bytes: int, breathe: Breathe
    ) -> Batch | None:
        """Make a batch of the oldest records, reading without keeping those who append waiting."""
        records: list[Record] = []
        parts: list[_Part] = []
        room = max_bytes
        for segment in segments:
            found, end = self._read(segment, max_count - len(records), room, breathe)
            weight = sum(len(record[0]) for record in found)
            if records and weight > room:
                break
            if not found:
                continue
            records += found
            parts.append(_Part(segment, end, len(found)))
            room -= weight
            if end < segment.size or len(records) >= max_count or room <= 0:
                break
        with self._lock:
            if not records or self._closed:
                return None
            self._out = _Out(Batch(self.settled, tuple(records)), tuple(parts))
            return self._out.batch

    def _read(
        self, segment: Segment, max_count: int, max_bytes: int, breathe: Breathe
    ) -> tuple[tuple[Record, ...], int]:
        """Some records and where the next one is; a segment that has none left is dealt with."""
        with self._lock:
            size = segment.size
        try:
            found = segment.fetch(size, max_count, max_bytes, breathe)
        except OSError as error:
            self._give_up(segment, error)
            return (), 0
        if not found.records:
            self._exhausted(segment, size)
        return found.records, found.end

    def acknowledge(self, batch: Batch) -> int:
        with self._lock:
            out, self._out = self._out, None
            if out is None or out.batch is not batch:
                return 0  # taken before a fork or a close: not ours any more
            taken = len(batch.records) if out.parts else self._memory.acknowledge(batch)
            self.settled += taken
            for segment, end, events in out.parts:
                segment.advance(end, events)
                if not segment.pending and segment is not self._live:
                    self._finish(segment)
            return taken

    def set_aside(self, batch: Batch, reason: str) -> int:
        self.aside.extend((record, reason) for record in batch.records)
        self.refused.keep(batch.records, reason)
        return self.acknowledge(batch)

    def _exhausted(self, segment: Segment, size: int) -> None:
        with self._lock:
            is_done = segment.size == size and (segment.pending or segment is not self._live)
            if segment in self._segments and is_done:
                self._finish(segment)

    def _give_up(self, segment: Segment, error: OSError) -> None:
        """A segment that can't be read any more: what it held is lost, and counted."""
        with self._lock:
            if segment in self._segments:
                warn("events", "a segment of the spool can't be read: %s", error.strerror)
                self._finish(segment)

    def _finish(self, segment: Segment) -> None:
        """Nothing can be read from it any more: what has not left is damaged; delete it."""
        for _ in range(segment.pending):
            self._ledger.drop(CORRUPT, "", "")
        self.settled += segment.pending
        self._stored -= segment.room
        if segment is self._live:
            self._live = None
        self._segments.remove(segment)
        segment.delete()
        if segment in self._adopted:
            self._adopted.discard(segment)
            self._inheritance.done(segment.home)

    # -- what others left -----------------------------------------------------------------------------------

    def tend(self, now: float) -> float:
        """Look for what dead processes left behind, now and then; the seconds until the next look."""
        if self._closed:
            return math.inf
        if now >= self._look_at:
            if self._look_at == -math.inf:
                self._inheritance.clear(self._clock.time())
            self._look_at = now + _LOOK
            self._prepare()
            self._inheritance.look(self._clock.time())
        while sum(segment.room for segment in self._adopted) < _AT_HAND:
            self._inheritance.inherit(self._quota - self._stored)
            segment = self._inheritance.take()
            if segment is None:
                break
            self._adopt(segment)
        return self._look_at - now

    def _prepare(self) -> None:
        """Have a segment ready, so that no event has to wait for one, and notice if ours has disappeared."""
        with self._lock:
            if self._home is not None:
                self._home.attest()
            if self._closed or (self._live is not None and not self._live.lost):
                return
            if self._home is not None and self._home.lost:
                self._home.release()
                self._home = None
            try:
                begun = self._begin_segment()
            except OSError as error:
                self._fail(error)
            else:
                if begun is not None and self.fault is not None:
                    self._recover()

    def _adopt(self, segment: Segment) -> None:
        with self._lock:
            if self._closed:
                return
            self._adopted.add(segment)
            self._segments.append(segment)
            self._stored += segment.room
            self.appended += segment.pending
            self._ledger.adopt(segment.pending)

    def close(self, last_words: LastWords | None = None) -> tuple[Record, ...]:
        """Take no more events. What is on disk stays for an heir; return what was in memory only."""
        with self._lock:
            if self._closed:
                return ()
            self._closed = True
            self._out = None
            lost = self._memory.close()
            self.settled += len(lost)
            for event in last_words(lost) if last_words is not None else ():
                self._leave(frame_event((event, "", "")))
            for segment in self._segments:
                if segment.pending:
                    segment.release()
                else:
                    segment.delete()
            self._segments.clear()
            self._live = None
            self._inheritance.release()
            if self._home is not None:
                self._home.remove()
            return lost

    def _leave(self, data: bytes) -> None:
        """Keep something for an heir that is no event of ours, whatever the quota says."""
        with suppress(OSError):
            if self._live is None or not self._live.append(data):
                self._open_segment(max(self._limit, len(data) + LEAST_ROOM)).append(data)
