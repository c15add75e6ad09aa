"""The example shop, from end to end: ``make demo``.

One process serves the rules and collects events; others are the shop's web workers, each with a client of
its own that talks HTTP to the first. When all visitors have been served, what the collector holds is compared
with what it should hold. Exit code 1 if anything is off.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from report import Progress, Report, Run, report_costs, report_exposures, report_shares, report_workers
from visitors import PINNED, buy, visit, visits, visits_to

from flagstaff import Client
from flagstaff.server import serve
from flagstaff.sources.file import load_file

RULES = Path(__file__).with_name("rules.toml")
MAX_QUEUED = 4_000  # a client's queue holds 10,000 events, and a day's visitors come within seconds here
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
    """End when the parent says so, or when it is no more; Ctrl-C is its business alone."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
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
    try:
        with _uninterrupted():
            child.start()
        theirs.close()
        yield ours
    finally:
        if child.pid is not None:
            child.terminate()
            child.join(10)
            child.kill()
            child.join()
        ours.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals wait meanwhile; a process that is started here goes on not hearing them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- the run ---------------------------------------------------------------------------------------


def run_workers(url: str, workers: int, run: Run) -> None:
    """Serve all visitors; Failure if a worker does not come to its end."""
    with ExitStack() as stack:
        reports = {
            stack.enter_context(process(f"worker {number}", work, url, workers, run.visitors, number)): number
            for number in range(1, workers + 1)
        }
        progress = Progress(visits(workers, run.visitors))
        while reports:
            ready = wait(list(reports), timeout=PATIENCE)
            if not ready:
                raise Failure(f"no worker has stirred for {PATIENCE:g} seconds")
            for report, number in [each for each in reports.items() if each[0] in ready]:
                said = _receive(report, f"worker {number}")
                if isinstance(said, int):
                    progress.add(said)
                    continue
                met, stats = said
                run.met.update(met)
                run.stats[number] = stats
                del reports[report]
        progress.end()


def _receive(report: Connection, name: str) -> Any:
    try:
        return report.recv()
    except EOFError:
        raise Failure(f"the process {name} ended before it was done") from None


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


# -- the program -----------------------------------------------------------------------------------


def demonstrate(workers: int, visitors: int, folder: Path) -> bool:
    """Run the shop, and print how it went; whether all was as it should be."""
    rules, run = folder / RULES.name, Run(RULES, folder / "events.db", visitors)
    rules.write_text(RULES.read_text())
    with process("server", serve_rules, rules, run.events) as server:
        url = _receive(server, "server")
        print(f"{visitors:,} visitors, {workers} web workers, one server at {url}", flush=True)
        began = time.perf_counter()
        run_workers(url, workers, run)
        print(f"  done in {time.perf_counter() - began:.1f} s")
        seconds = flip_the_kill_switch(url, rules)
    report = Report()
    report_shares(report, run)
    report_exposures(report, run)
    report_workers(report, run)
    report.head("The kill switch")
    report.line(f"switched off in the rules file, payments were off in a client {seconds:.1f} s later")
    report_costs(report, run)
    print("\nSomething is off." if report.wrong else "\nAll is as it should be.")
    return not report.wrong


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
            return 0 if demonstrate(given.workers, given.visitors, Path(folder)) else 1
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
