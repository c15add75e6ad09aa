"""Whatever happens in whatever order: accepted = delivered + pending + dropped."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flagstaff.events.ledger import REJECTED, TOO_LARGE
from flagstaff.events.sender import Delivery
from flagstaff.events.transport import DELIVERED, RETRY, Verdict
from tests.events.lab import FakeClock, Pipeline


class ScriptedCollector:
    """A transport whose far end stores, loses answers, refuses by content and by size."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.trouble: list[str] = []
        self.refuses_losses = False
        self.most = math.inf

    def pack(self, records: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(records) + b"]"

    def send(self, parcel: bytes) -> Verdict:
        trouble = self.trouble.pop(0) if self.trouble else ""
        if trouble == "down":
            raise ConnectionError
        if trouble == "busy":
            return Verdict(RETRY, "busy", 7.0)
        events = json.loads(parcel)
        if len(events) > self.most:
            return Verdict(TOO_LARGE, "too large")
        if any(map(self._refuses, events)):
            return Verdict(REJECTED, "poison")
        self.stored.update((event["id"], event) for event in events)
        if trouble == "cut":
            raise ConnectionError
        return Verdict(DELIVERED)

    async def asend(self, parcel: bytes) -> Verdict:
        return self.send(parcel)

    def _refuses(self, event: dict[str, Any]) -> bool:
        if event["type"] == "flagstaff.loss":
            return self.refuses_losses
        return str(event["subject"]).startswith("poison")

    def reported(self) -> int:
        losses = [event for event in self.stored.values() if event["type"] == "flagstaff.loss"]
        return sum(loss["count"] for event in losses for loss in event["data"]["dropped"])

    def units(self) -> set[str]:
        return {event["subject"] for event in self.stored.values() if "subject" in event}


class Balance(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.collector = ScriptedCollector()
        self.pipeline = Pipeline(self.collector, self.clock, max_events=12, max_count=5, max_bytes=2500)
        self.offered = 0
        self.job: Delivery | None = None
        self.clean = True  # no answer was lost after a loss record was stored

    @rule(count=st.integers(1, 15), poison=st.booleans())
    def expose(self, count: int, poison: bool) -> None:
        for _ in range(count):
            self.offered += 1
            self.pipeline.expose(f"{'poison' if poison else 'unit'}-{self.offered}")

    @rule(value=st.sampled_from([1, math.nan, "x" * 70_000]))
    def track(self, value: object) -> None:
        self.offered += 1
        self.pipeline.recorder.track("event", f"unit-{self.offered}", value=value)

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @rule()
    def begin(self) -> None:
        job = self.pipeline.sender.next(self.clock.now)
        if isinstance(job, Delivery):
            assert self.job is None or self.job is job
            self.job = job
        else:
            assert job > 0

    @rule()
    def end(self) -> None:
        if self.job is None:
            return
        job, self.job = self.job, None
        try:
            answer: Verdict | Exception | None = self.pipeline.sender.perform(job)
        except ConnectionError as error:
            answer = error
        self.pipeline.sender.done(job, answer, self.clock.now)

    @rule(seconds=st.floats(1, 300))
    def run(self, seconds: float) -> None:
        self.job = None
        self.pipeline.run(self.clock, seconds)

    @rule(trouble=st.lists(st.sampled_from(["down", "busy", "cut", ""]), max_size=6))
    def trouble_ahead(self, trouble: list[str]) -> None:
        self.collector.trouble += trouble

    @rule(most=st.sampled_from([1, 2, 3, math.inf]), refuses_losses=st.booleans())
    def another_policy(self, most: float, refuses_losses: bool) -> None:
        self.collector.most = most
        self.collector.refuses_losses = refuses_losses

    @rule()
    def flush(self) -> None:
        self.pipeline.sender.flush(5.0)

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        assert self.pipeline.balanced()
        assert self.pipeline.ledger.snapshot()["accepted"] == self.offered

    def teardown(self) -> None:
        """In the end, with a healthy collector, everything has arrived or is a counted loss."""
        self.collector.trouble.clear()
        self.collector.most = math.inf
        self.collector.refuses_losses = False
        self.job = None
        self.pipeline.run(self.clock, 3600.0)
        counts = self.pipeline.ledger.snapshot()
        assert self.pipeline.sender.idle
        assert counts["pending"] == 0
        dropped = sum(counts["dropped"].values())
        assert counts["delivered"] == self.offered - dropped
        assert len(self.collector.units()) == counts["delivered"]
        assert not any(unit.startswith("poison") for unit in self.collector.units())


Balance.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_events_are_always_in_balance = Balance.TestCase


class HonestBalance(Balance):
    """The same with a collector that takes loss records and whose answers arrive: reports are exact."""

    @rule(trouble=st.lists(st.sampled_from(["down", "busy", ""]), max_size=6))
    def trouble_ahead(self, trouble: list[str]) -> None:
        self.collector.trouble += trouble

    @rule(most=st.sampled_from([1, 2, 3, math.inf]))
    def another_policy(self, most: float) -> None:
        self.collector.most = most

    def teardown(self) -> None:
        super().teardown()
        assert self.collector.reported() == sum(self.pipeline.ledger.snapshot()["dropped"].values())


HonestBalance.TestCase.settings = Balance.TestCase.settings
test_reports_of_losses_are_exact = HonestBalance.TestCase
