"""What every source and every sink has to do, as tests: subclass, say how to make one, and run.

The classes need neither pytest nor unittest and go with both. What can be broken on purpose should be: a
method ``break_…`` that isn't overridden leaves its test out.
"""

from __future__ import annotations

import asyncio
import time
from copy import deepcopy
from inspect import isawaitable
from typing import TYPE_CHECKING, Any
from unittest import SkipTest

from flagstaff.aio import AsyncClient
from flagstaff.client import Client
from flagstaff.core.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagstaff.events.transport import Sink
    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.machine import Machine
    from flagstaff.sources import Source

__all__ = ["SinkContract", "SourceContract"]

_STEPS = 200  # a machine that has nothing to do after so many never will
_PATIENCE = 10.0  # seconds
_PAUSE = 0.002  # seconds

_RULES = {
    "version": 1,
    "flags": {
        "cta": {
            "variants": {"control": "Buy", "urgent": "Buy now"},
            "default": "control",
            "rules": [{"experiment": "wording"}],
        }
    },
    "experiments": {"wording": {"split": {"control": 50, "urgent": 50}}},
}


class _Hand:
    """Drives a source without a thread: what it publishes is in ``published``."""

    def __init__(self, source: Source) -> None:
        self.published: list[Loaded] = []
        self.source = source
        self.machine: Machine[Any, Any] | None = source.attach(self.published.append)
        self._now = time.monotonic()  # noqa: TID251 - a source's own clock may go by it

    def until(self, condition: Callable[[], object]) -> bool:
        """Take steps until the condition holds, for a while; whether it came to that."""
        deadline = time.monotonic() + _PATIENCE  # noqa: TID251 - as above; a place may need a moment
        while not condition() and time.monotonic() < deadline:  # noqa: TID251
            self.step()
            time.sleep(_PAUSE)
        return bool(condition())

    def step(self) -> None:
        job = self.next_job()
        if job is not None and self.machine is not None:
            self.machine.done(job, _outcome(self.machine, job), self._now)

    def next_job(self) -> Any:
        """What the machine wants done, after the time that it wants to wait; None if nothing, ever."""
        for _ in range(_STEPS if self.machine is not None else 0):
            step = self.machine.next(self._now)  # type: ignore[union-attr]  # the line above
            if not isinstance(step, int | float):
                return step
            assert step >= 0, f"next() asks to wait {step} seconds"
            self._now += min(float(step), 3600.0) + 0.001
        return None

    def fail(self, job: Any) -> None:
        if self.machine is not None:
            self.machine.done(job, RuntimeError("a job that went wrong"), self._now)


def _outcome(machine: Machine[Any, Any], job: Any) -> Any:
    try:
        return machine.perform(job)
    except Exception as error:  # noqa: BLE001 - as a driver does: the machine decides what to make of it
        return error


class SourceContract:
    """The tests of a source of rules.

    class TestMySource(SourceContract):
        def make_source(self) -> Source:
            return MySource(...)
    """

    def make_source(self) -> Source:
        """A new source, not attached, that has rules with at least one flag to give."""
        raise NotImplementedError("say how to make the source that is to be tested")

    def break_source(self, source: Source) -> None:
        """Let the place that rules come from fail, from now on."""
        raise SkipTest("no way to break the source was given")

    def mend_source(self, source: Source) -> None:
        """Let it work again."""
        raise SkipTest("no way to mend the source was given")

    def test_it_describes_itself_in_one_line(self) -> None:
        """``describe()`` is for ``status()``, and says the same before and after."""
        source = self.make_source()
        text = source.describe()
        assert isinstance(text, str), f"describe() gives {type(text).__name__}, not text"
        assert text.strip(), "describe() says nothing"
        assert len(text.splitlines()) == 1, f"describe() takes more than a line: {text!r}"

    def test_it_hands_over_rules(self) -> None:
        """Rules come, there is no fault, and it says when it last knew them to be current."""
        hand = _Hand(self.make_source())
        assert hand.until(lambda: hand.published), "it never published any rules"
        assert hand.published[0].rules.flags, "it published rules without a flag"
        assert hand.source.fault is None, f"it has rules, and a fault: {hand.source.fault}"
        assert isinstance(hand.source.checked, int | float), "`checked` isn't set after rules were published"

    def test_a_failed_job_is_told_and_tried_again(self) -> None:
        """``done`` takes an exception without raising, and the work goes on."""
        hand = _Hand(self.make_source())
        job = hand.next_job()
        if job is None:
            raise SkipTest("the source has nothing to do in the background")
        hand.fail(job)
        assert hand.next_job() is not None, "after a job that went wrong it never tries again"

    def test_a_lost_job_is_given_out_again(self) -> None:
        """A fork takes a job's thread away: ``done`` is never called."""
        hand = _Hand(self.make_source())
        if hand.next_job() is None:
            raise SkipTest("the source has nothing to do in the background")
        assert hand.next_job() is not None, "a job that was lost with its thread is never given out again"

    def test_an_outage_is_a_fault_and_ends(self) -> None:
        """While it lasts ``fault`` says so and rules stay; afterwards ``fault`` is None."""
        hand = _Hand(self.make_source())
        hand.until(lambda: hand.published)
        before = len(hand.published)
        self.break_source(hand.source)
        assert hand.until(lambda: hand.source.fault), "an outage leaves `fault` at None"
        assert isinstance(hand.source.fault, str), "`fault` is no sentence"
        assert len(hand.published) == before, "an outage published rules"
        self.mend_source(hand.source)
        assert hand.until(lambda: hand.source.fault is None), f"the fault stays: {hand.source.fault}"

    def test_a_client_takes_it(self) -> None:
        """Rules arrive at a client, on its thread."""
        with Client(self.make_source(), events=None) as client:
            assert client.wait_ready(_PATIENCE), f"no rules arrived: {client.status()}"
            assert client.decide_all(), "the client knows no flags"

    def test_an_async_client_takes_it(self) -> None:
        """Rules arrive at an asynchronous client, in its task."""

        async def ask() -> tuple[bool, object]:
            async with AsyncClient(self.make_source(), events=None) as client:
                return await client.wait_ready(_PATIENCE), client.status()

        ready, status = asyncio.run(ask())
        assert ready, f"no rules arrived: {status}"


