"""The promises of delivery, each put to the test by a fault that is shown to have happened."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence

from flagstaff.events.ledger import Counts
from tests.gauntlet.collector import CUT, HANG, OK
from tests.gauntlet.stage import Row, Stage, always, staged, until
from tests.gauntlet.subject import client_for, emit

__all__ = ["ROWS", "Scale"]

Scale = int  # 1 is the fast lane

_HANGING = 9.0  # seconds: children that take as long have waited for each other


def one_of(draw: random.Random, behaviours: Sequence[str]) -> Callable[[int], str]:
    def behave(_: int) -> str:
        return draw.choice(behaviours)

    return behave


def killed(scale: Scale) -> Row:
    """Kill processes at random instants; each inherits what the one before it left."""
    kills, share = (10, 1800) if scale == 1 else (60, 4000)
    with staged(seed=9) as stage:
        draw = stage.draw
        stage.collector.behave = lambda number: OK if number % 3 else draw.choice(["503", CUT, OK])
        codes = []
        for number in range(kills):
            name = f"life{number}"
            process = stage.start(name, count=share, end="linger", quota=1 << 30)
            goal = draw.randint(share // 2, share)
            stage.until_accepted(name, goal)
            time.sleep(draw.random() * 0.2)  # somewhere in a call, a write, a post or a rest
            process.send_signal(signal.SIGKILL)
            codes.append(process.wait(20))
        waiting = len(stage.expected) - stage.collector.units.total()
        seconds = stage.inherit()
        accepted = len(stage.expected)
        proven = codes == [-signal.SIGKILL] * kills and accepted >= kills * share // 2
        return Row(
            "An accepted event survives `kill -9`",
            f"{kills} kills, {accepted:,} accepted",
            f"{stage.lost} lost, {stage.doubled} double",
            f"{kills} × SIGKILL; {waiting:,} were undelivered after the last",
            proven and not stage.lost and not stage.doubled,
            {"accepted": accepted, "kills": kills, "undelivered": waiting, "inherited_in": seconds},
        )


def down_at_exit(scale: Scale) -> Row:
    """The collector is down for the whole of one process's life."""
    count, rounds = (1000, 2) if scale == 1 else (5000, 4)
    timeout, slowest = 0.3, 0.0
    with staged() as stage:
        behaviours = ["503", HANG]
        for number in range(rounds):
            behaviour = behaviours[number % 2]
            stage.collector.behave = always(behaviour)
            name = f"life{number}"
            process = stage.start(name, count=count, end="close", timeout=timeout, on_call=True)
            stage.until_met(number + 1)
            slowest = max(slowest, stage.ended(name, process)["close"])
        refused = stage.collector.happened("503", HANG)
        before = len(stage.collector.stored)
        stage.collector.behave = always(OK)
        stage.collector.released.set()
        stage.inherit()
        return Row(
            "Collector down at exit: delivered by the next process",
            f"{rounds} processes, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double, close({timeout}) took {slowest:.2f} s",
            f"{refused} posts refused or hung, {before} stored before",
            refused >= rounds
            and not before
            and not stage.lost
            and not stage.doubled
            and slowest <= timeout + 0.1,
            {"close": slowest, "refused": refused},
        )


def forgetful(scale: Scale) -> Row:
    """Programs that end without a word to the client, in the middle of the flush interval."""
    count, rounds = (1000, 3) if scale == 1 else (2000, 10)
    with staged() as stage:
        for number in range(rounds):
            stage.play(f"life{number}", count=count, end="forget", flush_interval=3600.0)
        waiting = len(stage.expected) - len(stage.collector.stored)
        stage.inherit()
        return Row(
            "A program that never calls `close()` loses nothing",
            f"{rounds} programs, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double",
            f"{waiting:,} were undelivered when the last had ended",
            waiting > 0 and not stage.lost and not stage.doubled,
        )


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


