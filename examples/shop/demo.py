"""The example shop, from end to end: ``make demo``.

One process serves the rules and collects events; several others are the shop's web workers, each with a client
of its own that talks HTTP to the first. When all visitors have been served, what the collector holds is
compared with what it should hold. Exit code 1 if anything is off.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn

import mmh3
from verify import Row, expected_exposures, shares, stored_exposures
from visitors import FLAGS, PINNED, buy, visit, visitor, visits_to

from flagstaff import Client
from flagstaff.server import EventStore, serve
from flagstaff.sources.file import load_file

RULES = Path(__file__).with_name("rules.toml")
MAX_DEVIATION = 4.5  # standard errors; one table in ten thousand would have such a row by chance
MAX_QUEUED = 4_000  # a worker's queue holds 10,000 events, and this one does in seconds what others do in a day
PATIENCE = 60.0  # seconds without a sign of life from anybody
_SPAWN = multiprocessing.get_context("spawn")


class Failure(Exception):  # noqa: N818  # it is shown to people, not caught by programs
    """Something went wrong that makes the rest pointless."""


# -- processes -------------------------------------------------------------------------------------


def serve_rules(rules: Path, events: Path, report: Connection) -> None:
    """The server's process: what ``flagstaff serve`` does."""
    _end_with_parent()
    serve(rules, port=0, events=events, load=partial(load_file, rules), ready=report.send)


def work(url: str, worker: int, workers: int, visitors: int, report: Connection) -> None:
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
        delivered = client.flush(30)
        report.send({"met": met, "stats": client.stats(), "delivered": delivered})


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
    stats: list[Any]


def run_workers(url: str, workers: int, visitors: int) -> Outcome:
    """Serve all visitors; Failure if a worker does not come to its end."""
    outcome = Outcome(Counter(), [])
    with ExitStack() as stack:
        reports = {
            stack.enter_context(process(f"worker {number}", work, url, number, workers, visitors)): number
            for number in range(workers)
        }
        progress = Progress(sum(1 for number in range(workers) for _ in visits_to(number, workers, visitors)))
        while reports:
            ready = wait(list(reports), timeout=PATIENCE)
            if not ready:
                raise Failure(f"no worker has stirred for {PATIENCE:g} seconds")
            for report in ready:
                said = _receive(report, f"worker {reports[report]}")
                if isinstance(said, int):
                    progress.add(said)
                else:
                    outcome.met.update(said["met"])
                    outcome.stats.append(said["stats"])
                    del reports[report]
        progress.end()
    return outcome