class SinkContract:
    """The tests of a sink for events. A sink whose ``send`` is a coroutine function is tested as one.

    class TestMySink(SinkContract):
        def make_sink(self) -> Sink:
            return MySink(...)

        def received(self, sink: Sink) -> Sequence[Mapping[str, Any]]:
            return [json.loads(row) for row in sink.table]
    """

    def make_sink(self) -> Sink:
        """A new sink that takes what it is sent."""
        raise NotImplementedError("say how to make the sink that is to be tested")

    def received(self, sink: Sink) -> Sequence[Mapping[str, Any]]:
        """The events that have come out at the other end."""
        raise NotImplementedError("say how to see what the sink has taken")

    def break_sink(self, sink: Sink) -> None:
        """Let the place that events go to fail, from now on."""
        raise SkipTest("no way to break the sink was given")

    def test_it_takes_a_batch_whole(self) -> None:
        """Every event of a batch comes out, none changed."""
        sink, events = self.make_sink(), _events(200)
        _send(sink, events)
        assert _ids(self.received(sink)) == _ids(events), "events are missing, or more than were sent"

    def test_it_takes_a_batch_that_comes_again(self) -> None:
        """Delivery is at least once: a repetition is no error, whether it is kept or recognised by its id."""
        sink, events = self.make_sink(), _events(3)
        _send(sink, events)
        _send(sink, events)
        assert _ids(self.received(sink)) == _ids(events), "a repetition did away with events"

    def test_it_leaves_the_events_alone(self) -> None:
        """The caller's dictionaries are as they were."""
        sink, events = self.make_sink(), _events(3)
        kept = deepcopy(events)
        _send(sink, events)
        assert events == kept, "the sink changed the events that it was given"

    def test_it_raises_what_it_cant_take(self) -> None:
        """Only an exception makes the events come again: a sink that swallows its errors loses them."""
        sink = self.make_sink()
        self.break_sink(sink)
        try:
            _send(sink, _events(3))
        except Exception:  # noqa: BLE001 - any will do
            return
        raise AssertionError("the sink took events, without an error, that had nowhere to go")

    def test_a_client_delivers_into_it(self) -> None:
        """Exposures and tracked events of a client arrive."""
        sink = self.make_sink()
        user = Context("unit-1")
        if asyncio.iscoroutinefunction(sink.send):
            delivered = asyncio.run(_deliver(sink, user))
        else:
            with Client.from_document(_RULES, events=sink) as client:
                client.value("cta", user)
                client.track("order-placed", user, value=49.9, currency="€")
                delivered = client.flush(_PATIENCE) and client.stats()["delivered"]
        assert delivered == 2, "the client could not deliver"
        kinds = sorted(str(event["type"]) for event in self.received(sink))
        assert kinds == ["flagstaff.exposure", "flagstaff.track"], f"what arrived is {kinds}"


async def _deliver(sink: Sink, user: Context) -> int:
    async with AsyncClient.from_document(_RULES, events=sink) as client:
        client.value("cta", user)
        client.track("order-placed", user, value=49.9, currency="€")
        return await client.flush(_PATIENCE) and client.stats()["delivered"]


def _send(sink: Sink, events: list[dict[str, Any]]) -> None:
    pending = sink.send(events)
    if isawaitable(pending):
        asyncio.run(_finished(pending))


async def _finished(pending: Any) -> None:
    await pending


def _ids(events: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(event["id"]) for event in events}


def _events(count: int) -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "type": "flagstaff.track",
            "source": "/flagstaff/shop/test",
            "subject": f"unit-{number}",
            "time": "2026-01-01T12:00:00.000Z",
            "data": {"event": "bestellt – 日本", "unit": f"unit-{number}", "value": 49.9},
        }
        for number in range(1, count + 1)
    ]
