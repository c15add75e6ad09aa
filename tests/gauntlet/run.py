"""The scorecard: every promise, how often it was put to the test, the worst that came of it.

    python -m tests.gauntlet.run [--full] [--json FILE] [ROW ...]

Prints Markdown; fails if a promise was not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.gauntlet.rows import ROWS
from tests.gauntlet.stage import Row

FULL = 10


def markdown(rows: list[Row]) -> str:
    lines = ["| promise | rounds | worst | proof | verdict |", "|---|---|---|---|---|"]
    for row in rows:
        verdict = "kept" if row.kept else "**broken**"
        lines.append(f"| {row.promise} | {row.rounds} | {row.worst} | {row.proof} | {verdict} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true", help="ten times the rounds and more")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all of them by default"
    )
    told = parser.parse_args()
    rows = []
    for name in told.rows or ROWS:
        begun = time.monotonic()
        rows.append(ROWS[name](FULL if told.full else 1))
        print(f"{name}: {time.monotonic() - begun:.1f} s", file=sys.stderr)
    print(markdown(rows))
    if told.json is not None:
        told.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
