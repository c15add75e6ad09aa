"""The example shop, from end to end: ``make demo``.

One process serves the rules and collects events; others are the shop's web workers, each with a client of
its own that talks HTTP to the first. When all visitors have been served, what the collector holds is compared
with what it should hold. Exit code 1 if anything is off.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import timeit
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import mmh3
from verify import Row, expected_exposures, shares, stored_exposures
from visitors import PINNED, buy, visit, visitor, visits, visits_to

from flagstaff import Client
from flagstaff.server import EventStore, serve
from flagstaff.sources.file import load_file

RULES = Path(__file__).with_name("rules.toml")
MAX_DEVIATION = 4.5  # standard errors; one table in ten thousand would have such a row by chance
MAX_QUEUED = (
    4_000  # a worker's queue holds 10,000 events, and this one does in seconds what others do in a day
)
PATIENCE = 60.0  # seconds without a sign of life from anybody
_SPAWN = multiprocessing.get_context("spawn")


class Failure(Exception):  # noqa: N818  # it is shown to people, not caught by programs
    """Something went wrong that makes the rest pointless."""


# -- processes -------------------------------------------------------------------------------------


def serve_rules(rules: Path, events: Path, report: Connection) -> None:
    """The server's process: what ``flagstaff serve`` does."""
    _end_with_parent()
    serve(rules, port=0, events=events, load=partial(load_file, rules), ready=report.send)


def work(url: str, workers: int, visitors: int, worker: int, report: Connection) -> None:
    """A web worker's process: serves its visitors, and reports how far it is and what came of it."""
    _end_with_parent()
    met: Counter[tuple[str, str | None]] = Counter()
    with Client(url, flush_interval=0.5) as client:
        if not client.wait_ready(30):
            raise Failure(str(client.status()))
        for count, (who, own) in enumerate(visits_to(worker, workers, visitors), 1):
            variants = visit(client, who)
            if own and who.number != PINNED:
                met.update(set(variants))
            if own and who.buys:
                buy(client, who)
            if count % 250 == 0:
                report.send(250)
                _let_the_queue_drain(client)
        client.flush(30)
    report.send((met, client.stats()))


