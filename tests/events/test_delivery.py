"""The whole way, driven by a thread and by a task: one scenario for both."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from flagstaff.events.transport import HttpTransport, SinkTransport
from flagstaff.net.http import AsyncHttp, Http
from flagstaff.runtime.clock import SystemClock
from flagstaff.runtime.task import TaskDriver
from flagstaff.runtime.worker import Worker
from tests.events.lab import PATIENCE, Answer, Collector, Pipeline, eventually, request_to

ROOT = Path(__file__).parents[2]
SDK = ROOT / "sdk"


class Running:
    """A pipeline with its driver: what a client is, without flags."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        pipeline.recorder._on_append = self.wake

    def flush(self, seconds: float = PATIENCE) -> None:
        mark = self.pipeline.sender.flush(seconds)
        self.wake()
        eventually(lambda: self.pipeline.sender.flushed(mark))

    def wake(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class OnThread(Running):
    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self.worker = Worker(pipeline.sender, "events", SystemClock())
        assert self.worker.start()

    def wake(self) -> None:
        self.worker.wake()

    def close(self) -> None:
        assert self.worker.stop(PATIENCE)


class InTask(Running):
    def __init__(self, pipeline: Pipeline, http: AsyncHttp) -> None:
        super().__init__(pipeline)
        self.http = http
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.driver = TaskDriver(pipeline.sender, "events", SystemClock())
        asyncio.run_coroutine_threadsafe(self.start(), self.loop).result(PATIENCE)

    async def start(self) -> None:
        assert self.driver.start()

    def wake(self) -> None:
        self.driver.wake()

    async def end(self) -> None:
        assert await self.driver.stop(PATIENCE)
        await self.http.close()
        await self.loop.shutdown_default_executor()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE)
        self.loop.close()


