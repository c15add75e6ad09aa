"""What a run found, as data and as pages, beside what other vendors' SDKs were measured to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from tests.bench.figures import Machine, machine
from tests.gauntlet.stage import ROOT, Row

__all__ = [
    "FIGURES",
    "PAGE",
    "README",
    "Card",
    "Played",
    "card",
    "dumped",
    "excerpted",
    "not_played",
    "page",
    "played",
    "table",
    "written",
]

PAGE = ROOT / "sdk" / "docs" / "scorecard.md"
FIGURES = PAGE.with_suffix(".json")
README = ROOT / "README.md"

_PEERS = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))
_OURS = "flagstaff"
_BEGIN, _END = "<!-- scorecard: written by `make gauntlet` -->", "<!-- /scorecard -->"


class Played(TypedDict):
    """A row that was played."""

    name: str
    promise: str
    rounds: str
    worst: str
    proof: str
    verdict: str


class Card(TypedDict):
    """A run: where, when, how much, and what came of it."""

    machine: Machine
    lane: str
    rows: list[Played]


def played(name: str, row: Row) -> Played:
    return {
        "name": name,
        "promise": row.promise,
        "rounds": row.rounds,
        "worst": row.worst,
        "proof": row.proof,
        "verdict": row.verdict,
    }


def not_played(name: str, reason: str) -> Played:
    """A row that this machine can't play."""
    return {
        "name": name,
        "promise": f"`{name}`",
        "rounds": "none",
        "worst": "–",
        "proof": reason,
        "verdict": "not played",
    }


def card(rows: list[Played], *, full: bool) -> Card:
    return {"machine": machine(), "lane": "full" if full else "fast", "rows": rows}


def written(found: Card, place: Path = PAGE) -> None:
    """Write a run's page, its figures beside it, and the README's excerpt from it."""
    place.with_suffix(".json").write_text(dumped(found), encoding="utf-8")
    place.write_text(page(found), encoding="utf-8")
    README.write_text(excerpted(README.read_text(encoding="utf-8"), found), encoding="utf-8")


def dumped(found: Card) -> str:
    """The figures as a file holds them."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


# -- pages -------------------------------------------------------------------------------------------------

_PAGE = """\
# Scorecard

What flagstaff promises, put to the test against real processes, servers, disks and signals that misbehave;
and what other SDKs did when they met the same faults.

Written by `make gauntlet` on {day}: the {lane} lane, {python}, {cores} cores ({processor}, {system}).
A row counts only if something other than the SDK (a server's log, an exit code, a file) proves that its
fault happened: that is its proof. *Worst* is the worst of all its rounds. A row is *kept*, *late* (all is
there, but this machine took longer than promised), *not played* (this machine can't) or **broken**.

{rows}

## Beside other SDKs

Our figures are those of the run above. The others were measured on {measured} ({there}):
{settings}. The versions: {versions}.

### Events that were accepted, and what became of them

{events}

### Rules servers that misbehave

{rules}
"""


def page(found: Card) -> str:
    """The whole page."""
    return _PAGE.format(
        **found["machine"],
        lane=found["lane"],
        rows=table(found["rows"]),
        measured=_PEERS["measured"],
        there=_PEERS["machine"],
        settings=_PEERS["settings"],
        versions=", ".join(_PEERS["versions"].values()),
        events=_compared(_PEERS["events"], found["rows"]),
        rules=_compared(_PEERS["rules"], found["rows"]),
    )


def table(rows: Sequence[Played]) -> str:
    """Every row that was played."""
    heads = ["promise", "rounds", "worst", "proof", "verdict"]
    return _table(
        heads, [[row["promise"], row["rounds"], row["worst"], row["proof"], row["verdict"]] for row in rows]
    )


def excerpted(readme: str, found: Card) -> str:
    """The README with the rows that matter most between its marks."""
    text = f"{_BEGIN}\n{_excerpt(found)}\n{_END}"
    return re.sub(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: text, readme, count=1, flags=re.DOTALL)


def _excerpt(found: Card) -> str:
    chosen = [case for case in _PEERS["events"] + _PEERS["rules"] if case.get("excerpt")]
    return _compared(chosen, found["rows"], list(_PEERS["events"][0]["results"]), short=True)


def _compared(
    cases: Sequence[dict[str, Any]],
    rows: Sequence[Played],
    peers: Sequence[str] | None = None,
    *,
    short: bool = False,
) -> str:
    """Our figures beside the peers', for the rows that were played."""
    names = peers or list(cases[0]["results"])
    ours = {row["name"]: row for row in rows}
    lines = []
    for case in cases:
        row = ours.get(case["row"])
        if row is None:
            continue
        worst = row["worst"].partition(", ")[0] if short else row["worst"]
        figure = worst if row["verdict"] == "kept" else f"{worst} ({row['verdict']})"
        lines.append([case["fault"], figure, *(case["results"].get(name, "–") for name in names)])
    return _table(["fault", _OURS, *names], lines)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines
    )
