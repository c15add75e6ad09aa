"""What the tests of the server share: a loader, events, servers in a thread and in a child process."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from flagstaff.errors import Problem, RulesError
from flagstaff.server import create_app
from flagstaff.server.rules import RulesFile
from flagstaff.server.store import EventStore

ROOT = Path(__file__).parents[2]
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
SOURCE = "/flagstaff/shop/production"


@dataclass(frozen=True)
class Document:
    canonical_json: bytes


def loader(path: Path) -> Callable[[], Document]:
    """Stand in for the real loader: canonical JSON of a JSON object, or RulesError."""

    def load() -> Document:
        try:
            document = json.loads(path.read_bytes())
        except ValueError:
            raise RulesError([Problem("flags", "is not JSON")], str(path)) from None
        return Document(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())

    return load


def exposure(number: int, *, process: str | None = "0123456789abcdef", **changes: Any) -> dict[str, Any]:
    unit = f"user-{number}"
    return {
        "specversion": "1.0",
        "id": f"{number:032x}",
        "source": SOURCE,
        "type": "flagstaff.exposure",
        "subject": unit,
        "time": "2026-11-22T10:00:00.000Z",
        "datacontenttype": "application/json",
        "sequence": f"{number + 1:012d}",
        "process": process,
        "data": {
            "flag": "checkout-cta",
            "experiment": "cta-wording",
            "variant": "urgent" if number % 2 else "calm",
            "unit": unit,
            "unit_type": "targeting_key",
            "rule": "1",
            "revision": 1,
        },
    } | changes


def track(number: int, name: str = "order-placed", **changes: Any) -> dict[str, Any]:
    data = {"event": name, "unit": f"user-{number}", "unit_type": "targeting_key", "value": 49.9}
    return exposure(number, id=f"track-{number}", type="flagstaff.track", data=data) | changes


def loss(number: int, *dropped: dict[str, Any]) -> dict[str, Any]:
    return exposure(number, id=f"loss-{number}", type="flagstaff.loss", data={"dropped": list(dropped)})


def post(client: httpx.Client, events: object, **headers: str) -> httpx.Response:
    body = json.dumps(events).encode()
    return client.post("/v1/events", content=body, headers={"Content-Type": BATCH, **headers})


def post_zipped(client: httpx.Client, body: bytes) -> httpx.Response:
    headers = {"Content-Type": BATCH, "Content-Encoding": "gzip"}
    return client.post("/v1/events", content=body, headers=headers)


def zipped(events: object) -> bytes:
    return gzip.compress(json.dumps(events).encode(), mtime=0)


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


class Stage:
    """One uvicorn for many tests: the app that it plays is changed between them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@contextmanager
def staged() -> Iterator[Stage]:
    """Serve by uvicorn in a thread, on a real socket; requests are finished when it ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stage = Stage(f"http://127.0.0.1:{listener.getsockname()[1]}")
        config = uvicorn.Config(stage, lifespan="off", ws="none", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield stage
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Lab:
    """A server in a thread with its file, its rules, its store, and a client."""

    path: Path
    rules: RulesFile
    store: EventStore
    client: httpx.Client


@contextmanager
def lab(stage: Stage, directory: Path, document: object, key: str | None = None) -> Iterator[Lab]:
    path = directory / "flags.json"
    path.write_text(json.dumps(document))
    rules = RulesFile(path, loader(path))
    with EventStore(directory / "events.db") as store, httpx.Client(base_url=stage.url) as client:
        stage.app = create_app(rules, store, key)
        yield Lab(path, rules, store, client)


@dataclass
class Child:
    """The server as its own process, started by ``serve``."""

    process: subprocess.Popen[str]
    url: str

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def command(path: Path, events: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.server.child", str(path), str(events), *options]


def environment() -> dict[str, str]:
    paths = [str(ROOT / "sdk"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def child(path: Path, events: Path, *options: str) -> Iterator[Child]:
    with subprocess.Popen(
        command(path, events, *options), env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Child(process, process.stdout.readline().strip())
        finally:
            process.kill()
