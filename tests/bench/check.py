"""Whether the tree is slower than a commit: ``python -m tests.bench.check [COMMIT]``.

Both take very short turns, one right after the other, so that they meet the same moods of the machine: what
counts is the ratio of neighbours. Without a commit named, it is the last one if ``sdk`` was changed since,
else the one before.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench.documents import FEW, FLAGS, MANY
from tests.bench.peers import OURS
from tests.bench.places import ROOT, Stage, staged
from tests.bench.solo import Lab
from tests.bench.turns import Task, Times, Worker, asked, say, take_turns, working
from tests.bench.workloads import TITLES, exposing_tasks, silent_tasks

__all__ = ["main"]

_BEFORE, _NOW = "before", "now"
_ROUNDS, _SECONDS = 41, 0.02
_LOADS = 5


class Ratio(NamedTuple):
    """Now over before: the median of all rounds, and its quartiles."""

    median: float
    low: float
    high: float

    def is_slower(self, threshold: float) -> bool:
        """Beyond the threshold, and not by a few bad rounds."""
        return self.median > threshold and self.low > 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare this tree's speed with that of a commit.")
    parser.add_argument("commit", nargs="?")
    parser.add_argument("--threshold", type=float, default=1.08, help="the ratio from which it is slower")
    given = parser.parse_args()
    commit = given.commit or _last_different()
    say(f"this tree against {_git('log', '-1', '--format=%h %s', commit).decode().strip()}")
    with checked_out(commit) as sdk, staged([OURS], (FEW, FLAGS, MANY)) as stage:
        ratios = compare(stage, replace(stage, sdk=sdk))
    for name, ratio in ratios.items():
        mark = "  slower" if ratio.is_slower(given.threshold) else ""
        print(f"{name:42} {ratio.median:5.2f}  ({ratio.low:.2f} – {ratio.high:.2f}){mark}")
    if any(ratio.is_slower(given.threshold) for ratio in ratios.values()):
        sys.exit(1)


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _last_different() -> str:
    return "HEAD" if _git("status", "--porcelain", "--", "sdk") else "HEAD~1"


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The commit's ``sdk``, in a directory that goes away."""
    with TemporaryDirectory(prefix="flagstaff-before-") as directory:
        archive = io.BytesIO(_git("archive", "--format=tar", commit, "sdk"))
        with tarfile.open(fileobj=archive) as packed:
            packed.extractall(directory, filter="data")
        yield Path(directory) / "sdk"


def compare(now: Stage, before: Stage) -> dict[str, Ratio]:
    """Every workload's ratio, and that of loading."""
    stages = {_NOW: now, _BEFORE: before}
    say("evaluations")
    times = _take_turns(stages, silent_tasks(_SECONDS), exposing=False)
    say("exposures")
    exposures = _take_turns(stages, exposing_tasks(_SECONDS), exposing=True)
    found = {**_ratios(times), **_ratios(exposures)}
    say("loading")
    return {TITLES[name]: ratio for name, ratio in found.items()} | {"loading 10,000 flags": _loading(stages)}


def _take_turns(stages: Mapping[str, Stage], tasks: Sequence[Task], *, exposing: bool) -> Times:
    starts = (partial(Worker, stage, OURS, exposing=exposing, label=label) for label, stage in stages.items())
    with working(starts) as workers:
        taking = [worker for worker, _ in asked(workers, "meet")] if exposing else workers
        return take_turns(taking, tasks, _ROUNDS)


def _ratios(times: Times) -> dict[str, Ratio]:
    now, before = times[_NOW], times[_BEFORE]
    return {name: _ratio(now[name], before[name]) for name in now if name in before}


def _ratio(now: Sequence[float], before: Sequence[float]) -> Ratio:
    ratios = [mine / other for mine, other in zip(now, before, strict=False)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(median, low, high)


def _loading(stages: Mapping[str, Stage]) -> Ratio:
    found: dict[str, list[float]] = {label: [] for label in stages}
    for _ in range(_LOADS):
        for label, stage in stages.items():
            found[label].append(Lab(stage).run(OURS, "load", MANY)["seconds"])
    return _ratio(found[_NOW], found[_BEFORE])


if __name__ == "__main__":
    main()
