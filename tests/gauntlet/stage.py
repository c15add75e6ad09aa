"""Where a row of the scorecard is played: a collector, a directory, and processes that come and go."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from tests.gauntlet.collector import Collector, collecting
from tests.gauntlet.subject import client_for
from tests.gauntlet.truth import Truth

__all__ = ["Row", "Rows", "Scale", "Stage", "UnplayableError", "always", "best", "one_of", "staged", "until"]

Measured = TypeVar("Measured")

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds for what must come


@dataclass(frozen=True)
class Row:
    """One line of the scorecard. ``proof`` says how we know that the fault happened; ``in_time``, whether
    all was as quick as promised, which a busy machine can spoil."""

    promise: str
    rounds: str
    worst: str
    proof: str
    kept: bool
    in_time: bool = True

    @property
    def verdict(self) -> str:
        if not self.kept:
            return "**broken**"
        return "kept" if self.in_time else "late"


Scale: TypeAlias = int  # 1 is the fast lane
Rows: TypeAlias = dict[str, Callable[[Scale], Row]]


class UnplayableError(Exception):
    """This machine has not what a row needs; the text says what."""


class Stage:
    """One row's collector, spool and processes; ``draw`` is its seeded chance."""

    def __init__(self, collector: Collector, place: Path, seed: int) -> None:
        self.collector = collector
        self.directory = place / "state"
        self.truths = place / "truths"
        self.truths.mkdir()
        self.draw = random.Random(seed)
        self._processes: list[subprocess.Popen[str]] = []

    def part(self, name: str, **more: Any) -> dict[str, Any]:
        """What a subject is told."""
        return {
            "url": self.collector.url,
            "directory": str(self.directory),
            "truths": str(self.truths),
            "name": name,
            "count": 0,
            "end": "forget",
            "timeout": 10.0,
        } | more

    def start(self, name: str, **more: Any) -> subprocess.Popen[str]:
        """A subject that plays its part."""
        paths = [str(ROOT / "sdk"), str(ROOT)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gauntlet.subject", json.dumps(self.part(name, **more))],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def play(self, name: str, **more: Any) -> dict[str, Any]:
        """Have a subject play its part to the end; what it reported."""
        return self.ended(name, self.start(name, **more))

    def ended(self, name: str, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Tell a subject to end, if it waits for that; what it reported."""
        told, _ = process.communicate("\n", timeout=5 * PATIENCE)
        if process.returncode != 0:
            raise AssertionError(f"{name} ended with {process.returncode}")
        report: dict[str, Any] = json.loads(told)
        return report

    def until_accepted(self, name: str, count: int) -> None:
        """Wait until so many calls of a subject have returned."""
        until(lambda: self.accepted(name) >= count)

    def until_met(self, count: int) -> None:
        """Wait until so many batches have met the collector's trouble."""
        until(lambda: len(self.collector.posts) >= count)

    def accepted(self, name: str) -> int:
        """How many calls of a subject had returned."""
        path = self.truths / name
        return Truth(path).accepted if path.exists() else 0

    @property
    def expected(self) -> set[str]:
        """The units of all calls that returned, in whichever process."""
        names = [path.name for path in self.truths.iterdir() if not path.name.startswith(".")]
        return {f"{name}-{number}" for name in names for number in range(self.accepted(name))}

    def inherit(self) -> float:
        """Have a new process, this one, deliver what others left behind; the seconds that it took."""
        begun = time.monotonic()
        client = client_for(self.part("heir"))
        try:
            until(lambda: not self.left() and self._all_there(), 5 * PATIENCE, quietly=True)
        finally:
            client.close(10)
        return time.monotonic() - begun

    def _all_there(self) -> bool:
        return self.expected <= self.collector.units.keys()

    def left(self) -> list[Path]:
        """Segments of other processes."""
        mine = f"-{os.getpid()}-"
        while True:
            with suppress(FileNotFoundError):  # a directory that was removed while we looked
                found = self.directory.rglob("*.events")
                return [path for path in found if mine not in path.parent.name]

    @property
    def lost(self) -> int:
        """Accepted events that the collector does not have."""
        return len(self.expected - self.collector.units.keys())

    @property
    def doubled(self) -> int:
        """Events that are there twice, though they have ids, or that came again with another content."""
        return sum(count > 1 for count in self.collector.units.values()) + len(self.collector.changed)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


def one_of(draw: random.Random, behaviours: Sequence[str]) -> Callable[[int], str]:
    def behave(_: int) -> str:
        return draw.choice(behaviours)

    return behave


def always(behaviour: str) -> Callable[[int], str]:
    """What a collector is told to do with every batch."""

    def behave(_: int) -> str:
        return behaviour

    return behave


def until(condition: Callable[[], object], seconds: float = PATIENCE, *, quietly: bool = False) -> None:
    """Wait for something; fail, or go on quietly, when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            if quietly:
                return
            raise AssertionError("it never came true")
        time.sleep(0.02)


def best(measure: Callable[[], Measured], limit: Callable[[Measured], float], most: int = 30) -> Measured:
    """The quickest of several rounds, as many as it takes to keep within a limit: what else the machine does
    only adds to them. ``limit`` tells how much of it a round took; 1 is all."""
    rounds = [measure()]
    while min(map(limit, rounds)) > 1 and len(rounds) < most:
        rounds.append(measure())
    return min(rounds, key=limit)


@contextmanager
def staged(seed: int = 0) -> Iterator[Stage]:
    """An empty stage."""
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place, collecting() as collector:
        stage = Stage(collector, Path(place), seed)
        try:
            yield stage
        finally:
            collector.released.set()
            stage.end()
