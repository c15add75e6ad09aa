"""Long lives: what grows, if anything does."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from flagstaff import Client, Context
from tests.gauntlet.collector import OK, collecting
from tests.gauntlet.misrule import Misrule, good, misruled
from tests.gauntlet.stage import Row, Rows, Scale
from tests.net.badserver import answer

__all__ = ["ROWS"]

_FAST, _FULL = 8.0, 600.0  # seconds
_MOST = 12.0  # MiB: what an outage leaves in the allocator comes once, a leak with every round


def soak(scale: Scale) -> Row:
    """Rules that change and fail, a collector that fails now and then, evaluations all the time."""
    seconds = _FAST if scale == 1 else _FULL
    with misruled() as misrule, collecting() as collector:
        refused = 0

        def behave(_: int) -> str:
            nonlocal refused
            collector.stored.clear()  # the oracle lives in this process, too
            collector.posts.clear()
            misrule.server.visits.clear()
            fails = time.monotonic() % 7 < 1
            refused += fails
            return "503" if fails else OK

        collector.behave = behave
        client = misrule.client(events=collector.url, flush_interval=0.05)
        assert client.wait_ready(10)
        begun, revision, asked = time.monotonic(), 1, 0
        while (
            time.monotonic() < begun + seconds / 3
        ):  # what is filled once: caches, pools, the first segments
            revision, asked = _live(client, misrule, revision, asked)
        client.flush(10)
        before = _size()
        while time.monotonic() < begun + seconds:
            revision, asked = _live(client, misrule, revision, asked)
        client.flush(10)
        after = _size()
        counts = client.stats()
    grown = [late - early for early, late in zip(before, after, strict=True)]
    return Row(
        "Nothing grows over time",
        f"{seconds:.0f} s, {asked:,} evaluations, {counts['accepted']:,} events, {revision} revisions",
        f"{grown[0]:+.1f} MiB, {grown[1]:+} descriptors, {grown[2]:+} threads in the last two thirds",
        f"{refused} posts refused",
        grown[0] <= _MOST and grown[1] <= 4 and grown[2] <= 0 and refused > 0,
    )


def _live(client: Client, misrule: Misrule, revision: int, asked: int) -> tuple[int, int]:
    for number in range(2000):
        client.value("flag-0", Context(f"user-{number}", plan="pro"))
    client.track("seen", Context(f"user-{asked}"))
    revision += 1
    misrule.behave = good(revision) if revision % 5 else answer(status=500)
    return revision, asked + 2000


def _size() -> tuple[float, int, int]:
    """Resident MiB, descriptors and threads."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resident, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


ROWS: Rows = {"soak": soak}
