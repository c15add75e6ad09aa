"""What the demo prints, and whether all of it is as it should be."""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from costs import costs
from verify import expected_exposures, shares, stored_exposures
from visitors import visitor

from flagstaff.server import EventStore
from flagstaff.sources.file import load_file

MAX_DEVIATION = 4.5  # standard errors; one table in ten thousand would have such a row by chance


class Run:
    """One run: what went in, and what the workers told."""

    def __init__(self, rules: Path, events: Path, visitors: int) -> None:
        self.rules = rules
        self.events = events
        self.visitors = visitors
        self.met: Counter[tuple[str, str | None]] = Counter()
        self.stats: dict[int, Any] = {}


class Progress:
    """Says how far it is: on one line of a terminal, else now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._said = 0
        self._terminal = sys.stdout.isatty()

    def add(self, count: int) -> None:
        self._done += count
        text = f"  {self._done:,} of {self._total:,} visits"
        if self._terminal:
            print(f"\r{text}", end="", flush=True)
        elif self._done - self._said >= self._total / 5:
            self._said = self._done
            print(text, flush=True)

    def end(self) -> None:
        self.add(self._total - self._done)
        if self._terminal:
            print()


class Report:
    """What is printed, and whether all of it is as it should be."""

    def __init__(self) -> None:
        self.wrong = False

    def head(self, text: str) -> None:
        print(f"\n{text}")

    def line(self, text: str) -> None:
        print(f"  {text}")

    def check(self, sentence: str, *, ok: bool) -> None:
        self.wrong |= not ok
        print(f"  {'ok' if ok else 'WRONG':<7}{sentence}")

    def table(self, head: tuple[str, ...], rows: Sequence[tuple[str, ...]], left: int = 1) -> None:
        """A table whose first ``left`` columns are text and whose others are numbers."""
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            cells = [
                cell.ljust(width) if index < left else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            self.line("  ".join(cells).rstrip())


def report_shares(report: Report, run: Run) -> None:
    rules, stored = load_file(run.rules).rules, stored_exposures(run.events)
    rows = list(shares(rules, time.time(), run.visitors, run.met, stored))
    report.head("What each variant got, beside what it should have got")
    head = ("flag", "variant", "whom", "units", "share", "expected", "got", "deviation")
    shown = [
        (row.flag, row.variant, row.whom, f"{row.units:,}", f"{row.chance:.2%}", f"{row.due:,.0f}",
         f"{row.got:,}", f"{row.deviation:+.2f} se")
        for row in rows
    ]  # fmt: skip
    report.table(head, shown, left=3)
    worst = max((abs(row.deviation) for row in rows), default=math.inf)
    report.check(f"no share is more than {MAX_DEVIATION} standard errors off", ok=worst <= MAX_DEVIATION)


def report_exposures(report: Report, run: Run) -> None:
    report.head("Exposures")
    stored = stored_exposures(run.events)
    expected = expected_exposures(run.rules, run.visitors)
    orders = sum(visitor(number).buys for number in range(run.visitors))
    with EventStore(run.events) as store:
        count = store.count()
        missing = sum(gap.missing for gap in store.gaps())
        tracks = [(track.event, track.count) for track in store.tracks()]
    sent = sum(stats["delivered"] for stats in run.stats.values())
    report.line(f"{sent:,} events sent; {count:,} stored; {sent - count:,} recognised as already there")
    report.check(
        f"{len(stored):,} exposures stored are the {len(expected):,} decided offline, one by one",
        ok=stored.keys() == expected,
    )
    report.check("none of them is stored twice", ok=all(times == 1 for times in stored.values()))
    report.check(f"all {orders:,} orders are stored, each once", ok=tracks == [("order-placed", orders)])
    report.check("no number is missing in what any worker sent", ok=missing == 0)


def report_workers(report: Report, run: Run) -> None:
    report.head("Workers")
    ledgers = [(worker, *_ledger(counts)) for worker, counts in sorted(run.stats.items())]
    report.table(
        ("worker", "accepted", "delivered", "pending", "dropped"),
        [tuple(f"{number:,}" for number in ledger) for ledger in ledgers],
    )
    report.check(
        "accepted = delivered + pending + dropped, everywhere",
        ok=all(accepted == sum(rest) for _, accepted, *rest in ledgers),
    )
    kept = sum(pending + dropped for *_, pending, dropped in ledgers)
    report.check("nothing is pending, nothing was dropped", ok=kept == 0)


def _ledger(counts: Any) -> tuple[int, int, int, int]:
    dropped = sum(counts["dropped"].values())
    return counts["accepted"], counts["delivered"], counts["pending"], dropped


def report_costs(report: Report, run: Run) -> None:
    report.head("What an evaluation costs in this process")
    measured = list(costs(run.rules))
    base = measured[0][1]
    rows = [(what, f"{cost:,.0f} ns", f"{cost / base:.1f}") for what, cost in measured]
    report.table(("call", "time", "hashes"), rows)
