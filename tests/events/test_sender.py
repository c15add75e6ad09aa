"""When and how batches leave: real requests to a collector, and a clock that is turned by hand."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from flagstaff.events.sender import Delivery
from flagstaff.events.spool import MemorySpool
from flagstaff.events.transport import DELIVERED, RETRY, Verdict
from flagstaff.net.http import Http
from tests.events.conftest import MakePipeline
from tests.events.lab import KEY, NOON, Answer, Arm, Collector, FakeClock, Pipeline, over_http
from tests.net.badserver import answer, cut, redirect, serving

# -- when ----------------------------------------------------------------------------------------------


def test_with_nothing_to_send_there_is_nothing_to_wait_for(pipeline: Pipeline) -> None:
    assert pipeline.step() == math.inf
    assert pipeline.sender.idle


def test_an_event_waits_for_company_until_the_interval_is_over(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.expose("a")
    assert pipeline.step() == 5.0
    clock.turn(4.0)
    pipeline.expose("b")
    assert pipeline.step() == 1.0
    assert collector.bodies == []
    clock.turn(1.0)

    assert isinstance(pipeline.step(), Delivery)

    assert collector.units == ["a", "b"]
    assert pipeline.ledger.snapshot()["delivered"] == 2
    assert pipeline.step() == math.inf


def test_a_full_batch_waits_for_nothing(make: MakePipeline, collector: Collector) -> None:
    pipeline = make(max_count=3)
    pipeline.expose("a", "b")
    assert pipeline.step() == 5.0
    pipeline.expose("c", "d")

    assert isinstance(pipeline.step(), Delivery)

    assert collector.units == ["a", "b", "c"]


def test_a_batch_is_full_by_its_bytes_too(make: MakePipeline, collector: Collector) -> None:
    pipeline = make(max_bytes=1000)
    pipeline.expose("a", "b")
    assert pipeline.step() == 5.0
    pipeline.expose("c")

    assert isinstance(pipeline.step(), Delivery)

    assert collector.units == ["a", "b"]


def test_what_was_left_behind_waits_no_longer_than_it_would_have(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_count=3)
    pipeline.expose("a")
    assert pipeline.step() == 5.0
    clock.turn(3.0)
    pipeline.expose("b", "c", "d")
    pipeline.step()

    assert pipeline.step() == 2.0
    clock.turn(2.0)
    assert isinstance(pipeline.step(), Delivery)

    assert collector.units == ["a", "b", "c", "d"]


def test_what_came_during_a_delivery_has_an_interval_of_its_own(pipeline: Pipeline, clock: FakeClock) -> None:
    pipeline.expose("a")
    pipeline.step()
    clock.turn(5.0)
    job = pipeline.sender.next(clock.now)
    assert isinstance(job, Delivery)
    verdict = pipeline.sender.perform(job)
    clock.turn(1.0)
    pipeline.expose("b")
    pipeline.sender.done(job, verdict, clock.now)

    assert pipeline.step() == 4.0


def test_the_driver_is_woken_by_the_first_event_and_by_the_last_of_a_batch(
    make: MakePipeline, clock: FakeClock
) -> None:
    pipeline = make(max_count=3)
    sender = pipeline.sender

    def wants(unit: str) -> bool:
        before = pipeline.appended
        pipeline.expose(unit)
        return pipeline.appended > before

    pipeline.step()
    assert wants("a")
    assert pipeline.step() == 5.0
    assert not wants("b")
    assert wants("c")
    job = sender.next(clock.now)
    assert isinstance(job, Delivery)
    assert not wants("d")  # it is awake already
    sender.done(job, ConnectionError(), clock.now)
    assert sender.next(clock.now) == 0.5
    assert not wants("e")  # waking it would change nothing


def test_a_flush_does_not_wait_for_company(pipeline: Pipeline, collector: Collector) -> None:
    pipeline.expose("a")
    assert pipeline.step() == 5.0
    mark = pipeline.sender.flush(10.0)
    assert not pipeline.sender.flushed(mark)

    pipeline.step()

    assert pipeline.sender.flushed(mark)
    assert collector.units == ["a"]


def test_a_flush_is_over_when_what_came_before_it_has_left(pipeline: Pipeline) -> None:
    pipeline.expose("a")
    mark = pipeline.sender.flush(10.0)
    pipeline.step()
    pipeline.expose("b")

    assert pipeline.sender.flushed(mark)
    assert not pipeline.sender.idle
    assert pipeline.step() == 5.0


def test_during_a_flush_a_backoff_is_short_and_afterwards_long_again(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.script = [Answer(503)] * 20
    pipeline.expose("a")
    pipeline.sender.flush(2.2)
    waits = [pipeline.step() for _ in range(3)]
    assert waits[1:] == [0.5, 0.5]
    for _ in range(8):
        wait = pipeline.step()
        clock.turn(wait if isinstance(wait, float) else 0.0)

    assert clock.now == 1002.0
    pipeline.step()
    clock.turn(0.3)
    rest = pipeline.step()
    assert isinstance(rest, float)
    assert rest > 1.0


def test_a_flush_does_not_make_a_server_angry(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.script = [Answer(429, {"Retry-After": "7"})]
    pipeline.expose("a")
    pipeline.sender.flush(60.0)
    pipeline.step()

    assert pipeline.step() == 7.0
    clock.turn(7.0)
    pipeline.step()

    assert collector.units == ["a"]


# -- what is sent --------------------------------------------------------------------------------------


def test_a_batch_is_gzipped_cloud_events_with_the_key(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.expose("a")
    pipeline.recorder.track("order-placed", "a", value=1)
    pipeline.run(clock, 6.0)

    (headers,) = collector.requests
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert [event["type"] for event in collector.batch(0)] == ["flagstaff.exposure", "flagstaff.track"]


@pytest.mark.parametrize(
    "failure",
    [Answer(status) for status in (401, 403, 404, 408, 410, 429, 500, 502, 503, 599)]
    + [Answer(hang_up=True)],
    ids=lambda failure: f"{failure.status}{' hang up' if failure.hang_up else ''}",
)
def test_whatever_goes_wrong_the_same_bytes_come_again(
    pipeline: Pipeline, clock: FakeClock, collector: Collector, failure: Answer
) -> None:
    collector.script = [failure, failure]
    pipeline.expose("a")
    pipeline.run(clock, 6.0)
    assert pipeline.sender.fault
    pipeline.expose("b")
    pipeline.run(clock, 600.0)

    assert len(set(collector.bodies[:3])) == 1
    assert collector.units == ["a", "b"]
    assert not pipeline.sender.fault
    assert pipeline.ledger.snapshot() == {
        "accepted": 2,
        "delivered": 2,
        "pending": 0,
        "dropped": {},
        "losses": [],
    }


def test_no_failure_is_final(pipeline: Pipeline, clock: FakeClock, collector: Collector) -> None:
    collector.script = [Answer(401)] * 100
    pipeline.expose("a")
    pipeline.run(clock, 86_400.0)

    assert len(collector.bodies) > 100
    assert collector.units == ["a"]


@pytest.mark.parametrize(("status", "least", "most"), [(503, 60, 400), (401, 6, 30), (404, 6, 30)])
def test_what_time_does_not_mend_is_tried_more_rarely_and_for_ever(  # noqa: PLR0917 - fixtures
    pipeline: Pipeline, clock: FakeClock, collector: Collector, status: int, least: int, most: int
) -> None:
    collector.script = [Answer(status)] * 400
    pipeline.expose("a")
    pipeline.run(clock, 3600)

    assert least <= len(collector.requests) <= most
    collector.script = []
    pipeline.run(clock, 300)
    assert collector.units == ["a"]


def test_what_nobody_was_told_of_is_told_by_the_next_process(
    tmp_path: Path, clock: FakeClock, collector: Collector, http: Http
) -> None:
    lines = [Pipeline(over_http(collector.url, clock, http), clock, root=tmp_path) for _ in range(2)]
    collector.script = [Answer(503), Answer(hang_up=True)]
    lines[0].expose("kept", "x" * 70_000)
    lines[0].run(clock, 5.5)  # a report is on its way, and was not acknowledged
    lines[0].expose("y" * 70_000, "z" * 70_000)
    lines[0].recorder.close(lines[0].sender.reports)
    assert lines[0].balanced()

    lines[1].run(clock, 120)

    assert sum(loss["count"] for loss in collector.losses) == 3
    assert collector.units == ["kept"]
    lines[1].recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_day_of_outage_is_no_storm(pipeline: Pipeline, clock: FakeClock, collector: Collector) -> None:
    collector.script = [Answer(503)] * 10_000
    pipeline.expose("a")
    pipeline.run(clock, 7200.0)

    assert len(collector.bodies) <= 7200 / 30 + 10
    assert pipeline.balanced()


def test_the_fault_says_what_is_wrong(pipeline: Pipeline, clock: FakeClock, collector: Collector) -> None:
    collector.script = [Answer(401), Answer(503)]
    pipeline.expose("a")
    pipeline.run(clock, 5.0)
    host = collector.url.removeprefix("http://")
    assert pipeline.sender.fault == f"{host} answered 401 (is the key right?)"
    clock.turn(2.0)
    pipeline.step()
    assert pipeline.sender.fault == f"{host} answered 503"


def test_an_outage_is_logged_when_it_begins_and_when_it_ends(
    pipeline: Pipeline, clock: FakeClock, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "flagstaff")
    collector.script = [Answer(503)] * 5
    pipeline.expose("secret-user")
    pipeline.run(clock, 600.0)

    assert [record.levelname for record in caplog.records if record.name == "flagstaff.events"] == [
        "WARNING",
        "INFO",
    ]
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("flagstaff"))
    assert KEY not in ours
    assert "secret-user" not in ours


def test_servers_that_are_no_collectors_change_nothing(clock: FakeClock, http: Http) -> None:
    strangers = [cut(b""), redirect("http://127.0.0.2/"), redirect("/x"), answer(b"<html>" * 99, 404)]
    with serving(*strangers) as server:
        pipeline = Pipeline(over_http(server.url, clock, http), clock)
        pipeline.expose("a")
        for visits in range(1, 5):
            while len(server.visits) < visits:
                pipeline.run(clock, 1.0)
            assert pipeline.sender.fault
            assert pipeline.spool.pending == 1


# -- refusals ------------------------------------------------------------------------------------------


def units(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


@pytest.mark.parametrize("poison", [["u0"], ["u7"], ["u3"], ["u2", "u3"], ["u0", "u4", "u7"]])
@pytest.mark.parametrize("status", [400, 422])
def test_poison_is_found_and_set_aside_and_all_others_arrive(
    pipeline: Pipeline, clock: FakeClock, collector: Collector, poison: list[str], status: int
) -> None:
    collector.refuses = lambda event: event.get("subject") in poison
    collector._judge = lambda events: Answer(status if any(map(collector.refuses, events)) else 202)  # type: ignore[method-assign]
    pipeline.expose(*units(8))
    pipeline.run(clock, 6.0)

    assert collector.units == [unit for unit in units(8) if unit not in poison]
    counts = pipeline.ledger.snapshot()
    assert (counts["delivered"], counts["dropped"]) == (8 - len(poison), {"rejected": len(poison)})
    assert isinstance(pipeline.spool, MemorySpool)
    assert [json_of(record)["subject"] for (record, _, _), _ in pipeline.spool.aside] == poison
    assert pipeline.balanced()
    assert not pipeline.sender.fault


def json_of(record: bytes) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(record)
    return decoded


def test_the_search_for_poison_is_a_bisection(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.refuses = lambda event: event.get("subject") == "u300"
    pipeline.expose(*units(500))
    pipeline.run(clock, 5.0)

    assert len(collector.bodies) <= 1 + 2 * 9 + 1  # the whole, the halves, and the loss
    assert len(collector.units) == 499


def test_a_batch_that_is_too_large_is_halved(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.most = 3
    pipeline.expose(*units(16))
    pipeline.run(clock, 5.0)

    assert collector.units == units(16)
    assert pipeline.ledger.snapshot()["dropped"] == {}
    assert not pipeline.sender.fault


def test_batches_stay_small_after_a_refusal_for_their_size(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_count=100)
    collector.most = 30
    pipeline.expose(*units(1000))
    pipeline.run(clock, 60.0)

    assert collector.units == units(1000)
    refused = sum(len(collector.batch(number)) > 30 for number in range(len(collector.bodies)))
    assert refused <= len(collector.bodies) / 3


def test_one_event_that_is_too_large_for_the_collector_is_set_aside(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector._judge = lambda events: Answer(  # type: ignore[method-assign]
        413 if any(event.get("subject") == "u5" for event in events) else 202
    )
    pipeline.expose(*units(10))
    pipeline.run(clock, 5.0)

    assert len(collector.units) == 9
    assert pipeline.ledger.snapshot()["dropped"] == {"too_large": 1}
    pipeline.expose(*(f"v{number}" for number in range(400)))
    pipeline.run(clock, 10.0)
    assert max(len(collector.batch(number)) for number in range(len(collector.bodies))) >= 400


def test_a_collector_that_refuses_everything_does_not_cost_everything(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.refuses = lambda _: True
    pipeline.expose(*units(100))
    pipeline.run(clock, 600.0)
    lost = pipeline.ledger.snapshot()["dropped"]["rejected"]
    assert 8 <= lost <= 40
    assert "answered 400" in str(pipeline.sender.fault)

    collector.refuses = lambda _: False
    pipeline.run(clock, 600.0)

    assert len(collector.units) == 100 - lost
    assert pipeline.balanced()


# -- losses --------------------------------------------------------------------------------------------


def overflow(pipeline: Pipeline) -> None:
    """Fill a spool of four and lose two."""
    pipeline.expose(*units(6))


def reported(collector: Collector) -> int:
    return sum(loss["count"] for loss in collector.losses)


def test_losses_are_told_with_the_next_batch(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_events=4)
    overflow(pipeline)
    pipeline.run(clock, 5.0)

    assert [event["type"] for event in collector.batch(0)] == ["flagstaff.exposure"] * 4 + ["flagstaff.loss"]
    assert collector.losses == [
        {"reason": "queue_full", "flag": "checkout-cta", "variant": "urgent", "count": 2}
    ]
    pipeline.expose("w")
    pipeline.run(clock, 600.0)
    assert reported(collector) == 2


def test_losses_without_a_batch_are_told_after_the_interval(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.recorder.track("e", "u", value=math.nan)
    assert not pipeline.sender.idle
    assert pipeline.step() == 5.0
    clock.turn(5.0)
    pipeline.step()

    assert collector.losses == [{"reason": "not_encodable", "flag": "", "variant": "", "count": 1}]
    assert pipeline.sender.idle


def test_a_batch_that_fails_does_not_forget_its_losses(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_events=4)
    collector.script = [Answer(503), Answer(hang_up=True)]
    overflow(pipeline)
    pipeline.run(clock, 600.0)

    assert reported(collector) == 2
    assert len(set(collector.bodies)) == 1


def test_poison_does_not_hide_losses_nor_are_they_told_twice(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_events=4)
    collector.refuses = lambda event: event.get("subject") == "u2"
    overflow(pipeline)
    pipeline.run(clock, 600.0)

    assert collector.units == ["u0", "u1", "u3"]
    assert reported(collector) == 3
    assert {loss["reason"] for loss in collector.losses} == {"queue_full", "rejected"}


def test_a_collector_that_knows_no_losses_costs_no_events(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_events=4)
    collector.refuses = lambda event: event["type"] == "flagstaff.loss"
    overflow(pipeline)
    pipeline.run(clock, 600.0)

    assert collector.units == units(4)
    assert len(collector.bodies) == 2
    assert pipeline.ledger.snapshot()["dropped"] == {"queue_full": 2}
    assert pipeline.sender.idle


def test_a_loss_record_that_is_refused_alone_waits_for_company(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.refuses = lambda event: event["type"] == "flagstaff.loss"
    pipeline.recorder.track("e", "u", value=math.nan)
    pipeline.run(clock, 100.0)
    assert pipeline.sender.fault
    pipeline.expose("a")
    pipeline.run(clock, 100.0)

    assert collector.units == ["a"]
    assert not pipeline.sender.fault
    assert pipeline.sender.idle


def test_a_thousand_kinds_of_losses_are_told_in_parts(
    make: MakePipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline = make(max_events=1)
    pipeline.expose("first")
    for number in range(500):
        pipeline.expose("u", arm=Arm(flag=f"flag-{number}"))
    pipeline.run(clock, 60.0)

    assert reported(collector) == 500
    assert max(len(body) for body in collector.bodies) < 64 * 1024


# -- the rest ------------------------------------------------------------------------------------------


def test_everybody_who_waits_hears_of_every_answer(make: MakePipeline, clock: FakeClock) -> None:
    heard: list[float] = []
    pipeline = make(on_progress=lambda: heard.append(clock.now))
    pipeline.expose("a")
    pipeline.run(clock, 6.0)

    assert heard == [1005.0]


def test_a_delivery_that_was_cut_off_is_given_out_again(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.expose("a")
    pipeline.sender.flush()
    lost = pipeline.sender.next(clock.now)

    assert pipeline.sender.next(clock.now) is lost
    pipeline.step()

    assert collector.units == ["a"]


def test_the_answer_to_a_delivery_of_the_parent_means_nothing_to_a_child(
    pipeline: Pipeline, clock: FakeClock
) -> None:
    pipeline.expose("a")
    pipeline.sender.flush()
    job = pipeline.sender.next(clock.now)
    assert isinstance(job, Delivery)
    verdict = pipeline.sender.perform(job)
    pipeline.recorder.forked()
    pipeline.sender.forked()
    pipeline.expose("b")

    pipeline.sender.done(job, verdict, clock.now)

    assert pipeline.spool.pending == 1
    assert pipeline.balanced()


def test_a_batch_that_has_gone_before_it_was_packed_is_not_missed(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.expose("a")
    pipeline.sender.flush()
    job = pipeline.sender.next(clock.now)
    assert isinstance(job, Delivery)
    pipeline.recorder.close()
    pipeline.sender.done(job, pipeline.sender.perform(job), clock.now)

    assert pipeline.step() == 0.5
    assert collector.bodies == []
    assert pipeline.balanced()


class Noted:
    """Takes whatever it gets, and notes on which threads it was packed and sent."""

    def __init__(self) -> None:
        self.packed: list[int] = []
        self.sent: list[int] = []

    def pack(self, records: Sequence[bytes]) -> list[bytes]:
        self.packed.append(threading.get_ident())
        return list(records)

    def send(self, parcel: list[bytes]) -> Verdict:
        raise NotImplementedError

    async def asend(self, parcel: list[bytes]) -> Verdict:
        self.sent.append(len(parcel))
        return Verdict(DELIVERED if len(self.sent) > 1 else RETRY)


def test_an_event_loop_is_not_held_up_by_the_packing_of_a_batch(clock: FakeClock) -> None:
    transport = Noted()
    pipeline = Pipeline(transport, clock)
    pipeline.expose("a", "b")
    pipeline.sender.flush()

    async def deliver() -> None:
        for _ in range(2):
            job = pipeline.sender.next(clock.now)
            assert isinstance(job, Delivery)
            pipeline.sender.done(job, await pipeline.sender.aperform(job), clock.now)
            clock.turn(60.0)

    asyncio.run(deliver())

    assert len(transport.packed) == 1
    assert transport.packed[0] != threading.get_ident()
    assert transport.sent == [2, 2]
    assert pipeline.ledger.snapshot()["delivered"] == 2


def test_what_arrives_after_the_spool_was_closed_is_not_counted_twice(
    pipeline: Pipeline, clock: FakeClock
) -> None:
    pipeline.expose("a")
    pipeline.sender.flush()
    job = pipeline.sender.next(clock.now)
    assert isinstance(job, Delivery)
    verdict = pipeline.sender.perform(job)
    pipeline.recorder.close()
    pipeline.sender.done(job, verdict, clock.now)

    counts = pipeline.ledger.snapshot()
    assert (counts["delivered"], counts["dropped"]) == (0, {"shutdown": 1})
    assert pipeline.balanced()


def test_closing_in_the_middle_of_a_search_ends_it(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    collector.refuses = lambda event: event.get("subject") == "u3"
    pipeline.expose(*units(4))
    pipeline.sender.flush()
    pipeline.step()
    pipeline.recorder.close()
    pipeline.run(clock, 60.0)

    assert collector.units == []
    assert reported(collector) == 4
    assert pipeline.balanced()


def test_a_wall_clock_that_jumps_changes_no_schedule(
    pipeline: Pipeline, clock: FakeClock, collector: Collector
) -> None:
    pipeline.expose("a")
    assert pipeline.step() == 5.0
    clock.wall = NOON - 86_400 * 400
    assert pipeline.step() == 5.0
    clock.wall = NOON + 86_400 * 400
    clock.turn(5.0)
    pipeline.step()

    assert collector.units == ["a"]
