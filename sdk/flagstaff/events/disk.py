"""A spool on disk: what it has accepted outlives the process, however that ends.

Write first, then queue: an event is in this process's own segment before ``append`` returns, and the
operating system keeps it from there on (``sync`` asks it to keep it over a power loss as well). A segment
is deleted when all of it has left. What a process leaves behind is adopted by the first that takes its
lock.

Where the disk fails, events are kept in memory, and the disk is tried again.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from flagstaff.events.frames import frame
from flagstaff.events.ledger import CORRUPT
from flagstaff.events.segments import Home, Segment, orphans
from flagstaff.events.spool import Batch, MemorySpool, Record
from flagstaff.runtime.notice import info, warn

if TYPE_CHECKING:
    from pathlib import Path

    from flagstaff.events.ledger import Ledger
    from flagstaff.runtime.clock import Clock

__all__ = ["DiskSpool"]

_SEGMENT = 1024 * 1024  # bytes, from which on a new segment is begun
_RETRY = 1.0  # seconds after which a disk that failed is tried again
_LOOK = 60.0  # seconds between two looks for what others left behind
_AT_ONCE = 256  # segments adopted in one look


class _Out(NamedTuple):
    """The batch that was peeked last, and where it came from."""

    batch: Batch
    segment: Segment | None  # None: memory
    end: int


class DiskSpool:
    """Keeps up to ``quota`` bytes of events below ``root``, those of dead processes included."""

    def __init__(self, root: Path, quota: int, clock: Clock, ledger: Ledger, *, sync: bool = False) -> None:
        self._root = root
        self._quota = quota
        self._clock = clock
        self._ledger = ledger
        self._sync = sync
        self._memory = MemorySpool()
        self._home: Home | None = None
        self._inherited: dict[Home, int] = {}  # directories of the dead: how many segments are left there
        self._segments: deque[Segment] = deque()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.fault: str | None = None
        self._live: Segment | None = None
        self._number = 0
        self._pending = self._size = self._appended = self._settled = 0
        self._out: _Out | None = None
        self._closed = False
        self._look_at = -math.inf
        self._try_at = -math.inf
        # Re-entrant: a finaliser or a signal handler may track an event in the middle of this one.
        self._lock = threading.RLock()

    def forked(self) -> None:
        """Become a child process's own: what waits here now is the parent's to deliver."""
        for segment in self._segments:
            segment.release()
        for home in (self._home, *self._inherited):
            if home is not None:
                home.release()  # our copy of the lock: while we held it, nobody could inherit
        self._memory.forked()
        self._home = None
        self._inherited = {}
        self._segments = deque()
        self._begin_anew()

    # -- how much waits ---------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self._pending + self._memory.pending

    @property
    def size(self) -> int:
        return self._size + self._memory.size

    @property
    def appended(self) -> int:
        return self._appended + self._memory.appended

    @property
    def settled(self) -> int:
        return self._settled + self._memory.settled

    @property
    def aside(self) -> deque[tuple[Record, str]]:
        """Events that nobody wanted, the last few of them."""
        return self._memory.aside

    # -- in -----------------------------------------------------------------------------------------------

    def append(self, record: bytes, flag: str, variant: str) -> bool:
        data = frame((record, flag, variant))
        with self._lock:
            if self._closed or self._size + len(data) > self._quota:
                return False
            if not self._write(data):
                return self._memory.append(record, flag, variant)
            self._pending += 1
            self._size += len(data)
            self._appended += 1
        return True

    def _write(self, data: bytes) -> bool:
        if self.fault is not None and self._clock.monotonic() < self._try_at:
            return False
        try:
            live = self._live
            if live is None or live.size + len(data) > _SEGMENT:
                live = self._begin_segment()
            live.append(data, sync=self._sync)
        except OSError as error:
            self._fail(error)
            return False
        if self.fault is not None:
            self.fault = None
            info("events", "events are spooled to disk again")
        return True

    def _begin_segment(self) -> Segment:
        if self._home is None:
            name = f"{os.getpid()}-{self._clock.time():.0f}-{os.urandom(4).hex()}"
            self._home = Home.new(self._root, name)
        self._number += 1
        live = Segment.new(self._home, self._number)
        self._live = live
        self._segments.append(live)
        return live

    def _fail(self, error: OSError) -> None:
        if self.fault is None:
            warn("events", "events can't be spooled to disk and are kept in memory: %s", error.strerror)
        self.fault = f"events can't be spooled to disk and are kept in memory: {error.strerror}"
        self._try_at = self._clock.monotonic() + _RETRY
        self._live = None  # it may hold half a frame; the next one goes elsewhere

    # -- out ----------------------------------------------------------------------------------------------

    def peek(self, max_count: int, max_bytes: int) -> Batch | None:
        with self._lock:
            while self._segments:
                segment = self._segments[0]
                try:
                    found = segment.read(max_count, max_bytes)
                except OSError as error:
                    self._give_up(segment, error)
                    continue
                if found.records:
                    batch = Batch(self._settled, found.records)
                    self._out = _Out(batch, segment, found.end)
                    return batch
                if not self._finish(segment, found.end):
                    break
            batch_in_memory = self._memory.peek(max_count, max_bytes)
            self._out = None if batch_in_memory is None else _Out(batch_in_memory, None, 0)
            return batch_in_memory

    def acknowledge(self, batch: Batch) -> int:
        with self._lock:
            out = self._out
            if out is None or out.batch is not batch:
                return 0  # taken before a fork or a close: not ours any more
            self._out = None
            if out.segment is None:
                return self._memory.acknowledge(batch)
            count = len(batch.records)
            out.segment.advance(out.end, count)
            self._pending -= count
            self._settled += count
            if out.segment.read_to_the_end:
                self._finish(out.segment, out.end)
            return count

    def set_aside(self, batch: Batch, reason: str) -> int:
        self.aside.extend((record, reason) for record in batch.records)
        return self.acknowledge(batch)

    def _finish(self, segment: Segment, end: int) -> bool:
        """Delete a segment that nothing can be read from any more; False where there is nothing to delete."""
        if segment is self._live:
            if segment.size == 0:
                return False
            self._live = None
        segment.advance(end, 0)
        self._lose(segment)
        self._segments.remove(segment)
        self._size -= segment.size
        segment.delete()
        self._leave(segment.home)
        return True

    def _give_up(self, segment: Segment, error: OSError) -> None:
        """A segment that can't be read any more: what it held is lost, and counted."""
        warn("events", "a segment of the spool can't be read: %s", error.strerror)
        self._finish(segment, segment.size)

    def _lose(self, segment: Segment) -> None:
        """What was written and can't be read back is damaged."""
        for _ in range(segment.pending):
            self._ledger.drop(CORRUPT, "", "")
        self._pending -= segment.pending
        self._settled += segment.pending

    def _leave(self, home: Home) -> None:
        """Remove the directory of a dead process when its last segment is gone."""
        if home in self._inherited:
            self._inherited[home] -= 1
            if not self._inherited[home]:
                del self._inherited[home]
                home.remove()

    # -- inheriting -----------------------------------------------------------------------------------------

    def tend(self, now: float) -> float:
        """Look for what dead processes left behind, now and then; the seconds until the next look."""
        with self._lock:
            if now >= self._look_at and not self._closed:
                self._look_at = now + _LOOK
                self._inherit()
            return self._look_at - now

    def _inherit(self) -> None:
        for home in orphans(self._root):
            try:
                paths = home.segments()
            except OSError:
                home.release()
                continue
            adopted = sum(self._adopt(home, path) for path in paths[:_AT_ONCE])
            if adopted:
                self._inherited[home] = adopted
            else:
                home.remove()

    def _adopt(self, home: Home, path: Path) -> bool:
        try:
            segment = Segment.left(home, path)
        except OSError as error:
            warn("events", "a segment of the spool can't be read: %s", error.strerror)
            return False
        if not segment.pending:
            segment.delete()
            return False
        self._segments.appendleft(segment)
        self._pending += segment.pending
        self._size += segment.size
        self._appended += segment.pending
        self._ledger.adopt(segment.pending)
        return True

    def close(self) -> tuple[Record, ...]:
        """Take no more events. What is on disk stays for an heir; return what was in memory only."""
        with self._lock:
            self._closed = True
            for segment in self._segments:
                segment.release()
            for home in self._inherited:
                home.release()
            if self._home is not None:
                self._home.remove()
            self._segments.clear()
            self._out = None
            return self._memory.close()
