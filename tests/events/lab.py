"""What the tests of the events share: a clock to turn, an arm, a collector that follows a script."""

from __future__ import annotations

import gzip
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flagstaff.events.dedupe import Seen
from flagstaff.events.disk import DiskSpool
from flagstaff.events.ledger import Ledger
from flagstaff.events.model import Encoder
from flagstaff.events.recorder import Recorder
from flagstaff.events.sender import Delivery, Sender
from flagstaff.events.spool import MemorySpool, Spool
from flagstaff.events.transport import HttpTransport, Transport
from flagstaff.net.backoff import Backoff
from flagstaff.net.http import AsyncHttp, Http, Request
from flagstaff.runtime.clock import Clock

NOON = 1_795_348_800.25  # 2026-11-22T12:00:00.250Z
PATIENCE = 20.0
KEY = "sdk-s3cr3t"


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds; fail when it does not come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.wall = NOON
        self.now = 1000.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.wall += seconds
        self.now += seconds


class Half:
    """A generator that always draws the middle."""

    def random(self) -> float:
        return 0.5


@dataclass(frozen=True)
class Arm:
    """What every exposure of one arm has in common."""

    variant: str = "urgent"
    flag: str = "checkout-cta"
    experiment: str = "cta-wording"
    unit_type: str = "targeting_key"
    rule: str | None = "0"
    revision: int = 3

    @property
    def key(self) -> str:
        return f"{self.experiment}\0{self.revision}\0{self.variant}\0{self.unit_type}"


@dataclass
class Answer:
    """How the collector answers one request: a status, headers, or by hanging up once all is stored."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


class Collector:
    """Takes batches over real HTTP, remembers every body, and answers by a script, else by its rules."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.refuses: Callable[[dict[str, Any]], bool] = lambda _: False
        self.most = math.inf
        self.bodies: list[bytes] = []
        self.requests: list[dict[str, str]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.url = ""

    @property
    def losses(self) -> list[dict[str, Any]]:
        return [
            loss
            for event in self.stored.values()
            if event["type"] == "flagstaff.loss"
            for loss in event["data"]["dropped"]
        ]

    @property
    def units(self) -> list[str]:
        return [event["subject"] for event in self.stored.values() if "subject" in event]

    def batch(self, number: int) -> list[dict[str, Any]]:
        return unpack(self.bodies[number])

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        self.bodies.append(body)
        self.requests.append(headers)
        events = unpack(body)
        answer = self.script.pop(0) if self.script else self._judge(events)
        if answer.status < 300:
            self.stored.update((event["id"], event) for event in events)
        return answer

    def _judge(self, events: list[dict[str, Any]]) -> Answer:
        if len(events) > self.most:
            return Answer(413)
        return Answer(400 if any(map(self.refuses, events)) else 202)


def unpack(body: bytes) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(gzip.decompress(body))
    return events


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.collector.take({name.lower(): value for name, value in self.headers.items()}, body)
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    handler = type("Handler", (_Handler,), {"collector": collector})
    with _Server(("127.0.0.1", 0), handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(PATIENCE)


class Pipeline:
    """The whole way of an event, from the recorder to a transport; driven by hand or by a driver."""

    def __init__(
        self,
        transport: Transport[Any],
        clock: Clock,
        *,
        max_events: int = 10_000,
        root: Path | None = None,
        **options: Any,
    ) -> None:
        self.clock = clock
        self.encoder = Encoder("shop", "live", "a" * 16 if root is None else None)
        self.ledger = Ledger()
        self.spool: Spool = (
            MemorySpool(max_events) if root is None else DiskSpool(root, 1024 * 1024, clock, self.ledger)
        )
        self.appended = 0
        self.seen = Seen()
        self.recorder = Recorder(self.encoder, self.seen, self.spool, self.ledger, clock, self._appended)
        self.backoff = Backoff(1.0, 60.0, Half())
        self.sender = Sender(self.spool, self.ledger, self.encoder, transport, clock, self.backoff, **options)

    def _appended(self) -> None:
        self.appended += 1

    def expose(self, *units: str, arm: Arm | None = None) -> None:
        spec, seen, now = arm or Arm(), self.seen, self.clock.time()
        for unit in units:
            past = seen.young.get(spec.key, set()) | seen.old.get(spec.key, set())
            if not seen.since <= now < seen.until or unit not in past:
                self.recorder.record(spec, unit, now)

    def step(self) -> Delivery | float:
        """Ask once; make a delivery that is due."""
        job = self.sender.next(self.clock.monotonic())
        if isinstance(job, Delivery):
            try:
                answer: Any = self.sender.perform(job)
            except Exception as error:  # noqa: BLE001 - what a driver does
                answer = error
            self.sender.done(job, answer, self.clock.monotonic())
        return job

    def run(self, clock: FakeClock, seconds: float) -> None:
        """Turn the clock as a driver would, from one due moment to the next."""
        end = clock.now + seconds
        while True:
            wait = self.step()
            if isinstance(wait, Delivery):
                continue
            if clock.now + wait > end:
                clock.turn(end - clock.now)
                return
            clock.turn(wait)

    def balanced(self) -> bool:
        counts = self.ledger.snapshot()
        settled = counts["delivered"] + sum(counts["dropped"].values())
        return counts["accepted"] == settled + counts["pending"] and counts["pending"] == self.spool.pending


def request_to(url: str) -> Callable[[bytes], Request]:
    def request_for(body: bytes) -> Request:
        headers = {"Authorization": f"Bearer {KEY}"}
        return Request("POST", f"{url}/v1/events", headers, body, timeout=PATIENCE, max_bytes=65536)

    return request_for


def over_http(url: str, clock: Clock, http: Http | AsyncHttp) -> HttpTransport:
    return HttpTransport(http, request_to(url), clock)
