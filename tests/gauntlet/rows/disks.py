"""Disks that are full, can't be written to, or give back other bytes than they were given."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flagstaff.events.disk import DiskSpool
from flagstaff.events.ledger import Ledger
from flagstaff.runtime.clock import SystemClock
from flagstaff.sources.store import Kept, RulesStore
from tests.gauntlet.collector import OK
from tests.gauntlet.misrule import document
from tests.gauntlet.rows.rules import damaged
from tests.gauntlet.stage import Row, Rows, Scale, UnplayableError, always, staged

__all__ = ["ROWS"]

_QUOTA = 64 * 1024 * 1024
_WRITERS = 4


def full_disk(scale: Scale) -> Row:
    """A small disk that fills up, and one that is mounted to be read only; later there is room, or leave."""
    count, rounds = 8000, 1 if scale == 1 else 5
    reports: list[dict[str, Any]] = []
    with staged() as stage:
        for number, (fault, cure) in itertools.product(
            range(rounds), [("size=1m", "size=64m"), ("size=1m,ro", "rw")]
        ):
            with _mounted(stage.directory, fault):
                name = f"life{number}-{cure}"
                stage.collector.behave = _until(stage.truths / f"{name}-after")
                limit = f"remount,{cure}"
                reports.append(stage.play(name, count=count, limit=limit, after=200, end="close", timeout=40))
        problems = {problem for report in reports for problem in report["fault"].split("; ")}
        faults = sorted(problem.rpartition(": ")[2] for problem in problems if "in memory" in problem)
        mended = sum(report["mended"] for report in reports)
        dropped = sum(sum(report["stats"]["dropped"].values()) for report in reports)
        return Row(
            "A disk that is full or read-only costs nothing, and is used again when there is room",
            f"{len(reports)} file systems of 1 MiB, {len(stage.expected):,} accepted",
            f"{stage.lost} lost, {dropped} dropped, {mended} of {len(reports)} resumed",
            "; ".join(faults),
            faults == ["No space left on device", "Read-only file system"]
            and mended == len(reports)
            and not (stage.lost or dropped or stage.doubled),
        )


def _until(mended: Path) -> Callable[[int], str]:
    """A collector that is down until the disk is mended: what is recorded has to wait somewhere."""

    def behave(_: int) -> str:
        return OK if mended.exists() else "503"

    return behave


@contextmanager
def _mounted(place: Path, options: str) -> Iterator[None]:
    """A file system of its own at a place, where this process may mount one."""
    place.mkdir(exist_ok=True)
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", options, "gauntlet", str(place)], check=False, capture_output=True
        ).returncode
    ):
        raise UnplayableError("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def kept_events(scale: Scale) -> Row:
    """What a killed process left is damaged in every way: what can be read is sent, nothing is invented."""
    rounds, count = 200 * scale, 60
    draw = random.Random(30)
    raised = invented = recovered = 0
    with staged() as stage, tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        stage.collector.behave = always("503")
        stage.play("life", count=count, end="forget", flush_interval=3600.0)
        (segment,) = stage.left()
        root, whole = segment.parent.parent, segment.read_bytes()
        everything = _adopted(root, Path(place, "whole"), segment, whole)
        for number in range(rounds):
            try:
                found = _adopted(root, Path(place, f"{number}"), segment, damaged(whole, draw))
            except Exception:  # noqa: BLE001 - what must not happen is counted
                raised += 1
                continue
            invented += len(found - everything)
            recovered += len(found)
    return Row(
        "A damaged spool gives what is whole in it, and invents nothing",
        f"{rounds:,} damaged files of {len(everything)} events",
        f"{raised} exceptions, {invented} events invented",
        f"{rounds * count - recovered:,} events were destroyed, {recovered:,} recovered",
        not raised and not invented and len(everything) == count and rounds < recovered < rounds * count,
    )


def _adopted(root: Path, place: Path, segment: Path, data: bytes) -> set[bytes]:
    """What an heir finds in a copy of a dead process's directory that has other bytes in its segment."""
    copy = place / root.name
    shutil.copytree(root, copy)
    (copy / segment.relative_to(root)).write_bytes(data)
    spool = DiskSpool(copy, _QUOTA, SystemClock(), Ledger())
    found: set[bytes] = set()
    for moment in (0.0, 1e6):
        spool.tend(moment)
        while (batch := spool.peek(1000, _QUOTA)) is not None:
            found |= {event for event, _, _ in batch.records}
            spool.acknowledge(batch)
    spool.close()
    shutil.rmtree(place)
    return found


def shared_cache(scale: Scale) -> Row:
    """Several processes keep rules in the same place, and others read them meanwhile."""
    saves = 50 * scale
    context = multiprocessing.get_context("spawn")
    torn = read = 0
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        writers = [context.Process(target=_save, args=(place, who, saves)) for who in range(_WRITERS)]
        for writer in writers:
            writer.start()
        seen: set[int] = set()
        while any(writer.is_alive() for writer in writers):
            if Path(place).is_dir() and any(Path(place).rglob("*.rules")):
                kept = _store(place).load(time.time() + 10)
                read += 1
                torn += kept is None or not _whole(kept.body)
                seen |= {json.loads(kept.body)["revision"] // saves} if kept is not None else set()
        codes = [writer.exitcode for writer in writers]
        left = [path.name for path in Path(place).rglob("*") if path.is_file()]
    return Row(
        "Processes share a cache of rules",
        f"{_WRITERS} processes, {saves} saves each, {read:,} reads meanwhile",
        f"{torn} torn reads, {len(left) - 1} files left over",
        f"writers seen by the reader: {len(seen)}; exit codes {sorted(set(codes), key=str)}",
        not torn and set(codes) == {0} and read > 0 and len(seen) > 1 and len(left) == 1,
    )


def _store(place: str) -> RulesStore:
    return RulesStore(Path(place), "native\0https://flags.test\0key")


def _save(place: str, who: int, saves: int) -> None:
    store = _store(place)
    for number in range(saves):
        body = json.dumps(document(who * saves + number, 200)).encode()
        store.save(Kept(body, f'"{os.getpid()}-{number}"', time.time()))


def _whole(body: bytes) -> bool:
    rules = json.loads(body)
    return all(flag["variants"]["now"] == rules["revision"] for flag in rules["flags"].values())


ROWS: Rows = {"full-disk": full_disk, "kept-events": kept_events, "shared-cache": shared_cache}
