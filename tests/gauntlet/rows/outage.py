"""Collectors that are away, refuse, dawdle or forget to answer."""

from __future__ import annotations

import email.utils
import itertools
import random
import threading
import time
from contextlib import closing
from pathlib import Path

from flagstaff.events.sender import Delivery
from flagstaff.events.transport import HttpTransport
from flagstaff.net.backoff import Backoff
from flagstaff.net.http import Http
from flagstaff.net.message import Request, TransportError
from flagstaff.runtime.clock import SystemClock
from tests.events import lab
from tests.gauntlet.collector import CUT, HANG, OK
from tests.gauntlet.stage import Row, Rows, Scale, always, best, one_of, staged, until
from tests.gauntlet.subject import client_for, emit
from tests.net.badserver import drip, serving

__all__ = ["ROWS"]

_HOUR = 3600.0
_DAY = 86_400.0
_DEADLINE = 1.0  # seconds
_LONGEST_CALL = 200.0  # microseconds


def answers_lost(scale: Scale) -> Row:
    """The collector stores, and then cuts the connection instead of answering."""
    count, rounds = (2000, 2) if scale == 1 else (20_000, 3)
    with staged(seed=3) as stage:
        draw = stage.draw
        stage.collector.behave = lambda _: CUT if draw.random() < 0.4 else OK
        for number in range(rounds):
            stage.play(f"life{number}", count=count, end="close", timeout=20.0)
        stage.inherit()
        cut = stage.collector.happened(CUT)
        again = sum(len(post.ids) for post in stage.collector.posts) - len(stage.collector.stored)
        return Row(
            "A lost answer doubles nothing: the id is born with the event",
            f"{cut} answers lost, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double after dedupe",
            f"{again:,} events came again, {len(stage.collector.changed)} of them changed",
            cut > 0 and again > 0 and not stage.lost and not stage.doubled,
        )


def outage(scale: Scale) -> Row:
    """An outage while events go on coming, then recovery, within one process."""
    count, failures = (2000, 3) if scale == 1 else (20_000, 7)
    with staged(seed=4) as stage:
        draw = stage.draw
        trouble = one_of(draw, ["503", "429", "500"])
        stage.collector.behave = lambda number: trouble(number) if number < failures else OK
        report = stage.play("life", count=count, end="close", timeout=50.0)
        refused = stage.collector.happened("503", "429", "500")
        counts = report["stats"]
        kept = counts["delivered"] == counts["accepted"] == len(stage.expected) and not counts["dropped"]
        return Row(
            "An outage loses nothing, and the same process delivers when it is over",
            f"{failures} attempts in vain, {count:,} accepted",
            f"{stage.lost} lost, {stage.doubled} double",
            f"{refused} posts refused",
            refused == failures and kept and not stage.lost and not stage.doubled,
        )


def day_long(scale: Scale) -> Row:
    """A day without a collector, by a clock that is not waited for, while events go on coming."""
    hours, each = 24, 20 * scale
    with lab.collecting() as collector, closing(Http()) as http:
        clock = lab.FakeClock()
        pipeline = lab.Pipeline(lab.over_http(collector.url, clock, http), clock)
        collector.script = [lab.Answer(503)] * 10_000
        for number in range(hours * each):
            pipeline.expose(f"unit-{number}")
            pipeline.run(clock, 3600 / each)
        refused = len(collector.requests)
        collector.script = []
        pipeline.run(clock, 600)
        missing = hours * each - len(set(collector.units))
    return Row(
        "A collector that is away for a day gets everything when it is back",
        f"{hours} hours, {hours * each:,} accepted",
        f"{missing} lost, an attempt every {3600 * hours / max(refused, 1):.0f} s",
        f"{refused:,} posts refused",
        not missing and hours <= refused < 10_000,
    )


def burst(scale: Scale) -> Row:
    """As many events as a process can give rise to, as fast as it can."""
    count = 20_000 if scale == 1 else 100_000
    with staged() as stage:
        counts = stage.play("life", count=count, end="close", timeout=50.0, quota=1 << 30)["stats"]
        posts = stage.collector.happened(OK)
        stage.inherit()
        return Row(
            "A burst loses nothing",
            f"{count:,} calls as fast as Python goes",
            f"{stage.lost} lost, {stage.doubled} double",
            f"{posts} posts came of it",
            posts > 1 and not stage.lost and not stage.doubled and not counts["dropped"],
        )


def unhindered(scale: Scale) -> Row:
    """The collector hangs: a call takes no longer than before."""
    count, rounds = (2000, 30) if scale == 1 else (20_000, 5)
    with staged() as stage:
        stage.collector.behave = always(HANG)
        client = client_for(stage.part("life", quota=1 << 30))
        emit(client, stage.part("life"), "before", 100)
        until(lambda: stage.collector.happened(HANG))
        numbers = itertools.count()

        def measure() -> float:
            taken = sorted(emit(client, stage.part("life"), f"life{next(numbers)}", count))
            return taken[int(count * 0.999)] / 1000

        p999 = best(measure, lambda taken: taken / _LONGEST_CALL, rounds)
        hung = stage.collector.happened(HANG)
        stage.collector.behave = always(OK)
        stage.collector.released.set()
        client.close(20)
        stage.inherit()
        return Row(
            "A collector that hangs holds up nobody",
            f"{next(numbers)} × {count:,} calls",
            f"p99.9 {p999:,.0f} µs, {stage.lost} lost",
            f"{hung} posts hung",
            hung > 0 and not stage.lost,
            p999 <= _LONGEST_CALL,
        )


