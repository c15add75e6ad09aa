"""The figures as people read them: tables in Markdown, a plot, and all of them in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import truediv
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.figures import Figures, drift, fastest, paired
from tests.bench.peers import OURS
from tests.bench.plot import plot
from tests.bench.workloads import EXPOSING, FLOORS, SILENT, TITLES

__all__ = ["grid", "table", "write"]


def write(figures: Figures, directory: Path) -> None:
    """Write ``figures.json``, ``table.md`` and ``plot.svg``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "figures.json").write_text(_in_lines(figures) + "\n")
    (directory / "table.md").write_text(table(figures))
    (directory / "plot.svg").write_text(plot(figures))


def _in_lines(figures: Figures) -> str:
    """JSON in lines, with all turns of a workload in one."""
    return re.sub(r"\[[^][{}]*]", lambda turns: " ".join(turns[0].split()), json.dumps(figures, indent=1))


def table(figures: Figures) -> str:
    """All tables, the most telling first; a section of which nothing was measured is left out."""
    sections = {
        "## One evaluation\n": _versus(figures),
        "## Everybody\n\nNanoseconds for one evaluation, median of the turns. "
        "*Built*: context included.\n": _everybody(figures),
        "## Rules and programs\n": _alone(figures, _PROGRAMS),
        "## While something happens\n": _alone(figures, _MEANWHILE) + _delivered(figures),
        "## Floors\n\nWhat nothing written in Python can go below, in the same turns.\n": _floors(figures),
    }
    told = (f"{head}\n{body}" for head, body in sections.items() if body)
    return "\n".join(("# Benchmark\n", _about(figures), *told))


def _about(figures: Figures) -> str:
    it = figures["machine"]
    return (
        f"Measured on {it['day']}: {it['python']}, {it['processor']}, {it['cores']} cores. "
        f"{figures['rounds']} rounds in which everybody takes a turn. The floors, the same work every time, "
        f"lay {drift(figures['floors']):.0%} apart between the quartiles. "
        "A ratio is the median of the rounds' own: neighbours meet the same moods of the machine.\n"
    )


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _versus(figures: Figures) -> str:
    ours = figures["times"].get(OURS, {})
    rows = []
    for workload in {**SILENT, **EXPOSING}:
        rival = fastest(figures, workload)
        if workload not in ours or rival is None:
            continue
        mine, other = ours[workload], figures["times"][rival][workload]
        title = figures["peers"][rival]["title"]
        times = f"{mine['median']:,.0f} ns", f"{title}, {other['median']:,.0f} ns"
        rows.append((TITLES[workload], *times, f"{paired(truediv, mine, other):.2f}"))
    return grid(("workload", "flagstaff", "the fastest other", "ratio"), rows)


def _everybody(figures: Figures) -> str:
    workloads = {**SILENT, **EXPOSING}
    order = sorted(figures["peers"], key=lambda name: _time(figures, name, "experiment"))
    rows = []
    for name in order:
        peer, times = figures["peers"][name], figures["times"][name]
        cells = (f"{times[it]['median']:,.0f}" if it in times else "–" for it in workloads)
        rows.append((f"{peer['title']} {peer['version']}", *cells))
    return grid(("", *(workload.short for workload in workloads.values())), rows)


def _time(figures: Figures, name: str, workload: str) -> float:
    found = figures["times"][name].get(workload)
    return found["median"] if found else float("inf")


class _Column(NamedTuple):
    title: str
    measure: str
    show: Callable[[Mapping[str, float]], str]


def _ms(key: str) -> Callable[[Mapping[str, float]], str]:
    return lambda found: f"{found[key] * 1e3:,.1f}"


def _lateness(found: Mapping[str, float]) -> str:
    return f"{found['p99'] * 1e3:,.1f} ({found['worst'] * 1e3:,.1f})"


_PROGRAMS: Final = (
    _Column("import, ms", "import", _ms("seconds")),
    _Column("import to first answer, ms", "ready", _ms("seconds")),
    _Column("load 1,000 flags, ms", "load_1000", _ms("seconds")),
    _Column("load 10,000 flags, ms", "load_10000", _ms("seconds")),
    _Column("they take, MB", "load_10000", lambda it: f"{it['megabytes']:,.1f}"),
    _Column("once all were used, MB", "load_10000", lambda it: f"{it['megabytes_used']:,.1f}"),
    _Column("distributions", "footprint", lambda it: f"{it['distributions']:.0f}"),
    _Column("installed, MB", "footprint", lambda it: f"{it['megabytes']:,.1f}"),
)
_MEANWHILE: Final = (
    _Column("one flag of 10,000 changes, ms of processor", "update", _ms("seconds")),
    _Column("evaluation pauses at most, ms", "update", _ms("pause")),
    _Column("event loop late, p99 (worst), ms", "loop_swap", _lateness),
    _Column("late while the collector hangs, p99 (worst), ms", "loop_hang", _lateness),
)


def _alone(figures: Figures, columns: Sequence[_Column]) -> str:
    rows = []
    for name, found in figures["alone"].items():
        cells = [column.show(found[column.measure]) if column.measure in found else "–" for column in columns]
        if set(cells) != {"–"}:
            rows.append((figures["peers"][name]["title"], *cells))
    return grid(("", *(column.title for column in columns)), rows) if rows else ""


def _delivered(figures: Figures) -> str:
    found = figures["alone"].get(OURS, {}).get("deliver")
    if found is None:
        return ""
    return (
        f"\nInto the development server: {found['events']:,.0f} exposures by one process, recorded at "
        f"{found['events'] / found['recording']:,.0f} a second, delivered at "
        f"{found['events'] / found['seconds']:,.0f} a second; {found['stored']:,.0f} were stored, "
        f"{found['lost']:,.0f} lost.\n"
    )


def _floors(figures: Figures) -> str:
    rows = ((FLOORS[name].title, f"{floor['median']:.1f} ns") for name, floor in figures["floors"].items())
    return grid(("", "time"), rows)
