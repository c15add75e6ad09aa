"""Which numbers of which process have arrived, kept as ranges.

A range, not a number per event: duplicates arrive too (so the events themselves can't tell), and a
healthy process is one row however many events it sends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from flagstaff.server.cloudevents import Event

__all__ = ["GAPS", "SCHEMA", "note", "ranges"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS arrivals (
    source TEXT NOT NULL,
    process TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (source, process, first)
) WITHOUT ROWID;
"""
GAPS = """
SELECT source, process, max(last), max(last) - sum(last - first + 1)
FROM arrivals GROUP BY source, process ORDER BY source, process
"""
_TOUCHING = "FROM arrivals WHERE source = ? AND process = ? AND first <= ? AND last >= ?"


def note(connection: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Add the numbers of these events; the caller holds the transaction."""
    numbers: dict[tuple[str, str], set[int]] = {}
    for event in events:
        if event.process is not None and event.sequence:
            numbers.setdefault((event.source, event.process), set()).add(event.sequence)
    for (source, process), sequences in numbers.items():
        for first, last in ranges(sequences):
            _merge(connection, source, process, first, last)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Group numbers into inclusive runs, lowest first."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] >= number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _merge(connection: sqlite3.Connection, source: str, process: str, first: int, last: int) -> None:
    """Replace every run that overlaps or borders this one by their union."""
    touching = (source, process, last + 1, first - 1)
    low, high = connection.execute(f"SELECT min(first), max(last) {_TOUCHING}", touching).fetchone()
    if low is not None:
        connection.execute(f"DELETE {_TOUCHING}", touching)
        first, last = min(first, low), max(last, high)
    connection.execute("INSERT INTO arrivals VALUES (?, ?, ?, ?)", (source, process, first, last))
