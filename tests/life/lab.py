"""What the tests of a client's life in other people's processes share."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from flagstaff import Client
from tests.client.lab import Server, document, eventually, tagged
from tests.client.streaming import Hose, told

ROOT = Path(__file__).parents[2]
WORKERS = 3
START = 60.0  # seconds: each worker may have to import everything
UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent))


def environment(server: Server, **more: str) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT / "sdk"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, "FLAGSTAFF_URL": server.url, **more}


def rules(size: int) -> dict[str, Any]:
    """Rules that are told apart by a page size."""
    made = document()
    made["flags"]["page-size"]["variants"]["small"] = size
    return made


@dataclass
class Truth:
    """A server of rules and a collector: what it serves, and what it was sent."""

    server: Server
    hose: Hose

    def publish(self, size: int) -> None:
        tag = f'"{size}"'
        self.server.rules = tagged(rules(size), tag)
        self.hose.greeting = told(tag)
        self.hose.say(told(tag))

    @property
    def events(self) -> list[dict[str, Any]]:
        sent = []
        for post in list(self.server.posts):
            zipped = post.header("content-encoding") == "gzip"
            sent += json.loads(gzip.decompress(post.body) if zipped else post.body)
        return [event for event in sent if event["type"] != "flagstaff.loss"]

    def units(self) -> dict[str, set[str]]:
        """The ids of the exposures of each unit."""
        found: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            found[event["subject"]].add(event["id"])
        return found

    def has_each_once(self, units: Sequence[str]) -> bool:
        found = self.units()
        assert set(found) <= set(units), "invented"
        assert all(len(ids) == 1 for ids in found.values()), "counted twice"
        return len(found) == len(units)

    def inherit(self) -> Client:
        """The next process: it sends what others left behind."""
        return Client(self.server.url, stream=False, poll_interval=300.0, flush_interval=0.05)


def staged(server: Server) -> Truth:
    hose = Hose()
    server.stream = hose
    truth = Truth(server, hose)
    truth.publish(20)
    return truth


@contextmanager
def process(*command: str, env: dict[str, str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a group of its own, of which nothing is left in the end."""
    started = subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True, **more)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait(20)
        if started.stdout is not None:
            started.stdout.close()


@dataclass
class Site:
    """A web server and its workers."""

    master: subprocess.Popen[bytes]
    port: int

    def ask(self, unit: str) -> tuple[str, str, int]:
        pid, variant, size = fetched(self.port, unit).split()
        return pid, variant, int(size)

    def sizes(self, count: int = 60) -> dict[str, int]:
        """By which rules each worker that answers decides."""
        found: dict[str, int] = {}
        for _ in range(count):
            pid, _, size = self.ask("watcher")
            found[pid] = size
        return found


@contextmanager
def site(command: Callable[[int], list[str]], server: Server, **more: str) -> Iterator[Site]:
    """A web server on a socket that is handed down to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        descriptor = listener.fileno()
        port = listener.getsockname()[1]
        words = command(descriptor)
        with process(*words, env=environment(server, **more), pass_fds=[descriptor]) as master:
            eventually(lambda: _answers(port), START)
            yield Site(master, port)


def fetched(port: int, unit: str) -> str:
    """What a web server answers to a visitor who comes over a connection of their own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", f"/?unit={unit}", headers={"Connection": "close"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def _answers(port: int) -> bool:
    with suppress(OSError):
        return bool(fetched(port, "watcher"))
    return False


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def gunicorn(application: str, descriptor: int, *options: str) -> list[str]:
    words = ["-m", "gunicorn", "--workers", str(WORKERS), "--log-level", "error", "--graceful-timeout", "5"]
    return python(*words, "--bind", f"fd://{descriptor}", *options, application)


def uwsgi(descriptor: int, *options: str) -> list[str]:
    words = ["--http-socket", f"fd://{descriptor}", "--master", "--processes", str(WORKERS)]
    words += ["--enable-threads", "--die-on-term", "--need-app", "--disable-logging", "--home", sys.prefix]
    return [str(UWSGI), *words, *options]


def visited(running: Site, units: list[str]) -> set[str]:
    """Have every visitor served; by which workers."""
    with ThreadPoolExecutor(6) as pool:
        return {pid for pid, _, _ in pool.map(running.ask, units)}


def live(running: Site, truth: Truth, stop: signal.Signals) -> None:
    """The life of a site: visitors, new rules, more visitors, the end."""
    units = [f"user-{number}" for number in range(300)]
    visited(running, units[:150])
    truth.publish(40)
    eventually(lambda: set(running.sizes().values()) == {40})
    visited(running, units[150:])
    assert len(running.sizes(200)) > 1, "one worker did it all"

    running.master.send_signal(stop)
    assert running.master.wait(20) in {0, -stop}
    expected = [*units, "watcher"]
    with truth.inherit():
        eventually(lambda: truth.has_each_once(expected))
