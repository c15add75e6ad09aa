"""What the tests of the drivers share: a machine that follows a script, and both drivers behind one face."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from flagstaff.runtime.clock import SystemClock
from flagstaff.runtime.task import TaskDriver
from flagstaff.runtime.worker import Worker

PATIENCE = 20.0  # seconds that a test waits for what must come


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds; fail when it does not come true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


class Script:
    """A machine that hands out the jobs it is given, in order; a job is a function that is performed."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], Any]] = []
        self.answers: list[Any] = []
        self.asked = 0
        self.trip_next: BaseException | None = None
        self.trip_done: Exception | None = None
        self.wait = math.inf
        self.now = -math.inf

    def next(self, now: float) -> Callable[[], Any] | float:
        self._look(now)
        self.asked += 1
        if self.trip_next is not None:
            raise self.trip_next
        return self.jobs[0] if self.jobs else self.wait

    def done(self, job: Callable[[], Any], answer: Any, now: float) -> None:
        self._look(now)
        if self.trip_done is not None:
            raise self.trip_done
        self.jobs.remove(job)
        self.answers.append(answer)

    def _look(self, now: float) -> None:
        assert now >= self.now, "a driver's time must not go back"
        self.now = now

    def perform(self, job: Callable[[], Any]) -> Any:
        return job()

    async def aperform(self, job: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(job)


class Driven(Protocol):
    """A worker or a task driver, from outside."""

    def start(self) -> bool: ...
    def wake(self) -> None: ...
    def stop(self, timeout: float) -> bool: ...
    @property
    def alive(self) -> bool: ...
    @property
    def fault(self) -> str | None: ...


class InLoop:
    """A task driver in an event loop that runs on a thread of its own."""

    def __init__(self, machine: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.driver = TaskDriver(machine, "test", SystemClock())

    def start(self) -> bool:
        async def start() -> bool:
            return self.driver.start()

        return bool(self.call(start()))

    def wake(self) -> None:
        self.driver.wake()

    def stop(self, timeout: float) -> bool:
        return bool(self.call(self.driver.stop(timeout)))

    @property
    def alive(self) -> bool:
        return self.driver.alive

    @property
    def fault(self) -> str | None:
        return self.driver.fault

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def close(self) -> None:
        self.stop(1.0)
        self.call(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


def worker(machine: Any) -> Worker:
    return Worker(machine, "test", SystemClock())
