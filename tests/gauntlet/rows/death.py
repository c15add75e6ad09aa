"""Processes that end: killed, told to end, or just done."""

from __future__ import annotations

import os
import signal
import time

from tests.gauntlet.collector import CUT, HANG, OK
from tests.gauntlet.stage import Row, Rows, Scale, always, staged, until

__all__ = ["ROWS"]


def killed(scale: Scale) -> Row:
    """Kill processes at random instants; each inherits what the one before it left."""
    kills, share = (10, 2000) if scale == 1 else (60, 12_000)
    with staged(seed=9) as stage:
        draw = stage.draw
        stage.collector.behave = lambda number: OK if number % 3 else draw.choice(["503", CUT, OK])
        codes, cut_off = [], 0
        for number in range(kills):
            name = f"life{number}"
            paced = {"pace": 0.002} if number % 2 else {}  # half of them live to see posts and answers
            process = stage.start(name, count=50 * share, end="linger", quota=1 << 30, **paced)
            goal = draw.randint(share // 4, share)
            stage.until_accepted(name, goal)
            time.sleep(draw.random() * 0.02)  # somewhere in a call, a write, a post or a rest
            process.send_signal(signal.SIGKILL)
            codes.append(process.wait(20))
            cut_off += stage.accepted(name) < 50 * share
        waiting = len(stage.expected) - stage.collector.units.total()
        stage.inherit()
        accepted = len(stage.expected)
        proven = codes == [-signal.SIGKILL] * kills and accepted >= kills * share // 4 and cut_off == kills
        return Row(
            "An accepted event survives `kill -9`",
            f"{kills} kills, {accepted:,} accepted",
            f"{stage.lost} lost, {stage.doubled} double",
            f"{cut_off} × SIGKILL between two calls or in one; {waiting:,} were undelivered after the last",
            proven and not stage.lost and not stage.doubled,
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
            refused >= rounds and not before and not stage.lost and not stage.doubled,
            slowest <= timeout + 0.1,
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


def terminated(scale: Scale) -> Row:
    """SIGTERM in the middle of the work: once to the default handler, once to one of the host's."""
    rounds, codes = (20, []) if scale == 1 else (400, [])
    slowest, expected = 0.0, []
    with staged(seed=27) as stage:
        for number in range(rounds):
            code = [0, 7][number % 2]
            expected.append(code or -signal.SIGTERM)
            name = f"life{number}"
            process = stage.start(name, count=1_000_000, end="linger", handler=code, quota=1 << 30)
            stage.until_accepted(name, stage.draw.randint(1, 500))
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            codes.append(process.wait(20))
            slowest = max(slowest, time.monotonic() - begun)
        stage.inherit()
        return Row(
            "SIGTERM ends the process at once, as its host has it, and loses nothing",
            f"{rounds} × SIGTERM, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {stage.doubled} double, exit within {slowest:.2f} s",
            f"exit codes {sorted(set(codes))}",
            codes == expected and not stage.lost and not stage.doubled,
            slowest <= 1.0,
        )


def forks(scale: Scale) -> Row:
    """Children made in each way, after the parent has recorded events and while its threads run."""
    ways = ["os.fork", "fork", "spawn", "forkserver"]
    children, each, rounds = (2, 60, 1) if scale == 1 else (8, 200, 3)
    hung = failed = 0
    with staged() as stage:
        for number in range(rounds):
            for way in ways:
                name = f"{way}-{number}"
                report = stage.play(
                    name, fork=way, children=children, child_count=each, count=40, end="close"
                )
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
            born == len(ways) * children * rounds and not (stage.lost or stage.doubled or hung or failed),
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


ROWS: Rows = {
    "kill": killed,
    "down-at-exit": down_at_exit,
    "never-closed": forgetful,
    "sigterm": terminated,
}
if hasattr(os, "fork"):
    ROWS |= {"fork": forks, "heirs": heirs}
