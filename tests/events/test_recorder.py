"""The way in: once a day, never raising, everything counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from flagstaff.events.transport import SinkTransport
from tests.events.lab import Arm, FakeClock, Pipeline


class Nowhere:
    def send(self, events: object) -> None: ...


@pytest.fixture
def line(clock: FakeClock) -> Pipeline:
    return Pipeline(SinkTransport(Nowhere()), clock, max_events=3)


def waiting(line: Pipeline) -> list[dict[str, Any]]:
    batch = line.spool.peek(1000, 1 << 30)
    return [] if batch is None else [json.loads(record) for record, _, _ in batch.records]


def test_a_unit_is_exposed_once_per_arm(line: Pipeline) -> None:
    line.expose("u", "u", "v", "u")
    line.expose("u", arm=Arm(variant="calm"))

    seen = [(event["subject"], event["data"]["variant"]) for event in waiting(line)]
    assert seen == [("u", "urgent"), ("v", "urgent"), ("u", "calm")]
    assert line.ledger.snapshot()["accepted"] == 3
    assert line.appended == 1  # and not for each of them


def test_a_unit_is_exposed_again_the_next_day_under_another_id(line: Pipeline, clock: FakeClock) -> None:
    line.expose("u")
    clock.turn(86_400)
    line.expose("u", "u")

    one, two = waiting(line)
    assert one["id"] != two["id"]


def test_an_exposure_that_found_no_room_gets_its_next_chance(line: Pipeline) -> None:
    line.expose("a", "b", "c", "late", "late")
    assert line.ledger.snapshot()["dropped"] == {"queue_full": 2}
    batch = line.spool.peek(3, 1 << 20)
    assert batch is not None
    line.spool.acknowledge(batch)

    line.expose("late", "late")

    assert [event["subject"] for event in waiting(line)] == ["late"]
    assert line.ledger.snapshot()["losses"] == [
        {"reason": "queue_full", "flag": "checkout-cta", "variant": "urgent", "count": 2}
    ]


def test_numbers_follow_each_other_and_a_gap_is_a_loss(line: Pipeline) -> None:
    line.recorder.track("order-placed", "u")
    line.recorder.track("order-placed", "u", value=float("nan"))
    line.expose("u")

    assert [event["sequence"] for event in waiting(line)] == ["000000000001", "000000000003"]
    assert line.ledger.snapshot()["dropped"] == {"not_encodable": 1}


def test_a_track_is_never_taken_for_a_repetition(line: Pipeline) -> None:
    for _ in range(2):
        line.recorder.track("order-placed", "u", "org_id", 49.9, {"currency": "EUR"})

    one, two = waiting(line)
    assert one["data"] == two["data"]
    assert one["data"]["unit_type"] == "org_id"
    assert one["id"] != two["id"]


class Hostile:
    """Something that raises whatever is done with it."""

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __str__(self) -> str:
        raise RuntimeError("str")

    def __len__(self) -> int:
        raise RuntimeError("len")

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("attribute")


class HostileDict(dict[str, object]):
    def values(self) -> Any:
        raise RuntimeError("values")


@pytest.mark.parametrize(
    "make", [Hostile, lambda: HostileDict(a=1), object, lambda: 10**100_000, lambda: "x" * 100_000]
)
def test_nothing_that_is_tracked_raises_and_everything_is_counted(
    line: Pipeline, make: Callable[[], Any]
) -> None:
    value = make()
    line.recorder.track("event", "u", value=value)
    line.recorder.track("event", "u", properties={"x": value})
    line.recorder.track("event", "u", properties=value)

    counts = line.ledger.snapshot()
    assert counts["accepted"] == 3 == sum(counts["dropped"].values())
    assert line.balanced()


def test_a_surprise_is_logged_once_and_without_its_content(
    line: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("secret")

    line.recorder._on_append = fail
    line.expose("a", "b")

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "secret" not in caplog.text


def test_a_huge_unit_is_dropped_under_its_reason(line: Pipeline) -> None:
    line.expose("u" * 70_000)

    assert line.ledger.snapshot()["dropped"] == {"too_large": 1}
    assert line.balanced()


def test_what_a_listener_raises_does_not_reach_the_caller(line: Pipeline) -> None:
    def fail() -> None:
        raise RuntimeError("listener")

    line.recorder._on_append = fail
    line.expose("u", "u")
    line.recorder.track("event", "u")

    assert len(waiting(line)) == 2
    assert line.balanced()


def test_closing_counts_what_is_lost_and_what_comes_too_late(line: Pipeline) -> None:
    line.expose("a", "b")

    line.recorder.close()
    line.expose("c")
    line.recorder.track("late", "u")
    line.recorder.close()

    counts = line.ledger.snapshot()
    assert (counts["accepted"], counts["pending"], counts["dropped"]) == (4, 0, {"shutdown": 4})
    assert line.balanced()


def test_a_child_process_delivers_only_its_own(line: Pipeline) -> None:
    line.expose("parent")
    process = line.encoder.process

    line.recorder.forked()
    line.sender.forked()
    line.expose("parent", "child")

    (event,) = waiting(line)
    assert (event["subject"], event["sequence"]) == ("child", "000000000001")
    assert event["process"] == line.encoder.process != process
    assert line.ledger.snapshot()["accepted"] == 1
