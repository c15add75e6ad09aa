"""What leaves a client: exposures once and only when they are real, tracked events, and a count of it all."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flagstaff import Context
from tests.client.lab import (
    AsyncBasket,
    Awaiting,
    Basket,
    Driver,
    Maker,
    Server,
    balances,
    document,
    encoded,
    eventually,
    tagged,
)
from tests.net.badserver import answer, hang

USER = Context("user-1")
EMPTY = {"accepted": 0, "delivered": 0, "pending": 0, "dropped": {}, "losses": []}


@pytest.fixture
def basket() -> Basket:
    return Basket()


@pytest.fixture
def driver(make: Maker, basket: Basket) -> Driver:
    return make.from_document(events=basket)


class Hours:
    """The machine's clock, its hands set to another time of day."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic()


# -- exposures -----------------------------------------------------------------------------------------


def test_an_exposure_says_who_met_what(driver: Driver, basket: Basket) -> None:
    variant = driver.flags.variant("checkout-cta", USER)
    assert driver.flush()

    (event,) = basket.events
    assert event["type"] == "flagstaff.exposure"
    assert (event["subject"], event["source"]) == ("user-1", "/flagstaff/shop/production")
    assert (event["specversion"], event["datacontenttype"]) == ("1.0", "application/json")
    assert event["data"] == {
        "flag": "checkout-cta",
        "experiment": "cta-wording",
        "variant": variant,
        "unit": "user-1",
        "unit_type": "targeting_key",
        "rule": "0",
        "revision": 1,
    }
    assert len(event["id"]) == 32
    assert driver.flags.stats() == EMPTY | {"accepted": 1, "delivered": 1}


@pytest.mark.parametrize("getter", ["enabled", "value", "variant", "decide"])
def test_every_getter_exposes_and_repeating_it_does_not(driver: Driver, basket: Basket, getter: str) -> None:
    bound = driver.flags.bind(USER)
    for flags in (driver.flags, bound) * 3:
        arguments = [USER] if flags is driver.flags else []
        getattr(flags, getter)("checkout-cta", *arguments)
    driver.flags.decide("checkout-cta", Context("user-1", country="NL"))
    assert driver.flush()

    assert basket.units == ["user-1"]


@pytest.mark.parametrize("getter", ["enabled", "value", "variant", "decide"])
def test_whoever_only_looks_does_not_expose(driver: Driver, basket: Basket, getter: str) -> None:
    for _ in range(2):
        getattr(driver.flags, getter)("checkout-cta", USER, exposure=False)
        getattr(driver.flags.bind(USER), getter)("checkout-cta", exposure=False)
    driver.flags.decide_all(USER)
    driver.flags.bind(USER).decide_all()
    driver.flags.explain("checkout-cta", USER)
    assert driver.flush()

    assert driver.flags.stats() == EMPTY
    assert basket.batches == 0


def test_only_what_an_experiment_decides_is_an_exposure(make: Maker, basket: Basket) -> None:
    rules = document(
        flags={
            "forced": {"default": "off", "rules": [{"experiment": "running"}]},
            "mistyped": {"default": "off", "rules": [{"experiment": "running"}]},
            "rolled-out": {"default": "off", "rules": [{"serve": "on", "rollout": 100}]},
            "kept-out": {"default": "off", "rules": [{"experiment": "held"}]},
            "pinned": {"default": "off", "rules": [{"experiment": "pinning"}]},
            "stopped": {"default": "off", "rules": [{"experiment": "over"}]},
            "small": {"default": "off", "rules": [{"experiment": "tiny"}]},
        },
        experiments={
            "running": {"split": {"on": 100}},
            "held": {"split": {"on": 100}},
            "pinning": {"split": {"on": 100}, "pins": {"user-1": "on"}},
            "over": {"split": {"on": 100}, "status": "stopped"},
            "tiny": {"split": {"on": 100}, "traffic": 0},
        },
        holdouts={"all": {"size": 100, "experiments": ["held"]}},
    )
    driver = make.from_document(rules, events=basket)
    flags = driver.flags

    with flags.override(forced=True):
        flags.enabled("forced", USER)
    flags.value("mistyped", USER, "text")
    flags.enabled("forced")  # nobody in particular
    for flag in ("rolled-out", "kept-out", "pinned", "stopped", "small", "no-such-flag"):
        flags.enabled(flag, USER)
    assert driver.flush()
    assert driver.flags.stats() == EMPTY

    flags.enabled("forced", USER)
    assert driver.flush()
    assert [event["data"]["flag"] for event in basket.events] == ["forced"]


