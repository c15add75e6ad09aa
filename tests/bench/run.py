"""The benchmark: ``python -m tests.bench.run [--quick]``; ``make bench`` prepares what it needs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.bench import report
from tests.bench.documents import FEW, SIZES, lay_out
from tests.bench.figures import Figures, PeerFigures, machine, plausible, summed_up
from tests.bench.peers import FASTEST, NAMES, OURS, find_peer
from tests.bench.places import CORES, clean_environment, interpreter, serving
from tests.bench.solo import measure_alone
from tests.bench.turns import Worker, asked, quiet_core, say, take_turns, working
from tests.bench.workloads import exposing_tasks, silent_tasks

__all__ = ["main"]


class Effort(NamedTuple):
    """How much is done."""

    rounds: int
    seconds: float
    """Of each turn."""
    repeats: int
    """Of what has a process of its own."""
    whole: bool
    """Whether updates, event loops and delivery are measured too, which takes minutes."""


QUICK = Effort(rounds=5, seconds=0.06, repeats=2, whole=False)
FULL = Effort(rounds=11, seconds=0.1, repeats=5, whole=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare flagstaff with other SDKs.")
    parser.add_argument("--quick", action="store_true", help="only the two fastest, about a minute")
    parser.add_argument("--peers", nargs="+", choices=NAMES, help="only these")
    parser.add_argument("--rounds", type=int, help="how often everybody's turn comes")
    parser.add_argument("--out", type=Path, help="where to write table, plot and figures")
    given = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        sys.exit("The benchmark reads /proc and stops processes by signals: it needs Linux.")
    effort = QUICK if given.quick else FULL
    effort = effort._replace(rounds=given.rounds or effort.rounds)
    names = given.peers or ((OURS, *FASTEST) if given.quick else NAMES)
    figures = measure([name for name in names if _is_installed(name)], effort)
    print(report.table(figures))
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        report.write(figures, given.out)


def _is_installed(name: str) -> bool:
    there = interpreter(name).exists()
    if not there:
        say(f"left out: {name} is not installed")
    return there


def measure(names: Sequence[str], effort: Effort) -> Figures:
    """Everything about these SDKs."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES[:-1])  # the workers' core is theirs alone
    with TemporaryDirectory(prefix="flagstaff-bench-") as temporary:
        scratch = Path(temporary)
        for name in names:
            for size in (FEW, *SIZES):
                lay_out(scratch / f"{name}-{size}", name, size)
        environment = clean_environment(scratch / "tmp")
        with serving(environment, "sink", scratch) as url:
            return _Bench(names, effort, scratch, url).measure()


class _Bench:
    def __init__(self, names: Sequence[str], effort: Effort, scratch: Path, url: str) -> None:
        self._names = names
        self._effort = effort
        self._scratch = scratch
        self._url = url

    def measure(self) -> Figures:
        rounds = self._effort.rounds
        say("evaluations")
        with working(partial(self._worker, name) for name in ("floors", *self._names)) as workers:
            peers = _introductions(workers)
            taking = [worker for worker in workers if worker.label in {"floors", *peers}]
            times = take_turns(taking, silent_tasks(self._effort.seconds), rounds)
        say("exposures")
        exposing = [name for name in peers if find_peer(name).exposes]
        with working(partial(self._worker, name, exposing=True) for name in exposing) as workers:
            taking = [worker for worker, _ in asked(workers, "meet")]
            exposures = take_turns(taking, exposing_tasks(self._effort.seconds), rounds)
        for name, found in exposures.items():
            times[name].update(found)
        say("fresh processes")
        alone = measure_alone(
            [*peers], self._scratch, self._url, repeats=self._effort.repeats, whole=self._effort.whole
        )
        summary = summed_up(times)
        return {
            "machine": machine(),
            "rounds": rounds,
            "peers": peers,
            "floors": summary.pop("floors"),
            "times": summary,
            "alone": alone,
        }

    def _worker(self, name: str, *, exposing: bool = False) -> Worker:
        place = f"{OURS if name == 'floors' else name}-{SIZES[0]}"
        arguments: list[str | Path] = [name, self._scratch / place / "document", f"{self._url}/{place}"]
        return Worker(
            name,
            interpreter(name),
            [*arguments, *(["--exposing"] if exposing else [])],
            clean_environment(self._scratch / "tmp"),
            None if exposing else quiet_core(),  # who sends has threads for it, and may use all cores
        )


def _introductions(workers: Sequence[Worker]) -> dict[str, PeerFigures]:
    """Who takes part: all whose answers are those that the rules ask for."""
    found: dict[str, PeerFigures] = {}
    for worker, answers in asked([worker for worker in workers if worker.label != "floors"], "check"):
        if plausible(answers):
            title = find_peer(worker.label).title
            found[worker.label] = {"title": title, "version": worker.version, "answers": answers}
        else:
            say(f"left out: {worker.label} decides otherwise: {answers}")
    return found


if __name__ == "__main__":
    main()