def told_to_wait(scale: Scale) -> Row:
    """Whatever ``Retry-After`` says, no request comes earlier, and none later than an hour and a backoff."""
    rounds = 100 if scale == 1 else 1000
    draw = random.Random(18)
    early, late, longest = 0, 0, 0.0
    with lab.collecting() as collector, closing(Http()) as http:
        clock = lab.FakeClock()
        pipeline = lab.Pipeline(lab.over_http(collector.url, clock, http), clock)
        pipeline.backoff = pipeline.sender._backoff = Backoff(1.0, 60.0, draw)
        pipeline.expose("unit")
        clock.turn(10.0)
        for _ in range(rounds):
            asked, header = _retry_after(draw, clock.time())
            collector.script = [lab.Answer(draw.choice([429, 503]), {"Retry-After": header})]
            before = len(collector.requests)
            while len(collector.requests) == before:
                wait = pipeline.step()
                if not isinstance(wait, Delivery):
                    clock.turn(wait)
            rest = pipeline.sender.next(clock.monotonic())
            assert isinstance(rest, float)
            early += rest < min(asked, _HOUR) - 1.0
            late += rest > min(asked, _HOUR) + 61.0
            longest = max(longest, rest)
            clock.turn(rest)
        sent = len(collector.requests)
    return Row(
        "`Retry-After` is obeyed, and bounded",
        f"{rounds} rounds: seconds, dates, 0, negative, 10⁹, garbage",
        f"{early} requests too early, {late} too late, the longest wait {longest:,.0f} s",
        f"{sent} requests answered 429 or 503",
        sent >= rounds and not early and not late,
    )


def _retry_after(draw: random.Random, now: float) -> tuple[float, str]:
    seconds = draw.choice([0, 1, 7, 120, 3600, 10**9])
    return draw.choice(
        [
            (float(seconds), str(seconds)),
            (float(seconds % 10**8), email.utils.formatdate(now + seconds % 10**8, usegmt=True)),
            (0.0, "-5"),
            (0.0, "soon"),
            (0.0, "1e3"),
        ]
    )


def trickle(scale: Scale) -> Row:
    """A collector that answers a byte at a time: the deadline is for all of it."""
    rounds = 3 if scale == 1 else 20
    took: list[float] = []
    before = threading.active_count(), _descriptors()
    with serving(*[drip(b"HTTP/1.1 202 Accepted\r\nX: ")] * rounds) as server, closing(Http()) as http:
        transport = HttpTransport(http, lambda body: _to(server.url, body), SystemClock())
        for _ in range(rounds):
            begun = time.monotonic()
            try:
                transport.send(transport.pack([b"{}"]))
            except TransportError:
                took.append(time.monotonic() - begun)
    until(lambda: (threading.active_count(), _descriptors()) <= before)
    worst = max(took, default=0.0)
    return Row(
        "Every wait has a total deadline",
        f"{rounds} answers of a byte at a time",
        f"given up after {worst:.2f} s of {_DEADLINE:g} s; no thread or descriptor left",
        f"{len(took)} posts were given up",
        len(took) == rounds,
        worst <= _DEADLINE * 1.25,
    )


def _to(url: str, body: bytes) -> Request:
    return Request("POST", url, {}, body, timeout=_DEADLINE)


def _descriptors() -> int:
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def jumps(scale: Scale) -> Row:
    """The wall clock jumps by seconds and days while events come and go on schedule."""
    rounds = 100 if scale == 1 else 1000
    draw = random.Random(26)
    with lab.collecting() as collector, closing(Http()) as http:
        clock = lab.FakeClock()
        pipeline = lab.Pipeline(lab.over_http(collector.url, clock, http), clock)
        for number in range(rounds):
            pipeline.expose(f"unit-{number}")
            clock.wall += draw.choice([-_DAY, -1.0, 1.0, _DAY])
            pipeline.run(clock, 6.0)
        missed = rounds - len(set(collector.units))
        posts = len(collector.requests)
    return Row(
        "A wall clock that jumps changes no schedule",
        f"{rounds} jumps of ±1 s and ±1 day",
        f"{missed} missed, {posts - rounds} posts too many",
        f"{rounds} jumps were made",
        not missed and posts == rounds,
    )


ROWS: Rows = {
    "outage": outage,
    "day": day_long,
    "burst": burst,
    "answers-lost": answers_lost,
    "hang": unhindered,
    "retry-after": told_to_wait,
    "trickle": trickle,
    "clock": jumps,
}