def test_the_unit_is_what_the_experiment_draws(make: Maker, basket: Basket) -> None:
    rules = document(
        experiments={"cta-wording": {"split": {"control": 50, "urgent": 50}, "unit": ["org", "id"]}}
    )
    driver = make.from_document(rules, events=basket)
    for key, unit in [
        ("ann", "acme"),
        ("bob", "acme"),
        ("cem", 7),
        ("dee", ""),
        ("eve", None),
        ("fay", True),
    ]:
        driver.flags.variant("checkout-cta", Context(key, org={"id": unit}))
    driver.flags.variant("checkout-cta", Context("gil"))
    assert driver.flush()

    assert [(event["subject"], event["data"]["unit_type"]) for event in basket.events] == [
        ("acme", "org.id"),
        ("7", "org.id"),
    ]


def test_an_exposure_comes_back_the_next_day_and_with_a_new_revision(
    server: Server, make: Maker, basket: Basket
) -> None:
    clock = Hours(1_795_305_599.0)  # a second before midnight, UTC
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, events=basket, poll_interval=0.1, clock=clock)
    assert driver.wait_ready()
    for now in (1_795_305_599.0, 1_795_305_599.9, 1_795_305_600.0, 1_795_305_601.0):
        clock.now = now
        driver.flags.variant("checkout-cta", USER)
    assert driver.flush()
    assert [event["time"] for event in basket.events] == [
        "2026-11-21T23:59:59.000Z",
        "2026-11-22T00:00:00.000Z",
    ]

    again = document()
    again["experiments"]["cta-wording"]["revision"] = 2
    server.rules = tagged(again, '"2"')
    eventually(lambda: driver.flags.variant("checkout-cta", USER) and driver.flags.stats()["accepted"] == 3)
    assert driver.flush()

    assert [event["data"]["revision"] for event in basket.events] == [1, 1, 2]
    assert len({event["id"] for event in basket.events}) == 3


def test_new_rules_that_change_nothing_expose_nobody_again(
    server: Server, make: Maker, basket: Basket
) -> None:
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, events=basket, poll_interval=0.1)
    assert driver.wait_ready()
    driver.flags.variant("checkout-cta", USER)

    server.rules = tagged(document(revision=2), '"2"')
    eventually(lambda: driver.flags.status().revision == 2)
    driver.flags.variant("checkout-cta", USER)
    assert driver.flush()

    assert basket.units == ["user-1"]