def _let_the_queue_drain(client: Client) -> None:
    if client.stats()["pending"] > MAX_QUEUED and not client.flush(30):
        raise Failure(str(client.status()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def process(name: str, target: Callable[..., None], *args: object) -> Iterator[Connection]:
    """A process that runs ``target(*args, report)``; gives the other end of ``report``."""
    ours, theirs = _SPAWN.Pipe(duplex=False)
    child = _SPAWN.Process(name=name, target=target, args=(*args, theirs), daemon=True)
    with _without_ctrl_c():
        child.start()
    theirs.close()
    try:
        yield ours
    finally:
        child.terminate()
        child.join(10)
        child.kill()
        child.join()
        ours.close()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """What starts here does not hear Ctrl-C: this process does, and ends the others."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# -- the run ---------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What the workers told."""

    met: Counter[tuple[str, str | None]]
    stats: dict[int, Any]


def run_workers(url: str, workers: int, visitors: int) -> Outcome:
    """Serve all visitors; Failure if a worker does not come to its end."""
    outcome = Outcome(Counter(), {})
    with ExitStack() as stack:
        reports = {
            stack.enter_context(process(f"worker {number}", work, url, workers, visitors, number)): number
            for number in range(1, workers + 1)
        }
        progress = Progress(visits(workers, visitors))
        while reports:
            ready = wait(list(reports), timeout=PATIENCE)
            if not ready:
                raise Failure(f"no worker has stirred for {PATIENCE:g} seconds")
            for report in ready:
                number = reports[report]
                said = _receive(report, f"worker {number}")
                if isinstance(said, int):
                    progress.add(said)
                    continue
                met, stats = said
                outcome.met.update(met)
                outcome.stats[number] = stats
                del reports[report]
        progress.end()
    return outcome


def _receive(report: Connection, name: str) -> Any:
    try:
        return report.recv()
    except EOFError:
        raise Failure(f"the process {name} ended before it was done") from None


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


def flip_the_kill_switch(url: str, rules: Path) -> float:
    """Switch payments off in the rules file; the seconds until a client far away has done so."""
    arrived = threading.Event()
    with Client(url, events=None, poll_interval=0.25) as client:
        if not client.wait_ready(10) or not client.enabled("payments"):
            raise Failure(f"payments should be on: {client.explain('payments')}")
        client.on_change(lambda changed: arrived.set() if "payments" in changed else None)
        began = time.perf_counter()
        _rewrite(rules, rules.read_text().replace("[flags.payments]", "[flags.payments]\nenabled = false"))
        if not arrived.wait(30) or client.enabled("payments"):
            raise Failure(f"payments should be off: {client.explain('payments')}")
        return time.perf_counter() - began


def _rewrite(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def costs() -> Iterator[tuple[str, float]]:
    """Nanoseconds of a call, beside those of one hash."""
    contexts = [visitor(number).context() for number in range(1_000)]
    texts = [f"checkout-cta:{context.targeting_key}" for context in contexts]
    yield "mmh3.hash(text), for comparison", _cost(mmh3.hash, texts)
    with Client.from_file(RULES) as client, Client.from_file(RULES, events=_Nowhere()) as measuring:
        yield 'enabled("payments"): a switch', _cost(partial(client.enabled, "payments"), contexts)
        yield 'enabled("new-checkout"): a rollout', _cost(partial(client.enabled, "new-checkout"), contexts)
        yield (
            'variant("checkout-cta"): an experiment',
            _cost(partial(client.variant, "checkout-cta"), contexts),
        )
        yield "  and its exposure, known already", _cost(partial(measuring.variant, "checkout-cta"), contexts)


def _cost(call: Callable[[Any], object], subjects: list[Any]) -> float:
    def once() -> None:
        for subject in subjects:
            call(subject)

    return min(timeit.repeat(once, number=20, repeat=5)) / 20 / len(subjects) * 1e9


class _Nowhere:
    def send(self, events: object) -> None:
        pass


# -- the report ------------------------------------------------------------------------------------


class Report:
    """What is printed, and whether all of it is as it should be."""

    def __init__(self) -> None:
        self.wrong = False

    def head(self, text: str) -> None:
        print(f"\n{text}")

    def line(self, text: str) -> None:
        print(f"  {text}")

    def check(self, sentence: str, ok: bool) -> None:
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


def report_shares(report: Report, rows: list[Row]) -> None:
    report.head("What each variant got, beside what it should have got")
    head = ("flag", "variant", "whom", "units", "share", "expected", "got", "deviation")
    shown = [
        (row.flag, row.variant, row.whom, f"{row.units:,}", f"{row.chance:.2%}", f"{row.due:,.0f}",
         f"{row.got:,}", f"{row.deviation:+.2f} se")
        for row in rows
    ]  # fmt: skip
    report.table(head, shown, left=3)
    worst = max((abs(row.deviation) for row in rows), default=math.inf)
    report.check(f"no share is more than {MAX_DEVIATION} standard errors off", worst <= MAX_DEVIATION)


def report_exposures(report: Report, outcome: Outcome, events: Path, visitors: int) -> None:
    report.head("Exposures")
    stored = stored_exposures(events)
    expected = expected_exposures(RULES, visitors)
    orders = sum(visitor(number).buys for number in range(visitors))
    with EventStore(events) as store:
        count = store.count()
        missing = sum(gap.missing for gap in store.gaps())
        tracks = [(track.event, track.count) for track in store.tracks()]
    sent = sum(stats["delivered"] for stats in outcome.stats.values())
    report.line(f"{sent:,} events sent; {count:,} stored; {sent - count:,} recognised as already there")
    report.check(
        f"{len(stored):,} exposures stored are the {len(expected):,} decided offline, one by one",
        stored.keys() == expected,
    )
    report.check("none of them is stored twice", all(times == 1 for times in stored.values()))
    report.check(f"all {orders:,} orders are stored, each once", tracks == [("order-placed", orders)])
    report.check("no number is missing in what any worker sent", missing == 0)


def report_workers(report: Report, stats: dict[int, Any]) -> None:
    report.head("Workers")
    ledgers = [(worker, *_ledger(counts)) for worker, counts in sorted(stats.items())]
    report.table(
        ("worker", "accepted", "delivered", "pending", "dropped"),
        [tuple(f"{number:,}" for number in ledger) for ledger in ledgers],
    )
    report.check(
        "accepted = delivered + pending + dropped, everywhere",
        all(accepted == sum(rest) for _, accepted, *rest in ledgers),
    )
    kept = sum(pending + dropped for *_, pending, dropped in ledgers)
    report.check("nothing is pending, nothing was dropped", kept == 0)


def _ledger(counts: Any) -> tuple[int, int, int, int]:
    dropped = sum(counts["dropped"].values())
    return counts["accepted"], counts["delivered"], counts["pending"], dropped


def report_costs(report: Report) -> None:
    report.head("What an evaluation costs in this process")
    measured = list(costs())
    base = measured[0][1]
    rows = [(what, f"{cost:,.0f} ns", f"{cost / base:.1f}") for what, cost in measured]
    report.table(("call", "time", "hashes"), rows)


# -- the program -----------------------------------------------------------------------------------


def run(workers: int, visitors: int, folder: Path) -> int:
    rules, events = folder / RULES.name, folder / "events.db"
    rules.write_text(RULES.read_text())
    report = Report()
    with process("server", serve_rules, rules, events) as server:
        url = _receive(server, "server")
        print(f"{visitors:,} visitors, {workers} web workers, one server at {url}", flush=True)
        began = time.perf_counter()
        outcome = run_workers(url, workers, visitors)
        print(f"  done in {time.perf_counter() - began:.1f} s")
        seconds = flip_the_kill_switch(url, rules)
    now = time.time()
    stored = stored_exposures(events)
    report_shares(report, list(shares(load_file(RULES).rules, now, visitors, outcome.met, stored)))
    report_exposures(report, outcome, events, visitors)
    report_workers(report, outcome.stats)
    report.head("The kill switch")
    report.check(f"switched off in the rules file, payments were off in a client {seconds:.1f} s later", True)
    report_costs(report)
    print(f"\n{'Something is off.' if report.wrong else 'All is as it should be.'}")
    return 1 if report.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the example shop from end to end.")
    parser.add_argument("--visitors", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    if given.visitors < 1 or given.workers < 1:
        parser.error("there must be a visitor and a worker")
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="flagstaff-demo-") as folder:
        try:
            return run(given.workers, given.visitors, Path(folder))
        except Failure as failure:
            print(f"\nFailed: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 130


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
