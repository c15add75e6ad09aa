"""Where events come to rest: one SQLite file that holds each of them exactly once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from mmh3 import mmh3_x64_128_digest

from flagstaff.server import arrivals
from flagstaff.server.cloudevents import Event
from flagstaff.server.database import Database, Kind

__all__ = ["Added", "EventStore", "ExposureCount", "Gap", "LossCount", "TrackCount"]

# The rows keep their order of arrival, and only the key is random: each event changes another page of its
# index. So it is narrow, a digest of 128 bits of what tells events apart, and that index a third of the pages
# that one of sources and ids would be.
_EVENTS = """
CREATE TABLE IF NOT EXISTS events (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT,
    time TEXT,
    process TEXT,
    sequence INTEGER,
    flag TEXT,
    experiment TEXT,
    variant TEXT,
    event TEXT,
    data TEXT NOT NULL,
    received TEXT NOT NULL,
    mark BLOB NOT NULL UNIQUE
);
"""
_KIND = Kind(application=0x666C6167, version=2, schema=_EVENTS + arrivals.SCHEMA)
_ADD = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (mark) DO NOTHING"
_EXPOSURES = """
SELECT flag, experiment, variant, count(*), count(DISTINCT subject),
       min(coalesce(time, received)), max(coalesce(time, received))
FROM events WHERE type = 'flagstaff.exposure'
GROUP BY flag, experiment, variant ORDER BY flag, experiment, variant
"""
_TRACKS = """
SELECT event, count(*), count(DISTINCT subject)
FROM events WHERE type = 'flagstaff.track' GROUP BY event ORDER BY event
"""
_LOSSES = "SELECT data FROM events WHERE type = 'flagstaff.loss'"


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a batch: events stored now, and events that were already there."""

    stored: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class ExposureCount:
    """One variant's exposures; ``first`` and ``last`` are UTC times as text."""

    flag: str
    experiment: str
    variant: str
    count: int
    units: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class LossCount:
    """Events that senders say they dropped."""

    reason: str
    flag: str | None
    variant: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Gap:
    """How many of one process's events, numbered from 1, have not arrived yet."""

    source: str
    process: str
    highest: int
    missing: int


@dataclass(frozen=True, slots=True)
class TrackCount:
    """One tracked event's name, how often it was seen, and from how many units."""

    event: str
    count: int
    units: int


class EventStore:
    """A SQLite file of events, each stored once, safe to use from several threads and processes.

    Opening creates the file (readable by its owner alone) or raises ServeError with a sentence when
    it can't be used: no such directory, another program's file, a newer flagstaff's file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(Path(path).absolute(), _KIND)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._database.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was added is already safe."""
        self._database.close()

    def add(self, events: Iterable[Event]) -> Added:
        """Store events in one transaction, on disk (fsync) before it returns; all of them or none.

        An event whose source and id are known is counted as a duplicate and changes nothing.
        Raises ServeError when the file can't be written.
        """
        batch = list(events)
        received = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._database.writing() as writer:
            before = writer.total_changes
            writer.executemany(_ADD, ((*event, received, _mark(event)) for event in batch))
            stored = writer.total_changes - before
            arrivals.note(writer, batch)
        return Added(stored, len(batch) - stored)

    def count(self) -> int:
        """Count the events stored, of every type."""
        ((count,),) = self._database.read("SELECT count(*) FROM events")
        return int(count)

    def exposures(self) -> list[ExposureCount]:
        """Count exposures and distinct units by flag, experiment and variant."""
        return [ExposureCount(*row) for row in self._database.read(_EXPOSURES)]

    def tracks(self) -> list[TrackCount]:
        """Count tracked events and their distinct units by name."""
        return [TrackCount(*row) for row in self._database.read(_TRACKS)]

    def gaps(self) -> list[Gap]:
        """Count what is missing between 1 and the highest number seen: a row for every process."""
        return [Gap(*row) for row in self._database.read(arrivals.GAPS)]

    def losses(self) -> list[LossCount]:
        """Sum what senders reported as dropped by reason, flag and variant."""
        totals: Counter[tuple[str, str | None, str | None]] = Counter()
        for (data,) in self._database.read(_LOSSES):
            for entry in json.loads(data)["dropped"]:
                totals[entry["reason"], entry.get("flag"), entry.get("variant")] += entry["count"]
        return [LossCount(*key, count) for key, count in sorted(totals.items(), key=repr)]


def _mark(event: Event) -> bytes:
    """What tells the event apart from all others; the length says where its source ends and its id begins."""
    return mmh3_x64_128_digest(f"{len(event.source)} {event.source}{event.id}".encode(), 0)
