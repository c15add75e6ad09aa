"""What the SDK sends is what the server takes."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest

from flagstaff.events.ledger import Loss
from flagstaff.events.model import Encoder
from flagstaff.server import ExposureCount, Gap, LossCount, TrackCount
from tests.server.lab import BATCH, Lab

NOON = 1_795_348_800.25


@dataclass(frozen=True)
class Arm:
    variant: str
    flag: str = "checkout-cta"
    experiment: str = "cta-wording"
    unit_type: str = "targeting_key"
    rule: str | None = None
    revision: int = 1

    @property
    def key(self) -> str:
        return f"{self.experiment}/{self.variant}"


def send(served: Lab, *records: bytes) -> httpx.Response:
    body = b"[" + b",".join(records) + b"]"
    return served.client.post("/v1/events", content=body, headers={"Content-Type": BATCH})


def test_two_processes_of_the_sdk_are_counted_once(served: Lab) -> None:
    one, other = Encoder("shop", "live", "a" * 16), Encoder("shop", "live", "b" * 16)
    arms = [Arm("calm"), Arm("urgent")]

    answers = [
        send(served, *(each.form(arm).render("user-1", NOON, number) for number, arm in enumerate(arms, 1)))
        for each in (one, other)
    ]

    assert [answer.json()["stored"] for answer in answers] == [2, 0]
    assert served.store.exposures() == [
        ExposureCount("checkout-cta", "cta-wording", arm.variant, 1, 1, *["2026-11-22T12:00:00.250Z"] * 2)
        for arm in arms
    ]
    assert [(gap.process, gap.missing) for gap in served.store.gaps()] == [("a" * 16, 0), ("b" * 16, 0)]


def test_tracks_and_losses_of_the_sdk_are_counted(served: Lab) -> None:
    encoder = Encoder("my shop", "é/\ud800", "a" * 16)
    losses = [
        Loss(reason="queue_full", flag="checkout-cta", variant="calm", count=3),
        Loss(reason="too_large", flag="", variant="", count=1),
    ]

    answer = send(
        served,
        encoder.track("order-placed", "user-1", "targeting_key", 49.9, {"currency": "EUR"}, NOON, 1),
        encoder.track("order-placed", "user-2", "targeting_key", None, None, NOON, 6),
        encoder.loss(losses, NOON),
    )

    assert answer.json() == {"stored": 3, "duplicates": 0}
    assert served.store.tracks() == [TrackCount("order-placed", 2, 2)]
    assert served.store.losses() == [
        LossCount("queue_full", "checkout-cta", "calm", 3),
        LossCount("too_large", "", "", 1),
    ]
    (gap,) = served.store.gaps()
    assert gap == Gap(gap.source, "a" * 16, 6, 4)


@pytest.mark.parametrize("unit", ["\ud800", "a\0b", 'quote " and \\', "🦜", " "])
def test_a_unit_of_any_text_arrives(served: Lab, unit: str) -> None:
    assert send(served, Encoder("", "").form(Arm("calm")).render(unit, NOON, 1)).json()["stored"] == 1
