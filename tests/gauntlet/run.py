"""The scorecard: every promise, how often it was put to the test, the worst that came of it.

    python -m tests.gauntlet.run [--full] [--json FILE] [--out FILE] [ROW ...]

Prints Markdown; fails if a promise was not kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.gauntlet.rows import ROWS
from tests.gauntlet.scorecard import Played, card, dumped, not_played, played, table, written
from tests.gauntlet.stage import UnplayableError

FULL = 10


def play(name: str, scale: int) -> Played:
    begun = time.monotonic()
    try:
        row = played(name, ROWS[name](scale))
    except UnplayableError as error:
        row = not_played(name, str(error))
    print(
        f"{name}: {row['verdict']} in {time.monotonic() - begun:.1f} s: {row['worst']}",
        file=sys.stderr,
        flush=True,
    )
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true", help="ten times the rounds and more")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="the page to write after a run of all rows; the README's excerpt follows",
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all of them by default"
    )
    told = parser.parse_args()
    rows = [play(name, FULL if told.full else 1) for name in told.rows or ROWS]
    print(table(rows))
    found = card(rows, full=told.full)
    if told.json is not None:
        told.json.write_text(dumped(found), encoding="utf-8")
    if told.out is not None and not told.rows:
        written(found, told.out)
    return 0 if all(row["verdict"] == "kept" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
