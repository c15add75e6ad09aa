"""One scenario, two drivers: whatever a worker's thread does, a task does too."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flagstaff.runtime.clock import SystemClock
from flagstaff.runtime.worker import Worker
from tests.runtime.lab import PATIENCE, Driven, InLoop, Script, eventually, worker


@pytest.fixture
def machine() -> Script:
    return Script()


@pytest.fixture(params=["worker", "task"])
def driver(request: pytest.FixtureRequest, machine: Script) -> Iterator[Driven]:
    if request.param == "worker":
        made = worker(machine)
        yield made
        made.stop(PATIENCE)
    else:
        looped = InLoop(machine)
        yield looped
        looped.close()


def value(answer: Any) -> Callable[[], Any]:
    return lambda: answer


def occupy(machine: Script) -> tuple[threading.Event, threading.Event]:
    """Give a machine a job that says when it has begun and ends when it is let go."""
    busy, release = threading.Event(), threading.Event()

    def job() -> None:
        busy.set()
        release.wait(PATIENCE)

    machine.jobs = [job]
    return busy, release


def test_jobs_are_performed_in_order_and_their_answers_told(driver: Driven, machine: Script) -> None:
    machine.jobs = [value(1), value(2), value(3)]

    assert driver.start()

    eventually(lambda: machine.answers == [1, 2, 3])


def test_building_a_driver_starts_nothing(driver: Driven, machine: Script) -> None:
    driver.wake()

    assert not driver.alive
    assert machine.asked == 0


def test_a_wake_ends_an_endless_wait(driver: Driven, machine: Script) -> None:
    driver.start()
    eventually(lambda: machine.asked)
    machine.jobs.append(value("late"))

    driver.wake()

    eventually(lambda: machine.answers == ["late"])


def test_a_wake_while_a_job_is_performed_is_not_lost(driver: Driven, machine: Script) -> None:
    busy, release = occupy(machine)
    driver.start()
    assert busy.wait(PATIENCE)

    driver.wake()
    release.set()

    eventually(lambda: len(machine.answers) == 1 and machine.asked >= 2)


def test_a_wait_ends_by_itself(driver: Driven, machine: Script) -> None:
    machine.wait = 0.01

    driver.start()

    eventually(lambda: machine.asked > 3)


def test_what_a_job_raises_is_its_answer(driver: Driven, machine: Script) -> None:
    error = ConnectionError("gone")

    def fail() -> None:
        raise error

    machine.jobs = [fail, value("next")]
    driver.start()

    eventually(lambda: machine.answers == [error, "next"])
    assert driver.fault is None


@pytest.mark.parametrize("step", ["next", "done"])
def test_a_machine_that_raises_is_asked_again(driver: Driven, machine: Script, step: str) -> None:
    setattr(machine, f"trip_{step}", KeyError("secret"))
    machine.jobs = [value("job")]
    driver.start()
    eventually(lambda: driver.fault)
    assert driver.fault == f"test: {step} raised KeyError"
    assert driver.alive

    setattr(machine, f"trip_{step}", None)
    driver.wake()

    eventually(lambda: machine.answers == ["job"] and driver.fault is None)


def test_a_log_handler_that_raises_stops_nothing(driver: Driven, machine: Script) -> None:
    class Hostile(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("a handler of the host")

    logger = logging.getLogger("flagstaff.runtime")
    handler = Hostile()
    logger.addHandler(handler)
    try:
        machine.trip_next = KeyError()
        driver.start()
        eventually(lambda: driver.fault)
        machine.trip_next = None
        machine.jobs = [value("on")]
        driver.wake()
        eventually(lambda: machine.answers == ["on"])
    finally:
        logger.removeHandler(handler)


def test_a_fault_is_logged_once_while_it_lasts(
    driver: Driven, machine: Script, caplog: pytest.LogCaptureFixture
) -> None:
    machine.trip_next = KeyError("secret")
    driver.start()
    for _ in range(5):
        asked = machine.asked
        driver.wake()
        eventually(lambda: machine.asked > asked)  # noqa: B023 - called at once

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "secret" not in caplog.text


def test_starting_twice_is_starting_once(driver: Driven, machine: Script) -> None:
    running: list[threading.Thread] = []
    machine.jobs = [lambda: running.append(threading.current_thread())]
    before = threading.active_count()

    assert driver.start()
    assert driver.start()
    eventually(lambda: machine.answers)

    assert driver.alive
    assert threading.active_count() <= before + 1


def test_a_stopped_driver_asks_nothing_more(driver: Driven, machine: Script) -> None:
    driver.start()
    eventually(lambda: machine.asked)

    assert driver.stop(PATIENCE)
    asked = machine.asked
    driver.wake()

    assert not driver.alive
    assert machine.asked == asked


def test_a_driver_can_be_started_again(driver: Driven, machine: Script) -> None:
    driver.start()
    driver.stop(PATIENCE)
    machine.jobs = [value("again")]

    assert driver.start()

    eventually(lambda: machine.answers == ["again"])


def test_stopping_lets_the_present_job_finish(driver: Driven, machine: Script) -> None:
    busy, release = occupy(machine)
    driver.start()
    assert busy.wait(PATIENCE)
    threading.Timer(0.05, release.set).start()

    assert driver.stop(PATIENCE)

    assert len(machine.answers) == 1


def test_stopping_never_waits_longer_than_told(driver: Driven, machine: Script) -> None:
    busy, release = occupy(machine)
    driver.start()
    assert busy.wait(PATIENCE)
    began = time.monotonic()

    driver.stop(0.05)

    assert time.monotonic() - began < 5
    release.set()


def test_a_job_that_was_cut_off_is_given_out_again(driver: Driven, machine: Script) -> None:
    busy, release = threading.Event(), threading.Event()
    runs: list[int] = []

    def job() -> str:
        runs.append(1)
        busy.set()
        release.wait(PATIENCE)
        return "done"

    machine.jobs = [job]
    driver.start()
    assert busy.wait(PATIENCE)
    driver.stop(0.01)
    assert machine.answers == []

    assert driver.start()
    release.set()

    eventually(lambda: machine.answers == ["done"])


def test_a_machine_may_stop_its_own_worker(machine: Script) -> None:
    lone = worker(machine)
    machine.jobs = [lambda: lone.stop(PATIENCE)]
    lone.start()

    eventually(lambda: machine.answers == [False] and not lone.alive)


def test_without_a_thread_to_be_had_start_says_so_and_tries_again(
    machine: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    lone = worker(machine)
    machine.jobs = [value("at last")]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not lone.start()
        assert not lone.start()
    assert lone.fault == "test: no thread can be started (can't start new thread)"
    assert not lone.alive

    assert lone.start()

    eventually(lambda: machine.answers == ["at last"])
    assert not lone.fault
    assert lone.stop(PATIENCE)


def test_a_job_can_not_take_the_thread_with_it(machine: Script) -> None:
    def leave() -> None:
        raise SystemExit

    lone = worker(machine)
    machine.jobs = [leave, value("still here")]
    lone.start()

    eventually(lambda: machine.answers[1:] == ["still here"])
    assert repr(machine.answers[0]) == "RuntimeError('SystemExit')"
    assert lone.stop(PATIENCE)


def test_a_thread_that_died_is_replaced(machine: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    lone = worker(machine)
    machine.trip_next = KeyboardInterrupt()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)
        lone.start()
        eventually(lambda: not any(thread.name == "test" for thread in threading.enumerate()))
        assert not lone.alive
    machine.trip_next = None
    machine.jobs = [value("alive")]

    assert lone.start()

    eventually(lambda: machine.answers == ["alive"])
    assert lone.stop(PATIENCE)


def test_nothing_pins_a_worker_that_nobody_wants(machine: Script) -> None:
    lost = weakref.ref(worker(machine))
    gc.collect()

    assert lost() is None


def test_the_callback_for_forks_must_be_a_method(machine: Script) -> None:
    with pytest.raises(TypeError):
        Worker(machine, "test", SystemClock(), on_fork=lambda: None)
