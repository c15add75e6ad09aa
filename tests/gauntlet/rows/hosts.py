"""SIGTERM in the middle of the work of real hosts: gunicorn, uvicorn, Celery."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from tests.gauntlet.stage import ROOT, Row, Rows, Scale, Stage, staged, until

__all__ = ["ROWS"]

_HOSTS: dict[str, list[str]] = {
    "gunicorn": [
        *("gunicorn", "--bind", "fd://{fd}", "--workers", "2", "--log-level", "error"),
        *("--config", "python:tests.gauntlet.host", "tests.gauntlet.host:wsgi"),
    ],
    "gunicorn-preload": [
        *("gunicorn", "--bind", "fd://{fd}", "--workers", "2", "--threads", "4", "--preload"),
        *("--log-level", "error", "--config", "python:tests.gauntlet.host", "tests.gauntlet.host:wsgi"),
    ],
    "uvicorn": ["uvicorn", "--fd", "{fd}", "--log-level", "error", "tests.gauntlet.host:asgi"],
    "celery": [
        *("celery", "-A", "tests.gauntlet.host:celery", "worker", "--pool", "prefork", "--concurrency", "2"),
        *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    ],
}
_MORE = 1.0  # seconds that a host may take longer to end than without us


@dataclass
class _End:
    """How a host ended: its exit code, the seconds that it took, how often its own handlers were called."""

    code: int
    seconds: float
    noted: int


def terminated(scale: Scale) -> Row:
    """Each host once without a client, then with one: it ends as it would have."""
    rounds = 1 if scale == 1 else 10
    ends: list[tuple[str, _End, _End]] = []
    with staged() as stage:
        for host in [*_HOSTS][0 if scale > 1 else 1 :]:
            bare = _ended(stage, host, f"{host}-bare", bare=True)
            ends += [(host, bare, _ended(stage, host, f"{host}-{n}")) for n in range(rounds)]
        waiting = len(stage.expected) - len(stage.collector.units)
        stage.inherit()
        otherwise = sum(ours.code != bare.code for _, bare, ours in ends)
        silent = sum(ours.noted != bare.noted for _, bare, ours in ends)
        later, slowest = max((ours.seconds - bare.seconds, host) for host, bare, ours in ends)
        codes = sorted({f"{host.partition('-')[0]} {ours.code}" for host, _, ours in ends})
        return Row(
            "SIGTERM under gunicorn, uvicorn and Celery: the host ends as it would have",
            f"{len(ends)} × SIGTERM amid requests and tasks, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double, {otherwise} other exit codes, {silent} handlers of "
            f"the host's not called, {max(later, 0):.2f} s longer than without ({slowest})",
            f"exit codes: {', '.join(codes)}; {waiting:,} were undelivered at the end",
            not (otherwise or silent or stage.lost or stage.doubled)
            and all(bare.noted for _, bare, _ in ends)
            and len(stage.expected) > len(ends),
            later <= _MORE,
        )


def _ended(stage: Stage, host: str, name: str, *, bare: bool = False) -> _End:
    """Let a host work, and send it SIGTERM amid that."""
    notes = stage.truths.parent / "notes"
    for folder in ("queue", "control"):
        (notes / name / folder).mkdir(parents=True)
    part = stage.part(name, notes=str(notes / name), bare=bare)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        _visitors(listener, host) as served,
        _process(host, part, listener.fileno()) as process,
    ):
        if host == "celery":
            until(lambda: list((notes / name).glob("*-worked-*")))
        else:
            until(served.is_set)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        seconds = time.monotonic() - begun
    return _End(code, seconds, len(list((notes / name).glob("*-ended-*"))))


@contextmanager
def _process(host: str, part: dict[str, object], listener: int) -> Iterator[subprocess.Popen[bytes]]:
    words = [word.format(fd=listener) for word in _HOSTS[host]]
    paths = os.pathsep.join([str(ROOT / "sdk"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "PART": json.dumps(part)}
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        env=environment,
        cwd=ROOT,
        pass_fds=[listener],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _visitors(listener: socket.socket, host: str) -> Iterator[threading.Event]:
    """Visitors who come one after another as long as anybody answers; set when they have been served."""
    served, over = threading.Event(), threading.Event()
    port = listener.getsockname()[1]
    listener.set_inheritable(True)

    def visit() -> None:
        visits = 0
        while not over.is_set():
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            with suppress(OSError, HTTPException):
                connection.request("GET", "/", headers={"Connection": "close"})
                connection.getresponse().read()
                visits += 1
            connection.close()
            if visits >= 10:
                served.set()

    threads = [] if host == "celery" else [threading.Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield served
    finally:
        over.set()
        for thread in threads:
            thread.join()


ROWS: Rows = {"hosts": terminated}