@pytest.fixture(params=["worker", "task"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def running(kind: str, collector: Collector, http: Http) -> Iterator[Running]:
    clock = SystemClock()
    made: Running
    if kind == "worker":
        made = OnThread(
            Pipeline(HttpTransport(http, request_to(collector.url), clock), clock, flush_interval=0.02)
        )
    else:
        own = AsyncHttp()
        transport = HttpTransport(own, request_to(collector.url), clock)
        made = InTask(Pipeline(transport, clock, flush_interval=0.02), own)
    yield made
    made.close()


def test_events_arrive_by_themselves(running: Running, collector: Collector) -> None:
    running.pipeline.expose(*(f"u{number}" for number in range(1200)))

    eventually(lambda: len(collector.stored) == 1200)
    eventually(lambda: running.pipeline.sender.idle)
    assert running.pipeline.balanced()


def test_a_flush_brings_them_at_once(running: Running, collector: Collector) -> None:
    running.pipeline.sender._flush_interval = 3600.0
    running.pipeline.expose("a", "b")

    running.flush()

    assert collector.units == ["a", "b"]


def test_answers_that_are_lost_make_no_duplicates(running: Running, collector: Collector) -> None:
    collector.script = [Answer(hang_up=True), Answer(), Answer(500), Answer(hang_up=True)]
    for start in range(0, 90, 30):
        running.pipeline.expose(*(f"u{number}" for number in range(start, start + 30)))
        running.flush()

    assert len(collector.stored) == 90
    assert collector.script == []
    assert running.pipeline.ledger.snapshot()["delivered"] == 90


def test_threads_may_expose_at_once(running: Running, collector: Collector) -> None:
    def expose(number: int) -> None:
        for index in range(300):
            running.pipeline.expose(f"{number}-{index}", f"shared-{index}")

    threads = [threading.Thread(target=expose, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    running.flush()

    assert len(collector.units) == len(set(collector.units)) == 4 * 300 + 300
    assert running.pipeline.balanced()
    processes = {event["process"] for event in collector.stored.values()}
    assert processes == {running.pipeline.encoder.process}


# -- sinks ---------------------------------------------------------------------------------------------


class Shelf:
    """A sink that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.units: list[str] = []
        self.threads: set[int] = set()

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.threads.add(threading.get_ident())
        if self.failures:
            self.failures -= 1
            events[0]["data"].clear()  # what it does with its own copy must not matter
            raise KeyError("secret")
        self.units += [event["data"]["unit"] for event in events]


class AsyncShelf(Shelf):
    async def send(self, events: Sequence[Mapping[str, Any]]) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().send(events)


class LateShelf(AsyncShelf):
    """A sink whose plain function returns something to be awaited."""

    def send(self, events: Sequence[Mapping[str, Any]]) -> Any:
        return super().send(events)


def pipeline_into(sink: Any) -> Pipeline:
    return Pipeline(SinkTransport(sink), SystemClock(), flush_interval=0.02)


def run_into(sink: Any, kind: str) -> Running:
    pipeline = pipeline_into(sink)
    return OnThread(pipeline) if kind == "worker" else InTask(pipeline, AsyncHttp())


def test_a_sink_takes_the_place_of_the_collector_and_may_fail(kind: str) -> None:
    sink = Shelf(failures=2)
    running = run_into(sink, kind)
    running.pipeline.expose("a", "b")
    running.flush()
    running.close()

    assert sink.units == ["a", "b"]
    assert running.pipeline.balanced()


def test_a_sink_that_blocks_does_not_block_the_loop() -> None:
    sink = Shelf()
    running = run_into(sink, "task")
    running.pipeline.expose("a")
    running.flush()
    assert isinstance(running, InTask)
    loop_thread = running.thread.ident
    running.close()

    assert loop_thread not in sink.threads


@pytest.mark.parametrize("make", [AsyncShelf, LateShelf])
def test_a_sink_may_be_awaited(make: type[Shelf]) -> None:
    sink = make(failures=1)
    running = run_into(sink, "task")
    running.pipeline.expose("a")
    running.flush()
    running.close()

    assert sink.units == ["a"]


def test_a_sink_that_must_be_awaited_keeps_its_events_from_a_thread() -> None:
    running = run_into(AsyncShelf(), "worker")
    running.pipeline.expose("a")
    eventually(lambda: running.pipeline.sender.fault)
    running.close()

    assert (
        running.pipeline.sender.fault == "the sink's send is a coroutine function, which needs an AsyncClient"
    )
    assert running.pipeline.spool.pending == 1


def test_what_a_sink_raises_is_told_by_its_type_only() -> None:
    running = run_into(Shelf(failures=1000), "worker")
    running.pipeline.expose("a")
    eventually(lambda: running.pipeline.sender.fault)
    running.close()

    assert running.pipeline.sender.fault == "sending raised KeyError"


# -- forks ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_children_deliver_each_their_own_and_nothing_twice(collector: Collector) -> None:
    program = """
import os, sys, warnings
sys.path[:0] = sys.argv[2:]
warnings.simplefilter("ignore", DeprecationWarning)
from flagstaff.events.transport import HttpTransport
from flagstaff.net.http import Http
from flagstaff.runtime.clock import SystemClock
from flagstaff.runtime.worker import Worker
from tests.events.lab import Pipeline, eventually, request_to

clock = SystemClock()
pipeline = Pipeline(HttpTransport(Http(), request_to(sys.argv[1]), clock), clock)

class Owner:
    def forked(self):
        pipeline.recorder.forked()
        pipeline.sender.forked()

owner = Owner()
worker = Worker(pipeline.sender, "events", clock, on_fork=owner.forked)

def flush():
    worker.start()
    mark = pipeline.sender.flush(20.0)
    worker.wake()
    eventually(lambda: pipeline.sender.flushed(mark))
    assert pipeline.balanced()

pipeline.expose("before-the-thread")
flush()
pipeline.expose(*(f"parent-{number}" for number in range(40)))
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            pipeline.expose(*(f"child-{child}-{number}" for number in range(100)))
            flush()
            os._exit(0)
        finally:
            os._exit(1)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
flush()
assert worker.stop(5.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, collector.url, str(SDK), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

    sent = [event["id"] for number in range(len(collector.bodies)) for event in collector.batch(number)]
    assert len(sent) == len(set(sent)) == 1 + 40 + 400
    processes: dict[str, list[int]] = {}
    for event in collector.stored.values():
        processes.setdefault(event["process"], []).append(int(event["sequence"]))
    assert sorted(map(len, processes.values())) == [41, 100, 100, 100, 100]
    for sequences in processes.values():
        assert sorted(sequences) == list(range(1, len(sequences) + 1))
