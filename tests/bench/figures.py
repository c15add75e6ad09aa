"""What was found, as plain data: what tables and plots are made of, and what the JSON file holds."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict

from tests.bench.peers import OURS
from tests.bench.scenario import ARMS, EXPERIMENT, STATIC, SWITCH, TARGETED
from tests.bench.solo import Alone
from tests.bench.turns import Times

__all__ = [
    "Figure",
    "Figures",
    "Machine",
    "PeerFigures",
    "drift",
    "fastest",
    "machine",
    "paired",
    "plausible",
    "summed_up",
]


class Figure(TypedDict):
    """Nanoseconds for an evaluation: the median and quartiles of the turns, and the turns themselves."""

    median: float
    low: float
    high: float
    turns: list[float]


class Machine(TypedDict):
    python: str
    processor: str
    cores: int
    system: str
    day: str


class PeerFigures(TypedDict):
    title: str
    version: str
    answers: Mapping[str, Mapping[str, float]]


class Figures(TypedDict):
    """``times`` by SDK and workload; ``floors`` by name; ``alone`` by SDK and measure."""

    machine: Machine
    rounds: int
    peers: dict[str, PeerFigures]
    floors: dict[str, Figure]
    times: dict[str, dict[str, Figure]]
    alone: Alone


def machine() -> Machine:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "processor": names[0] if names else platform.machine(),
        "cores": len(names) or 1,
        "system": platform.system(),
        "day": datetime.now(UTC).date().isoformat(),
    }


def summed_up(times: Times) -> dict[str, dict[str, Figure]]:
    return {
        label: {workload: _figure(turns) for workload, turns in found.items()}
        for label, found in times.items()
    }


def _figure(turns: Sequence[float]) -> Figure:
    ordered = sorted(turns)
    return {
        "median": statistics.median(ordered),
        "low": ordered[len(ordered) // 4],
        "high": ordered[-1 - len(ordered) // 4],
        "turns": [round(turn, 2) for turn in turns],
    }


def paired(compare: Callable[..., float], *figures: Figure) -> float:
    """The median of what turns of one round come to: they meet the same moods of the machine."""
    rounds = zip(*(figure["turns"] for figure in figures), strict=False)
    return statistics.median(compare(*turns) for turns in rounds)


def drift(floors: Mapping[str, Figure]) -> float:
    """How far apart the quartiles of the same work lie, as a part of its median: the noise of the machine."""
    return max((floor["high"] - floor["low"]) / floor["median"] for floor in floors.values())


def fastest(figures: Figures, workload: str) -> str | None:
    """The fastest of the others, by its median."""
    times = {name: found[workload]["median"] for name, found in figures["times"].items() if workload in found}
    times.pop(OURS, None)
    return min(times, key=times.__getitem__, default=None)


_EXPECTED: Final = {
    STATIC: {"True": 1.0},
    SWITCH: {"False": 1.0},
    TARGETED: {"True": 0.25, "False": 0.75},
    EXPERIMENT: {name: percent / 100 for name, percent in ARMS},
}
_LEEWAY = 0.05


def plausible(answers: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether the shares of answers are near those that the rules ask for."""
    return all(
        abs(share - answers[flag].get(value, 0.0)) < _LEEWAY
        for flag, expected in _EXPECTED.items()
        for value, share in expected.items()
    )
