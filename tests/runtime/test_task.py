"""What only a task can meet: no loop, another loop, a closed loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from flagstaff.runtime.clock import SystemClock
from flagstaff.runtime.task import TaskDriver
from tests.runtime.lab import Script


async def until_answered(machine: Script, count: int) -> None:
    async with asyncio.timeout(20):
        while len(machine.answers) < count:  # noqa: ASYNC110 - a machine has no event to wait for
            await asyncio.sleep(0.001)


def test_without_a_loop_start_says_so() -> None:
    driver = TaskDriver(Script(), "test", SystemClock())

    assert not driver.start()

    assert driver.fault == "test: no event loop is running here"


def test_a_new_loop_gets_a_new_task() -> None:
    machine = Script()
    driver = TaskDriver(machine, "test", SystemClock())

    async def life(count: int) -> None:
        machine.jobs.append(lambda: count)
        assert driver.start()
        await until_answered(machine, count)

    asyncio.run(life(1))
    driver.wake()  # into the void
    assert not driver.alive
    asyncio.run(life(2))

    assert machine.answers == [1, 2]


def test_stopping_what_never_ran_or_runs_no_more_is_no_trouble() -> None:
    driver = TaskDriver(Script(), "test", SystemClock())

    assert asyncio.run(driver.stop(1.0))

    async def start() -> None:
        driver.start()

    asyncio.run(start())
    assert asyncio.run(driver.stop(1.0))


def test_a_busy_machine_does_not_starve_the_loop() -> None:
    machine = Script()
    machine.wait = 0.0
    driver = TaskDriver(machine, "test", SystemClock())

    async def life() -> int:
        driver.start()
        for _ in range(100):
            await asyncio.sleep(0)
        await driver.stop(5.0)
        return machine.asked

    assert 0 < asyncio.run(life()) <= 200


def test_a_task_may_stop_its_own_driver() -> None:
    class Last(Script):
        async def aperform(self, _: object) -> bool:
            return await driver.stop(5.0)

    machine = Last()
    machine.jobs = [lambda: None]
    driver = TaskDriver(machine, "test", SystemClock())

    async def life() -> None:
        driver.start()
        await until_answered(machine, 1)
        await asyncio.sleep(0)

    asyncio.run(life())

    assert machine.answers == [False]


def test_a_task_is_alive_while_a_timeout_of_its_job_takes_effect() -> None:
    class Slow(Script):
        async def aperform(self, _: object) -> bool:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.0):
                    try:
                        await asyncio.Event().wait()
                    finally:
                        unwinding.set()
                        await release.wait()
            return True

    machine = Slow()
    machine.jobs = [lambda: None]
    driver = TaskDriver(machine, "test", SystemClock())

    async def life() -> None:
        driver.start()
        await unwinding.wait()
        assert driver.alive
        assert driver.start()
        release.set()
        await until_answered(machine, 1)
        assert await driver.stop(5.0)

    unwinding, release = asyncio.Event(), asyncio.Event()
    asyncio.run(life())

    assert machine.answers == [True]


def test_a_job_that_will_not_be_cancelled_holds_up_nobody() -> None:
    class Stubborn(Script):
        async def aperform(self, _: object) -> str:
            if begun.is_set():
                return "the second"
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            await release.wait()
            return "the first"

    machine = Stubborn()
    machine.jobs = [lambda: None]
    driver = TaskDriver(machine, "test", SystemClock())

    async def life() -> None:
        driver.start()
        await begun.wait()
        assert not await driver.stop(0.0)
        assert driver.start()
        await until_answered(machine, 1)
        release.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert driver.fault is None
        await driver.stop(5.0)

    begun, release = asyncio.Event(), asyncio.Event()
    asyncio.run(life())

    assert machine.answers == ["the second"]