class Shifty(dict[str, Any]):
    """A mapping that lets itself be looked into just so many times."""

    def __init__(self, left: int) -> None:
        super().__init__(org="acme")
        self._left = left

    def get(self, key: object, default: object = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("no more")
        return super().get(key, default)  # type: ignore[call-overload]


def test_a_context_that_breaks_after_the_decision_does_not_break_the_caller(
    make: Maker, basket: Basket
) -> None:
    rules = document(experiments={"cta-wording": {"split": {"control": 50, "urgent": 50}, "unit": "org"}})
    driver = make.from_document(rules, events=basket)

    for left in range(6):
        assert driver.flags.variant("checkout-cta", Context("user-1", Shifty(left))) in {"control", "urgent"}

    assert driver.flush()
    assert set(basket.units) == {"acme"}
    assert balances(driver)


def test_many_threads_expose_every_unit_once(driver: Driver, basket: Basket) -> None:
    units = [f"user-{number}" for number in range(200)]

    def meet(seed: int) -> None:
        for unit in random.Random(seed).sample(units, len(units)):
            driver.flags.variant("checkout-cta", Context(unit))

    threads = [threading.Thread(target=meet, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert driver.flush()

    ids = {event["id"] for event in basket.events}
    assert sorted(set(basket.units)) == sorted(units)
    assert len(ids) == len(units)  # two threads may meet a unit at once; whoever stores it sees one id
    assert balances(driver)


# -- what happened -------------------------------------------------------------------------------------


def test_a_tracked_event_says_what_happened_to_whom(driver: Driver, basket: Basket) -> None:
    driver.flags.track(
        "order-placed", USER, value=49.9, currency="EUR", lines=[1, 2], event="x", context=None
    )
    driver.flags.track("order-placed", Context(42))
    driver.flags.track("door-opened")
    assert driver.flush()

    first, second, third = basket.events
    assert (first["type"], first["subject"]) == ("flagstaff.track", "user-1")
    assert first["data"] == {
        "event": "order-placed",
        "unit": "user-1",
        "unit_type": "targeting_key",
        "value": 49.9,
        "properties": {"currency": "EUR", "lines": [1, 2], "event": "x", "context": None},
    }
    assert (second["subject"], second["data"]["value"]) == ("42", None)
    assert "subject" not in third  # CloudEvents knows no empty one
    assert len({event["id"] for event in basket.events}) == 3


def test_events_are_numbered_from_one_and_arrive_in_order(driver: Driver, basket: Basket) -> None:
    for number in range(4500):
        driver.flags.track("step", USER, value=number)
    assert driver.flush()

    assert [event["data"]["value"] for event in basket.events] == list(range(4500))
    assert [int(event["sequence"]) for event in basket.events] == list(range(1, 4501))
    assert len({event["process"] for event in basket.events}) == 1
    assert basket.batches == 3


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, "x" * 70_000, [[[]]] * 40_000])
def test_what_can_not_be_sent_is_counted(driver: Driver, basket: Basket, value: Any) -> None:
    driver.flags.track("bad", USER, value=value)
    driver.flags.track("good", USER)
    assert driver.flush()

    counts = driver.flags.stats()
    assert counts["accepted"] == 2
    assert counts["delivered"] == 1
    assert sum(counts["dropped"].values()) == 1
    assert set(counts["dropped"]) <= {"not_encodable", "too_large"}
    assert [event["data"]["event"] for event in basket.of_type("track")] == ["good"]
    eventually(lambda: basket.of_type("loss"))
    assert sum(entry["count"] for entry in basket.of_type("loss")[0]["data"]["dropped"]) == 1


# -- when they leave -----------------------------------------------------------------------------------


def test_events_leave_by_themselves_when_they_are_old_enough(make: Maker, basket: Basket) -> None:
    driver = make.from_document(events=basket, flush_interval=0.05)

    driver.flags.variant("checkout-cta", USER)

    eventually(lambda: basket.units == ["user-1"])
    eventually(lambda: driver.flags.stats()["delivered"] == 1)


def test_events_leave_at_once_when_they_are_many(make: Maker, basket: Basket) -> None:
    driver = make.from_document(events=basket, flush_interval=3600)

    for _ in range(2000):
        driver.flags.track("step")

    eventually(lambda: len(basket.events) == 2000)


def test_a_flush_with_nothing_to_send_is_done(driver: Driver, make: Maker) -> None:
    assert driver.flush(0.0)
    assert make.from_document().flush(0.0)


def test_events_go_nowhere_unless_told(make: Maker) -> None:
    driver = make.from_document()
    driver.flags.variant("checkout-cta", USER)
    driver.flags.track("order-placed", USER)

    assert driver.flags.stats() == EMPTY
    assert driver.flags.describe().endswith("events: nowhere")


def test_a_sink_that_fails_gets_the_same_events_again(driver: Driver, basket: Basket, eager: None) -> None:
    basket.fault = RuntimeError("secret words")
    driver.flags.variant("checkout-cta", USER)
    assert not driver.flush(0.05)
    assert driver.flags.status().problems == ("sending raised RuntimeError",)
    assert driver.flags.status().pending == 1
    assert "1 events pending" in str(driver.flags.status())

    basket.fault = None
    assert driver.flush()

    assert basket.units == ["user-1"]
    assert driver.flags.status().problems == ()
    assert balances(driver)


def test_a_full_queue_drops_what_comes_and_counts_it(driver: Driver, basket: Basket, eager: None) -> None:
    basket.fault = RuntimeError("no")
    for number in range(10_000):
        driver.flags.track("step", USER, value=number)
    for number in range(20):
        driver.flags.variant("checkout-cta", Context(f"user-{number}"))

    counts = driver.flags.stats()
    assert (counts["accepted"], counts["pending"], counts["dropped"]) == (10_020, 10_000, {"queue_full": 20})
    assert {loss["flag"] for loss in counts["losses"]} == {"checkout-cta"}
    assert balances(driver)

    basket.fault = None
    assert driver.flush()
    for number in range(20):  # they were dropped, so they have not been seen
        driver.flags.variant("checkout-cta", Context(f"user-{number}"))
    assert driver.flush()

    assert sorted(basket.units) == sorted(f"user-{number}" for number in range(20))
    eventually(lambda: basket.of_type("loss"))
    reported = [entry for event in basket.of_type("loss") for entry in event["data"]["dropped"]]
    assert sum(entry["count"] for entry in reported) == 20
    assert balances(driver)


# -- closing -------------------------------------------------------------------------------------------


def test_closing_delivers_what_waits(driver: Driver, basket: Basket) -> None:
    driver.flags.variant("checkout-cta", USER)

    driver.close()

    assert basket.units == ["user-1"]
    assert driver.flags.stats() == EMPTY | {"accepted": 1, "delivered": 1}


def test_closing_delivers_what_a_client_that_was_never_started_took(make: Maker, basket: Basket) -> None:
    driver = make.driver(make.kind.from_document(document(), events=basket))
    driver.flags.variant("checkout-cta", USER)

    driver.close()

    assert basket.units == ["user-1"]


def test_after_closing_flags_are_decided_and_events_counted_as_lost(driver: Driver, basket: Basket) -> None:
    driver.close()

    assert driver.flags.variant("checkout-cta", USER) in {"control", "urgent"}
    driver.flags.track("order-placed", USER)
    assert driver.flush(0.0)

    assert driver.flags.stats()["dropped"] == {"shutdown": 2}
    assert basket.events == []
    assert balances(driver)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


@pytest.mark.parametrize(
    ("durability", "left"), [("memory", (0, {"shutdown": 1})), ("process", (1, {})), (None, (1, {}))]
)
def test_a_collector_that_hangs_holds_nobody_up(
    server: Server, make: Maker, durability: str | None, left: object
) -> None:
    server.rules, server.events = tagged(document(), '"1"'), hang
    driver = make(server.url, durability=durability)
    assert driver.wait_ready()
    driver.flags.variant("checkout-cta", USER)

    with at_most(1.0):
        assert not driver.flush(0.2)
    eventually(lambda: server.posts)  # it has it, and does not answer
    with at_most(2.0):  # the bound and, for a task, the moment that a cancellation takes
        driver.close(0.2)

    counts = driver.flags.stats()
    assert (counts["pending"], counts["dropped"]) == left
    assert balances(driver)


def test_a_sink_that_hangs_holds_nobody_up(make: Maker) -> None:
    begun, release = threading.Event(), threading.Event()

    class Stuck:
        def send(self, _events: object) -> None:
            begun.set()
            release.wait(20)

    driver = make.from_document(events=Stuck())
    driver.flags.variant("checkout-cta", USER)
    with at_most(1.0):
        assert not driver.flush(0.1)
    assert begun.is_set()
    with at_most(1.0):
        for number in range(1000):
            driver.flags.variant("checkout-cta", Context(f"user-{number}"))
    release.set()

    assert driver.flush()
    assert balances(driver)


# -- sinks ---------------------------------------------------------------------------------------------


def test_a_sink_may_be_a_coroutine_function_of_an_asynchronous_client(make: Maker) -> None:
    sink = AsyncBasket()
    driver = make.from_document(events=sink)
    driver.flags.variant("checkout-cta", USER)

    if isinstance(driver, Awaiting):
        assert driver.flush()
        assert sink.units == ["user-1"]
        assert len(sink.loops) == 1
    else:
        assert not driver.flush(0.05)
        assert "needs an AsyncClient" in driver.flags.status().problems[0]
        driver.close(0.0)


def test_a_sink_that_blocks_does_not_block_the_loop(make: Maker) -> None:
    threads = []

    class Slow:
        def send(self, _events: object) -> None:
            threads.append(threading.current_thread())

    driver = make.from_document(events=Slow())
    driver.flags.track("step")
    assert driver.flush()

    assert threads[0].name != "test-loop"
    assert threads[0] is not threading.main_thread()


def test_a_sink_may_change_what_it_gets(make: Maker, eager: None) -> None:
    class Vandal(Basket):
        def send(self, events: Any) -> None:
            assert [event["subject"] for event in events] == ["user-1"]
            for event in events:
                event.clear()
            events.clear()
            super().send(events)
            if self.batches == 1:
                raise RuntimeError("again, please")

    vandal = Vandal()
    driver = make.from_document(events=vandal)
    driver.flags.variant("checkout-cta", USER)

    eventually(lambda: driver.flush(0.1))
    assert vandal.batches == 2


# -- over HTTP -----------------------------------------------------------------------------------------


def test_events_are_posted_to_the_server_that_rules_come_from(server: Server, make: Maker) -> None:
    server.rules = tagged(document(), '"1"')
    driver = make(server.url, key="sdk-1")
    assert driver.wait_ready()
    driver.flags.variant("checkout-cta", USER)
    assert driver.flush()

    (post,) = server.posts
    assert post.path == "/v1/events"
    assert post.header("authorization") == "Bearer sdk-1"
    assert post.header("content-type") == "application/cloudevents-batch+json"
    assert post.header("content-encoding") == "gzip"
    assert driver.flags.describe().endswith(f"events: http {server.url.removeprefix('http://')}")


def test_a_batch_that_was_refused_arrives_later_byte_for_byte(
    server: Server, make: Maker, eager: None
) -> None:
    server.events = answer(status=503)
    driver = make.from_document(events=f"{server.url}/")
    driver.flags.variant("checkout-cta", USER)
    driver.flush(0.05)
    eventually(lambda: driver.flags.status().problems)
    assert driver.flags.status().problems == (f"{server.url.removeprefix('http://')} answered 503",)
    assert driver.flags.status().state == "READY"

    server.events = answer(status=202)
    assert driver.flush()

    assert len({post.body for post in server.posts}) == 1
    assert server.posts[0].path == "/v1/events"
    assert server.posts[0].header("authorization") is None
    assert driver.flags.stats() == EMPTY | {"accepted": 1, "delivered": 1}


def test_what_was_tracked_before_rules_arrived_is_sent_too(
    server: Server, make: Maker, basket: Basket
) -> None:
    driver = make(server.url, events=basket, poll_interval=0.1)
    driver.flags.track("early", USER)
    assert driver.flush()
    server.rules = answer(encoded(document()))
    driver.flags.on_change(lambda _: driver.flags.track("late", USER))
    assert driver.wait_ready()
    eventually(lambda: driver.flags.stats()["accepted"] == 2)
    assert driver.flush()

    assert [event["source"] for event in basket.events] == [
        "/flagstaff/default/default",
        "/flagstaff/shop/production",
    ]


def test_an_asynchronous_client_sends_from_the_loop_that_it_was_started_in(basket: Basket) -> None:
    from flagstaff import AsyncClient

    async def session() -> None:
        async with AsyncClient.from_document(document(), events=basket) as client:
            client.variant("checkout-cta", USER)
            assert await client.flush()

    asyncio.run(session())

    assert basket.units == ["user-1"]
