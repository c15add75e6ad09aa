"""What is timed, in the order and the words of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.bench.turns import Task

__all__ = ["EXPOSING", "FLOORS", "SILENT", "TITLES", "exposing_tasks", "silent_tasks"]


class Workload(NamedTuple):
    """A title and a short one, and how a worker is asked: what to do, with which of the SDK's loops."""

    title: str
    short: str
    do: str
    loop: str


SILENT: Final[Mapping[str, Workload]] = {
    "static": Workload("static flag", "static", "time", "static"),
    "targeted": Workload("three attribute rules and a 25 % rollout", "rules", "time", "targeted"),
    "experiment": Workload("three-way experiment, no exposures", "experiment", "time", "experiment"),
    "static_built": Workload("static flag, context built", "static, built", "time", "static_built"),
    "targeted_built": Workload(
        "three rules and a rollout, context built", "rules, built", "time", "targeted_built"
    ),
    "experiment_built": Workload(
        "experiment, context built", "experiment, built", "time", "experiment_built"
    ),
    "everything": Workload("all 1,000 flags, for each flag", "all", "time", "everything"),
    "threads": Workload("experiment in 8 threads", "threads", "threads", "experiment"),
}
EXPOSING: Final[Mapping[str, Workload]] = {
    "first": Workload("experiment, first exposure", "first", "first", "experiment"),
    "repeated": Workload("experiment, repeated exposure", "repeated", "time", "experiment"),
    "repeated_built": Workload(
        "repeated exposure, context built", "repeated, built", "time", "experiment_built"
    ),
}
FLOORS: Final[Mapping[str, Workload]] = {
    "method": Workload("an empty method call", "method", "time", "method"),
    "lookup": Workload("a dictionary look-up", "look-up", "time", "lookup"),
    "hash": Workload("one mmh3.hash", "hash", "time", "hash"),
}
TITLES: Final = {name: workload.title for name, workload in {**SILENT, **EXPOSING, **FLOORS}.items()}

_MOST_FIRST = 5000  # exposures at once: no more than every SDK's queue holds


def silent_tasks(seconds: float) -> list[Task]:
    """Evaluations that tell nobody, and the floors."""
    return [_timed(name, workload, seconds) for name, workload in {**FLOORS, **SILENT}.items()]


def exposing_tasks(seconds: float) -> list[Task]:
    """Evaluations that are exposures."""
    first = Task("first", "first", "experiment", {"most": _MOST_FIRST, "seconds": max(seconds, 0.1)})
    return [first, *(_timed(name, EXPOSING[name], seconds) for name in ("repeated", "repeated_built"))]


def _timed(name: str, workload: Workload, seconds: float) -> Task:
    return Task(name, workload.do, workload.loop, {"workload": workload.loop, "seconds": seconds})
