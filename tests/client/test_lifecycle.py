"""The life of a client: started, waited for, closed, dropped, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from flagstaff import AsyncClient, Client, Context
from tests.client.lab import (
    Basket,
    Blocking,
    Driver,
    Maker,
    Server,
    balances,
    document,
    eventually,
    numbered,
    run,
    tagged,
)
from tests.client.streaming import Hose, told
from tests.net.badserver import answer, hang

USER = Context("user-1")


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("flagstaff-")}


# -- both ----------------------------------------------------------------------------------------------


def test_closing_twice_does_nothing(make: Maker) -> None:
    driver = make.from_document(events=Basket())

    driver.close()
    driver.close()

    assert driver.flags.enabled("banner")


def test_a_closed_client_asks_the_server_no_more(server: Server, make: Maker) -> None:
    server.rules = tagged(numbered(1), '"1"')
    driver = make(server.url, poll_interval=0.1)
    assert driver.wait_ready()
    driver.close()
    asked = len(server.visits)

    assert driver.wait_ready()
    driver.start()
    assert driver.flush(0.0)
    driver.flags.track("late")
    time.sleep(0.25)  # two intervals in which nothing may happen

    assert len(server.visits) == asked
    assert driver.flags.value("first") == 1
    assert driver.flags.status().ready


def test_a_client_that_was_closed_before_rules_came_stays_without(server: Server, make: Maker) -> None:
    server.rules = hang
    driver = make(server.url)
    driver.close(0.0)

    assert not driver.wait_ready(0.05)


def test_a_client_may_be_closed_while_others_wait_for_it(server: Server, make: Maker) -> None:
    server.rules = hang
    driver = make(server.url, events=None)
    answers: list[bool] = []
    waiters = [threading.Thread(target=lambda: answers.append(driver.wait_ready(0.3))) for _ in range(4)]
    for waiter in waiters:
        waiter.start()
    driver.close(0.0)
    for waiter in waiters:
        waiter.join()

    assert answers == [False] * 4


def test_many_wait_for_the_same_rules(server: Server, make: Maker) -> None:
    release = threading.Event()
    rules = tagged(numbered(1), '"1"')

    def late(visit: Any) -> None:
        release.wait(20)
        rules(visit)

    server.rules = late
    driver = make(server.url, events=None)
    seen: list[Any] = []

    def wait() -> None:
        seen.append((driver.wait_ready(), driver.flags.value("first")))

    waiters = [threading.Thread(target=wait) for _ in range(8)]
    for waiter in waiters:
        waiter.start()
    assert not driver.wait_ready(0.0)
    release.set()
    for waiter in waiters:
        waiter.join()

    assert seen == [(True, 1)] * 8


def test_a_listener_may_close_the_client(server: Server, make: Maker) -> None:
    server.rules = answer(status=404)
    driver = make(server.url, events=None, poll_interval=0.1)
    closed = threading.Event()

    def close(_changed: object) -> None:
        if isinstance(driver, Blocking):
            driver.close()  # of an asynchronous client closing can only be awaited
        closed.set()

    driver.flags.on_change(close)
    server.rules = tagged(numbered(1), '"1"')

    assert closed.wait(20)
    assert driver.flags.value("first") == 1


# -- an HTTP client of one's own -----------------------------------------------------------------------


def test_an_http_client_of_ones_own_is_used_and_not_closed(server: Server, kind: Any) -> None:
    server.rules = tagged(document(), '"1"')

    def use_blocking() -> None:
        with httpx.Client(headers={"X-Proxy": "mine"}) as own:
            with Client(server.url, http_client=own) as client:
                assert client.wait_ready(20)
                client.variant("checkout-cta", USER)
                assert client.flush()
            assert not own.is_closed
            assert own.get(server.url).status_code == 200

    async def use_awaiting() -> None:
        async with httpx.AsyncClient(headers={"X-Proxy": "mine"}) as own:
            async with AsyncClient(server.url, http_client=own) as client:
                assert await client.wait_ready(20)
                client.variant("checkout-cta", USER)
                assert await client.flush()
            assert not own.is_closed
            assert (await own.get(server.url)).status_code == 200

    use_blocking() if kind is Client else asyncio.run(use_awaiting())

    assert {visit.header("x-proxy") for visit in server.visits} == {"mine"}
    assert server.posts


# -- Client --------------------------------------------------------------------------------------------


def test_a_client_is_a_context_manager() -> None:
    basket = Basket()

    with Client.from_document(document(), events=basket) as client:
        client.variant("checkout-cta", USER)

    assert basket.units == ["user-1"]
    assert names() == set()


def test_a_client_that_needs_no_thread_starts_none() -> None:
    with Client.from_document(document(), events=Basket()) as client:
        client.enabled("banner")
        assert names() == set()
        client.variant("checkout-cta", USER)
        assert names() == {"flagstaff-events"}


def test_a_client_has_two_threads_at_most(server: Server) -> None:
    server.rules = tagged(document(), '"1"')

    with Client(server.url) as client:
        assert client.wait_ready(20)
        client.variant("checkout-cta", USER)
        assert client.flush()
        assert names() == {"flagstaff-rules", "flagstaff-events"}


def test_no_thread_is_no_reason_not_to_decide(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server.rules = tagged(document(), '"1"')
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        client = Client(server.url, poll_interval=0.1)
        assert client.decide("banner").reason == "NOT_READY"
        client.track("order-placed")
        problems = client.status().problems
        assert [problem.partition(":")[0] for problem in problems] == ["flagstaff-rules", "flagstaff-events"]
        assert "no thread can be started" in problems[0]

    assert client.flush(20)
    assert client.stats()["delivered"] == 1
    client.close()


def test_a_client_that_is_dropped_lets_its_program_end() -> None:
    run("""
        from flagstaff import Client
        client = Client("http://127.0.0.1:1", poll_interval=0.1)
        client.track("order-placed")
        client.decide("banner")
        del client
    """)


def test_a_client_of_a_document_is_collected_when_it_is_dropped(
    kind: type[Client | AsyncClient],
) -> None:
    client = kind.from_document(document(), events=Basket())
    client.enabled("banner")
    gone = weakref.ref(client)

    del client
    gc.collect()

    assert gone() is None


def test_a_client_of_a_server_is_collected_and_its_threads_leave_when_they_have_delivered(
    server: Server,
) -> None:
    server.rules = tagged(document(), '"1"')
    server.stream = hose = Hose(told('"1"'))
    client = Client(server.url, poll_interval=300.0, flush_interval=3600.0)
    assert client.wait_ready(20)
    eventually(lambda: hose.listening)
    client.track("order-placed")
    gone = weakref.ref(client)

    del client
    gc.collect()

    assert gone() is None
    eventually(lambda: not names())
    assert len(server.posts) == 1
    eventually(lambda: not hose.say(b":\n\n"))


def test_a_client_that_is_dropped_while_nothing_can_be_delivered_leaves_it_on_disk(server: Server) -> None:
    server.rules = tagged(document(), '"1"')
    server.events = answer(status=503)
    client = Client(server.url, stream=False)
    client.track("order-placed")
    eventually(lambda: server.posts)

    del client
    gc.collect()
    eventually(lambda: not names())
    server.events = answer(status=202)

    with Client(server.url, stream=False) as heir:
        eventually(lambda: heir.stats()["delivered"] == 1)


def test_threads_that_could_not_be_started_come_by_themselves(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    server.rules = tagged(numbered(1), '"1"')
    with Client(server.url) as first:
        assert first.wait_ready(20)
    server.rules = tagged(numbered(2), '"2"')
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        client = Client(server.url)
        for _ in range(3):
            assert client.value("first", default=0) == 1  # by what was kept

    eventually(lambda: client.value("first", default=0) == 2)
    assert client.status().problems == ()
    client.close()


# -- AsyncClient ---------------------------------------------------------------------------------------


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, condition)


def test_an_asynchronous_client_that_is_dropped_is_collected_and_leaves_no_task(server: Server) -> None:
    server.rules = tagged(document(), '"1"')
    server.stream = hose = Hose(told('"1"'))

    async def life() -> None:
        client = AsyncClient(server.url, poll_interval=300.0, flush_interval=3600.0)
        assert await client.wait_ready(20)
        await until(lambda: hose.listening)
        client.track("order-placed")
        gone = weakref.ref(client)
        del client
        gc.collect()
        assert gone() is None
        loop = asyncio.get_running_loop()
        await until(lambda: not [task for task in asyncio.all_tasks(loop) if "flagstaff" in task.get_name()])

    asyncio.run(life())
    assert len(server.posts) == 1
    eventually(lambda: not hose.say(b":\n\n"))


def in_a_loop(life: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await life()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(main())


def test_an_asynchronous_client_leaves_no_task(server: Server) -> None:
    server.rules = tagged(document(), '"1"')

    async def life() -> None:
        async with AsyncClient(server.url) as client:
            assert await client.wait_ready(20)
            client.variant("checkout-cta", USER)
        assert client.stats()["delivered"] == 1

    in_a_loop(life)


def test_an_asynchronous_client_says_that_it_was_not_started() -> None:
    client = AsyncClient.from_document(document(), events=Basket())
    hint = "the client is not started here: use `async with`, or await start()"
    assert client.status().problems == (hint,)

    async def life() -> None:
        await client.start()
        assert client.status().problems == ()

    asyncio.run(life())

    assert client.status().problems == (hint,)  # its loop is gone
    assert client.enabled("banner")


def test_an_asynchronous_client_moves_to_another_loop() -> None:
    basket = Basket()
    client = AsyncClient.from_document(document(), events=basket)

    async def life(unit: str) -> None:
        assert await client.wait_ready(0.0)
        client.variant("checkout-cta", Context(unit))
        assert await client.flush(20)

    asyncio.run(life("user-1"))
    asyncio.run(life("user-2"))
    client.variant("checkout-cta", Context("user-3"))  # between two loops
    asyncio.run(client.close())

    assert basket.units == ["user-1", "user-2", "user-3"]


def test_closing_an_asynchronous_client_of_a_server_that_hangs_is_quick(server: Server) -> None:
    server.rules = hang

    async def life() -> None:
        async with AsyncClient(server.url) as client:
            await asyncio.to_thread(eventually, lambda: server.polls)
            begun = time.monotonic()
            await client.close(0.1)
            assert time.monotonic() - begun < 1.0

    in_a_loop(life)


def test_a_loop_is_never_held_up_by_a_file(tmp_path: Any) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(b'{"version": 1}')
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async def life() -> None:
        beating = asyncio.create_task(beat())
        async with AsyncClient.from_file(path, poll_interval=0.1) as client:
            changed = asyncio.Event()
            client.on_change(lambda _: changed.set())
            path.write_bytes(b'{"version": 1, "flags": {"banner": {"default": "on"}}}')
            async with asyncio.timeout(20):
                await changed.wait()
        beating.cancel()

    asyncio.run(life())

    assert beats > 10


def test_everything_is_accounted_for_after_a_busy_life(make: Maker, eager: None) -> None:
    class Moody(Basket):
        def send(self, events: Any) -> None:
            if self.batches % 3 == 1:
                self.fault = RuntimeError("moody")
            super().send(events)

    basket = Moody()
    driver: Driver = make.from_document(events=basket, flush_interval=0.01)
    done = threading.Event()

    def work(seed: int) -> None:
        for number in range(300):
            driver.flags.variant("checkout-cta", Context(f"user-{number % 97}"))
            odd: Any = object() if number % 50 == 0 else number
            driver.flags.track("step", Context(seed), value=odd)

    workers = [threading.Thread(target=work, args=[seed]) for seed in range(4)]

    def watch() -> None:
        while not done.is_set():
            assert balances(driver)

    watcher = threading.Thread(target=watch)
    for worker in (*workers, watcher):
        worker.start()
    for worker in workers:
        worker.join()
    driver.close(0.2)
    done.set()
    watcher.join()

    counts = driver.flags.stats()
    assert counts["pending"] == 0
    assert counts["dropped"]["not_encodable"] == 4 * 6
    assert counts["accepted"] >= 4 * 300 + 97
    assert len({event["id"] for event in basket.of_type("exposure")}) <= 97
    eventually(lambda: balances(driver))
