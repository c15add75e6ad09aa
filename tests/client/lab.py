"""What the tests of the clients share: both clients behind one face, documents, sinks, a server."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from flagstaff import AsyncClient, Client
from flagstaff.shell import Shell
from tests.net.badserver import Behaviour, Visit, answer, hang, serving

T = TypeVar("T")

SDK = Path(__file__).parents[2] / "sdk"
PATIENCE = 20.0  # seconds that a test waits for what must come

Document = dict[str, Any]


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something holds; fail when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


# -- documents -----------------------------------------------------------------------------------------


def document(**changes: Any) -> Document:
    """Rules with a flag of every type and one experiment; top-level parts may be replaced."""
    made: Document = {
        "version": 1,
        "project": "shop",
        "environment": "production",
        "segments": {"staff": {"attribute": "email", "op": "ends_with", "value": "@shop.test"}},
        "flags": {
            "new-checkout": {"default": "off", "rules": [{"segment": "staff", "serve": "on"}]},
            "banner": {"default": "on"},
            "page-size": {"variants": {"small": 20, "large": 50}, "default": "small"},
            "ratio": {"variants": {"half": 0.5}, "default": "half"},
            "greeting": {"variants": {"plain": "Hello"}, "default": "plain"},
            "colours": {"variants": {"two": {"value": ["red", ["deep"]]}}, "default": "two"},
            "limits": {"variants": {"strict": {"value": {"per": {"hour": 3}}}}, "default": "strict"},
            "checkout-cta": {
                "variants": {"control": "Buy", "urgent": "Buy now"},
                "default": "control",
                "rules": [{"experiment": "cta-wording"}],
            },
        },
        "experiments": {"cta-wording": {"split": {"control": 50, "urgent": 50}}},
    }
    return copy.deepcopy(made | changes)


def numbered(number: int, **changes: Any) -> Document:
    """A document that says in every flag which version it is, and in ``revision``."""
    flags: Document = {
        name: {"variants": {"v": number}, "default": "v"} for name in ("first", "second", "third")
    }
    flags["checked"] = {
        "variants": {"right": number, "wrong": -1},
        "default": "wrong",
        "rules": [{"when": {"flag": "gate", "variant": f"v{number}"}, "serve": "right"}],
    }
    flags["gate"] = {"variants": {f"v{number}": number}, "default": f"v{number}"}
    return {"version": 1, "revision": number, "flags": flags} | changes


def encoded(rules: Mapping[str, Any]) -> bytes:
    return json.dumps(rules).encode()


# -- one face for both clients -------------------------------------------------------------------------


class Driver(Protocol):
    """Either client: ``flags`` for what both do alike, the rest for what waits."""

    @property
    def flags(self) -> Shell: ...
    def start(self) -> None: ...
    def wait_ready(self, timeout: float = PATIENCE) -> bool: ...
    def flush(self, timeout: float = PATIENCE) -> bool: ...
    def close(self, timeout: float = 2.0) -> None: ...


class Blocking:
    """A ``Client``."""

    def __init__(self, client: Client) -> None:
        self.flags = client

    def start(self) -> None:
        pass

    def wait_ready(self, timeout: float = PATIENCE) -> bool:
        return self.flags.wait_ready(timeout)

    def flush(self, timeout: float = PATIENCE) -> bool:
        return self.flags.flush(timeout)

    def close(self, timeout: float = 2.0) -> None:
        self.flags.close(timeout)


class LoopThread:
    """An event loop that runs on a thread until it is closed."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="test-loop")
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def close(self) -> None:
        self.call(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class Awaiting:
    """An ``AsyncClient``, living in a loop on a thread of its own."""

    def __init__(self, client: AsyncClient, loop: LoopThread) -> None:
        self.flags = client
        self._loop = loop

    def start(self) -> None:
        self._loop.call(self.flags.start())

    def wait_ready(self, timeout: float = PATIENCE) -> bool:
        return self._loop.call(self.flags.wait_ready(timeout))

    def flush(self, timeout: float = PATIENCE) -> bool:
        return self._loop.call(self.flags.flush(timeout))

    def close(self, timeout: float = 2.0) -> None:
        self._loop.call(self.flags.close(timeout))


class Maker:
    """Makes clients of one kind, started, and closes them at the end of the test."""

    def __init__(self, kind: type[Client | AsyncClient]) -> None:
        self.kind = kind
        self._loop = LoopThread() if kind is AsyncClient else None
        self._made: list[Driver] = []

    def __call__(self, *args: Any, **settings: Any) -> Driver:
        return self.started(self.kind(*args, **settings))

    def from_file(self, path: Path, **settings: Any) -> Driver:
        return self.started(self.kind.from_file(path, **settings))

    def from_document(self, rules: bytes | Mapping[str, Any] | None = None, **settings: Any) -> Driver:
        return self.started(self.kind.from_document(document() if rules is None else rules, **settings))

    def started(self, client: Client | AsyncClient) -> Driver:
        driver = self.driver(client)
        driver.start()
        return driver

    def driver(self, client: Client | AsyncClient) -> Driver:
        made: Driver
        if isinstance(client, Client):
            made = Blocking(client)
        else:
            assert self._loop is not None
            made = Awaiting(client, self._loop)
        self._made.append(made)
        return made

    def close(self) -> None:
        for driver in self._made:
            driver.close(0.05)
        if self._loop is not None:
            self._loop.close()


# -- events --------------------------------------------------------------------------------------------


class Basket:
    """A sink that keeps what it gets; ``fault`` is raised instead while there is one."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.batches = 0
        self.fault: Exception | None = None

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.batches += 1
        if self.fault is not None:
            raise self.fault
        self.events.extend(map(dict, events))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == f"flagstaff.{kind}"]

    @property
    def units(self) -> list[str]:
        return [event["subject"] for event in self.of_type("exposure")]


class AsyncBasket:
    """The same with a coroutine function."""

    def __init__(self) -> None:
        self._basket = Basket()
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0)
        self._basket.send(events)

    @property
    def units(self) -> list[str]:
        return self._basket.units


def balances(driver: Driver) -> bool:
    """Whether every event is accounted for."""
    counts = driver.flags.stats()
    lost = sum(counts["dropped"].values())
    assert lost == sum(loss["count"] for loss in counts["losses"])
    return counts["accepted"] == counts["delivered"] + counts["pending"] + lost


# -- servers -------------------------------------------------------------------------------------------


class Server:
    """A server of rules and events that does what it is told, request by request.

    ``rules`` answers GETs, ``events`` POSTs, ``stream`` who wants one; all may be replaced at any time.
    """

    def __init__(self) -> None:
        self.rules: Behaviour = answer(status=404)
        self.events: Behaviour = answer(status=202)
        self.stream: Behaviour = answer(status=404)
        self.streams: list[Visit] = []
        self.visits: list[Visit] = []
        self.url = ""

    def __call__(self, visit: Visit) -> None:
        if visit.path.endswith("/v1/stream"):
            self.streams.append(visit)
            behaviour = self.stream
        else:
            self.visits.append(visit)
            behaviour = self.rules if visit.head.startswith("GET") else self.events
        behaviour(visit)
        if behaviour is hang or getattr(behaviour, "closes", False):
            raise ConnectionError("hang up")

    @property
    def polls(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.head.startswith("GET")]

    @property
    def posts(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.head.startswith("POST")]


def tagged(rules: Mapping[str, Any], etag: str) -> Behaviour:
    """Behave: send a document, or 304 to who has it."""

    def behave(visit: Visit) -> None:
        known = visit.header("if-none-match") == etag
        (answer(status=304, ETag=etag) if known else answer(encoded(rules), ETag=etag))(visit)

    return behave


@contextmanager
def scripted() -> Iterator[Server]:
    server = Server()
    with serving(server) as running:
        server.url = running.url
        yield server


def stack(url: str, interval: str) -> str:
    """How a client describes the rules of a server, with the directory of the test's own."""
    return (
        f"stream({url}) -> poll({url}, {interval} s) -> last-known-good({os.environ['FLAGSTAFF_DIR']}/rules)"
    )


# -- processes -----------------------------------------------------------------------------------------


def run(program: str, *arguments: str, **environment: str) -> str:
    """Run a program in a Python of its own, which must neither fail nor complain; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, "PYTHONPATH": str(SDK), **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout
