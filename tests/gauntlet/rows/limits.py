"""Quotas, disks, threads and windows that are used up."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from flagstaff import Client, Context
from flagstaff.events.ledger import Counts
from tests.gauntlet.collector import CUT, OK
from tests.gauntlet.stage import Row, Rows, Scale, Stage, always, best, one_of, staged, until
from tests.gauntlet.subject import RULES, client_for, emit

__all__ = ["ROWS"]

_LONGEST_CALL = 200.0  # microseconds
_WINDOW = 50_000  # exposures of the day that are remembered at least


def beyond_quota(scale: Scale) -> Row:
    """The spool is full: what is dropped is counted and told, exactly; what was kept is delivered."""
    count = 16_000 if scale == 1 else 80_000
    with staged() as stage:
        stage.collector.behave = always("503")
        client = client_for(stage.part("full") | {"quota": 1024 * 1024})
        emit(client, stage.part("full"), "first", 100)
        until(lambda: stage.collector.happened("503"))
        emit(client, stage.part("full"), "full", count - 100)
        numbers = itertools.count()

        def measure() -> float:
            return sorted(emit(client, stage.part("full"), f"beyond{next(numbers)}", 2000))[1998] / 1000

        slow = best(measure, lambda taken: taken / _LONGEST_CALL)
        count += 2000 * next(numbers)
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
        return Row(
            "Beyond the quota, every dropped event is counted and told",
            f"{count:,} offered, {dropped:,} dropped",
            f"{abs(stored + dropped - count)} uncounted, {abs(told - dropped)} untold, p99.9 {slow:,.0f} µs",
            f"{stage.collector.happened('503')} posts refused, the quota was 1 MiB",
            exact and told == dropped > 0,
            slow <= _LONGEST_CALL,
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
            met = stage.collector.posts
            until(lambda: met, 5, quietly=True)  # noqa: B023 - waited for here
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
        not wrong and refused >= seeds // 4,
    )


def _balanced(counts: Counts, stage: Stage) -> bool:
    settled = counts["delivered"] + counts["pending"] + sum(counts["dropped"].values())
    missing = len(stage.expected - stage.collector.units.keys())
    return (
        counts["accepted"] == len(stage.expected) == settled
        and counts["delivered"] <= len(stage.collector.units)
        and missing <= counts["pending"] + sum(counts["dropped"].values())
    )


def losses_told(scale: Scale) -> Row:
    """Random losses from a seed, told by this process or by the next one: the sums agree."""
    seeds = 10 if scale == 1 else 200
    wrong, dropped = 0, 0
    for seed in range(seeds):
        with staged(seed) as stage:
            draw = stage.draw
            stage.collector.behave = one_of(draw, draw.choices([OK, CUT, "503", "503"], k=2))
            part = stage.part("life", quota=1024 * 1024, flush_interval=0.01)
            client = client_for(part)
            for number in range(draw.randint(1, 40)):
                client.track("step", Context(f"u{number}"), blob="x" * draw.choice([1, 50_000, 70_000]))
            client.flush(draw.random() * 0.05)
            client.close(draw.random() * 0.05)
            lost = sum(client.stats()["dropped"].values())
            dropped += lost
            stage.collector.behave = always(OK)
            with client_for(stage.part("heir")) as heir:
                until(partial(_told, stage, lost), 20, quietly=True)
                heir.flush(10)
            wrong += stage.collector.reported_losses != lost
    return Row(
        "Losses are told, by the next process if need be",
        f"{seeds} seeds, {dropped} dropped",
        f"{wrong} seeds whose sums differ",
        f"{dropped} events were dropped",
        not wrong and dropped > 0,
    )


def _told(stage: Stage, lost: int) -> bool:
    return stage.collector.reported_losses >= lost


def no_disk(scale: Scale) -> Row:
    """A file may not grow, or nothing can be opened: events go to memory, and to disk again afterwards."""
    rounds = 1 if scale == 1 else 5
    reports = []
    with staged() as stage:
        for number, limit in itertools.product(range(rounds), ["fsize", "nofile"]):
            name = f"{limit}{number}"
            reports.append(
                stage.play(name, count=500, limit=limit, after=500, end="close", flush_interval=3600.0)
            )
        faults = [report["fault"] for report in reports]
        stage.inherit()
        dropped = sum(sum(report["stats"]["dropped"].values()) for report in reports)
        mended = sum(report["mended"] for report in reports)
        return Row(
            "A disk that fails costs nothing, and is used again when it works",
            f"{len(reports)} processes, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {dropped} dropped, {mended} of {len(reports)} resumed",
            "; ".join(sorted(set(faults))),
            all("in memory" in fault for fault in faults)
            and mended == len(reports)
            and not (stage.lost or dropped or stage.doubled),
        )


def no_threads(scale: Scale) -> Row:
    """No thread can be started for a while: events are spooled, and leave when one can."""
    rounds = 1 if scale == 1 else 10
    with staged() as stage:
        reports = [
            stage.play(f"life{number}", count=300, limit="threads", after=300, end="close")
            for number in range(rounds)
        ]
        delivered = sum(report["stats"]["delivered"] for report in reports)
        return Row(
            "Without threads nothing breaks, and they come back by themselves",
            f"{rounds} processes, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {delivered} delivered by the same process",
            "; ".join(sorted({report["fault"] for report in reports})),
            all("no thread" in report["fault"] for report in reports)
            and delivered == len(stage.expected)
            and not stage.lost,
        )


def window(scale: Scale) -> Row:
    """More units than are remembered, each three times: at once, soon, and after all others."""
    count = 120_000 if scale == 1 else 1_000_000
    basket = _Basket()
    client = Client.from_document(RULES, events=basket, flush_interval=3600)
    units = [Context(f"unit-{number}") for number in range(count)]
    for start in range(0, count, 1000):
        for context in itertools.chain(
            units[start : start + 1000], units[max(0, start - 500) : start + 1000]
        ):
            client.variant("cta", context)
        client.flush(30)
    soon = client.stats()["accepted"]
    for start in range(0, count, 1000):
        for context in units[start : start + 1000]:
            client.variant("cta", context)
        client.flush(30)
    client.close()
    counts = client.stats()
    again = counts["accepted"] - count
    missing = count - len(basket.ids)
    return Row(
        "One exposure per unit and day, and none is missing",
        f"{count:,} units, three times each",
        f"{missing} missing, {soon - count} twice within the window, {again:,} beyond it",
        f"{count - _WINDOW:,} units more than are surely remembered",
        not missing and soon == count and 0 < again <= count and counts["delivered"] == counts["accepted"],
    )


class _Basket:
    """A sink that keeps the ids."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    def send(self, events: Any) -> None:
        self.ids.update(event["id"] for event in events)


ROWS: Rows = {
    "quota": beyond_quota,
    "balance": balance,
    "losses-told": losses_told,
    "no-disk": no_disk,
    "no-threads": no_threads,
    "window": window,
}
