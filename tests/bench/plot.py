"""The times as a picture: a row for a workload, a dot for an SDK, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Final

from tests.bench.figures import Figures
from tests.bench.peers import OURS
from tests.bench.workloads import EXPOSING, SILENT, TITLES

__all__ = ["plot"]

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 960, 290, 40, 56, 46
_SHOWN: Final[tuple[str, ...]] = (
    "static",
    "targeted",
    "experiment",
    "experiment_built",
    "everything",
    "first",
    "repeated",
)
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #333 }
.small { font-size: 11px; fill: #777 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #ddd }
.other { fill: #9aa4ad; fill-opacity: .65 }
.ours { fill: #d6336c }
.ours-label { fill: #d6336c; font-size: 11px; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .small { fill: #999 } .grid { stroke: #444 } .other { fill: #8a939b }
  .ours { fill: #ff6b9a } .ours-label { fill: #ff6b9a }
}
"""


def plot(figures: Figures) -> str:
    """An SVG with its own style, light and dark."""
    rows = [name for name in _SHOWN if name in {**SILENT, **EXPOSING} and _values(figures, name)]
    height = _TOP + _ROW * len(rows) + 40
    low, high = _bounds(figures, rows)
    body = "\n".join((*_axis(low, high, height), *_rows(figures, rows, low, high)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Time for one evaluation, flagstaff and other SDKs">\n<style>{_STYLE}</style>\n'
        f'<text class="title" x="12" y="24">Time for one evaluation, less is better</text>\n{body}\n</svg>\n'
    )


def _values(figures: Figures, workload: str) -> dict[str, float]:
    return {name: found[workload]["median"] for name, found in figures["times"].items() if workload in found}


def _bounds(figures: Figures, rows: list[str]) -> tuple[int, int]:
    """The powers of ten around all values."""
    values = [value for row in rows for value in _values(figures, row).values()]
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))


def _x(value: float, low: int, high: int) -> float:
    return _LEFT + (math.log10(value) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)


def _axis(low: int, high: int, height: int) -> Iterator[str]:
    for power in range(low, high + 1):
        x = _x(10.0**power, low, high)
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 16}" y2="{height - 28}"/>'
        label = f'<text class="small" x="{x:.1f}" y="{height - 12}" text-anchor="middle">'
        yield f"{label}{_time(10**power)}</text>"


def _rows(figures: Figures, rows: list[str], low: int, high: int) -> Iterator[str]:
    for number, workload in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        yield f'<text x="12" y="{y + 4:.1f}">{escape(TITLES[workload])}</text>'
        values = sorted(_values(figures, workload).items(), key=lambda item: item[0] == OURS)  # ours on top
        best = min((value for name, value in values if name != OURS), default=0.0)
        for name, value in values:
            x, title = _x(value, low, high), figures["peers"][name]["title"]
            kind = "ours" if name == OURS else "other"
            tip = f"<title>{escape(title)}: {_time(value)}</title>"
            yield f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="6">{tip}</circle>'
            if name == OURS or value == best:
                label, at = ("ours-label", y + 18) if name == OURS else ("small", y - 10)
                text = f"{escape(title)} {_time(value)}"
                yield f'<text class="{label}" x="{x:.1f}" y="{at:.1f}" text-anchor="middle">{text}</text>'


def _time(nanoseconds: float) -> str:
    for unit, size in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds < size * 1000:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"
