"""The benchmark: ``python -m tests.bench.run [--quick]``; ``make bench`` prepares what it needs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench import report
from tests.bench.documents import FEW, FLAGS, MANY
from tests.bench.figures import Figures, PeerFigures, machine, plausible, summed_up
from tests.bench.peers import FASTEST, NAMES, OURS, find_peer
from tests.bench.places import Stage, interpreter, staged
from tests.bench.solo import measure_alone
from tests.bench.turns import Times, Worker, asked, say, take_turns, working
from tests.bench.workloads import exposing_tasks, silent_tasks

__all__ = ["FULL", "QUICK", "Effort", "main", "measure"]


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
FULL = Effort(rounds=21, seconds=0.05, repeats=3, whole=True)


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
        report.write(figures, given.out)


def _is_installed(name: str) -> bool:
    there = interpreter(name).exists()
    if not there:
        say(f"left out: {name} is not installed")
    return there


def measure(names: Sequence[str], effort: Effort, python: Callable[[str], Path] = interpreter) -> Figures:
    """Everything about these SDKs; ``python`` finds the interpreter of each."""
    with staged(names, (FEW, FLAGS, MANY) if effort.repeats else (FLAGS,), python) as stage:
        say("evaluations")
        peers, times = _evaluate(stage, names, effort)
        say("exposures")
        for name, found in _expose(stage, [*peers], effort).items():
            times[name].update(found)
        say("fresh processes")
        alone = measure_alone(stage, [*peers], repeats=effort.repeats, whole=effort.whole)
    summary = summed_up(times)
    return {
        "machine": machine(),
        "rounds": effort.rounds,
        "peers": peers,
        "floors": summary.pop("floors"),
        "times": summary,
        "alone": alone,
    }


def _evaluate(stage: Stage, names: Sequence[str], effort: Effort) -> tuple[dict[str, PeerFigures], Times]:
    with working(partial(Worker, stage, name) for name in ("floors", *names)) as workers:
        peers = _introductions(workers)
        taking = [worker for worker in workers if worker.label in {"floors", *peers}]
        return peers, take_turns(taking, silent_tasks(effort.seconds), effort.rounds)


def _expose(stage: Stage, names: Sequence[str], effort: Effort) -> Times:
    exposing = [name for name in names if find_peer(name).exposes]
    with working(partial(Worker, stage, name, exposing=True) for name in exposing) as workers:
        taking = [worker for worker, _ in asked(workers, "meet")]
        return take_turns(taking, exposing_tasks(effort.seconds), effort.rounds)


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