def beyond_quota(scale: Scale) -> Row:
    """The spool is full: what is dropped is counted and told, exactly; what was kept is delivered."""
    count = 8000 if scale == 1 else 40_000
    with staged() as stage:
        stage.collector.behave = always("503")
        client = client_for(stage.part("full") | {"quota": 1024 * 1024})
        taken = sorted(emit(client, stage.part("full"), "full", count))
        full = client.stats()
        stage.collector.behave = always(OK)
        until(lambda: client.flush(1) and client.stats()["pending"] == 0)
        until(lambda: stage.collector.reported_losses >= full["dropped"]["queue_full"])
        client.close()
        counts = client.stats()
        dropped = counts["dropped"].get("queue_full", 0)
        stored = len(stage.collector.units)
        exact = stored + dropped == counts["accepted"] == count and counts["delivered"] == stored
        told = stage.collector.reported_losses
        slow = taken[int(count * 0.999)] / 1000
        return Row(
            "Beyond the quota, every dropped event is counted and told",
            f"{count:,} offered, {dropped:,} dropped",
            f"{abs(stored + dropped - count)} uncounted, {abs(told - dropped)} untold",
            f"{stage.collector.happened('503')} posts refused, the quota was 1 MiB",
            exact and told == dropped > 0,
            {"p50_us": taken[count // 2] / 1000, "p999_us": slow},
        )


def forks(scale: Scale) -> Row:
    """Children made in each way, after the parent has recorded events and while its threads run."""
    ways = ["os.fork", "fork", "spawn", "forkserver"]
    children, each, rounds = (2, 60, 1) if scale == 1 else (8, 200, 3)
    hung = failed = 0
    slowest = 0.0
    with staged() as stage:
        for number in range(rounds):
            for way in ways:
                name = f"{way}-{number}"
                report = stage.play(
                    name, fork=way, children=children, child_count=each, count=40, end="close"
                )
                slowest = max(slowest, report["forking"])
                hung += report["children"].count(-1)
                failed += sum(code > 0 for code in report["children"])
        late = len(stage.expected) - len(stage.collector.units)
        stage.inherit()
        born = len(list(stage.truths.glob("*-child*")))
        return Row(
            "Fork needs no hook",
            f"{len(ways)} ways, {born} children, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double, {hung} hung, {failed} failed",
            f"{born} children recorded events; {late} left theirs to an heir",
            born == len(ways) * children * rounds
            and slowest < _HANGING * (1 if scale == 1 else 3)
            and not (stage.lost or stage.doubled or hung or failed),
            {"slowest": slowest},
        )


def heirs(scale: Scale) -> Row:
    """Eight workers start at once where four have died."""
    count, workers, corpses = (300, 8, 4) if scale == 1 else (3000, 8, 4)
    with staged() as stage:
        stage.collector.behave = always("503")
        for number in range(corpses):
            process = stage.start(f"corpse{number}", count=count, end="linger")
            stage.until_accepted(f"corpse{number}", count)
            process.kill()
            process.wait(20)
        left = len({path.parent for path in stage.left()})
        stage.collector.behave = always(OK)
        started = [stage.start(f"worker{number}", count=count, end="linger") for number in range(workers)]
        until(
            lambda: all(stage.accepted(f"worker{number}") == count for number in range(workers)), quietly=True
        )
        until(lambda: stage.lost == 0, quietly=True)
        twice = stage.collector.acknowledged_twice
        for process in started:
            process.kill()
            process.wait(20)
        stage.inherit()
        return Row(
            "Every orphan has exactly one heir",
            f"{corpses} corpses, {workers} workers, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {twice} delivered by two, {stage.doubled} double",
            f"{left} directories lay there without an owner",
            left == corpses and not stage.lost and not twice and not stage.doubled,
        )


def balance(scale: Scale) -> Row:
    """Random trouble from a seed: at the end every event is delivered, pending or dropped under a reason."""
    seeds = 12 if scale == 1 else 1000
    wrong, refused, accepted = 0, 0, 0
    for seed in range(seeds):
        with staged(seed) as stage:
            draw = stage.draw
            choices = draw.choices([OK, CUT, "503", "400", "413", "500"], k=3)
            stage.collector.behave = one_of(draw, choices)
            durability = draw.choice(["process", "process", "memory"])
            part = stage.part("life", durability=durability, quota=1024 * 1024, flush_interval=0.01)
            client = client_for(part)
            emit(client, part, "life", draw.randint(1, 300))
            client.flush(draw.random() * 0.1)
            client.close(draw.random() * 0.1)
            counts = client.stats()
            refused += stage.collector.happened("503", "400", "413", "500", CUT)
            accepted += counts["accepted"]
            wrong += not _balanced(counts, stage)
    return Row(
        "accepted = delivered + pending + dropped",
        f"{seeds} seeds, {accepted:,} accepted",
        f"{wrong} seeds out of balance",
        f"{refused} posts met trouble",
        not wrong and refused > 0,
    )


def _balanced(counts: Counts, stage: Stage) -> bool:
    settled = counts["delivered"] + counts["pending"] + sum(counts["dropped"].values())
    missing = len(stage.expected - stage.collector.units.keys())
    return (
        counts["accepted"] == len(stage.expected) == settled
        and counts["delivered"] <= len(stage.collector.units)
        and missing <= counts["pending"] + sum(counts["dropped"].values())
    )


def unhindered(scale: Scale) -> Row:
    """The collector hangs: a call takes no longer than before."""
    count = 5000 if scale == 1 else 50_000
    with staged() as stage:
        stage.collector.behave = always(HANG)
        client = client_for(stage.part("life"))
        emit(client, stage.part("life"), "before", 100)
        until(lambda: stage.collector.happened(HANG))
        taken = sorted(emit(client, stage.part("life"), "life", count))
        hung = stage.collector.happened(HANG)
        stage.collector.behave = always(OK)
        stage.collector.released.set()
        client.close(20)
        stage.inherit()
        p999 = taken[int(count * 0.999)] / 1000
        return Row(
            "A collector that hangs holds up nobody",
            f"{count:,} calls",
            f"p99.9 {p999:,.0f} µs, {stage.lost} lost",
            f"{hung} posts hung",
            hung > 0 and p999 < 20_000 and not stage.lost,
            {"p50_us": taken[count // 2] / 1000, "p999_us": p999},
        )


ROWS: dict[str, Callable[[Scale], Row]] = {
    "kill": killed,
    "down-at-exit": down_at_exit,
    "never-closed": forgetful,
    "answers-lost": answers_lost,
    "outage": outage,
    "quota": beyond_quota,
    "hang": unhindered,
    "balance": balance,
}
if hasattr(os, "fork"):
    ROWS |= {"fork": forks, "heirs": heirs}
