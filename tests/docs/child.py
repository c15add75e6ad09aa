"""Runs blocks of Python one after the other, as a reader would: blocks in, what each printed out, as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO


def main() -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for number, block in enumerate(json.load(sys.stdin), 1):
        out = StringIO()
        with redirect_stdout(out):
            exec(compile(block, f"<block {number}>", "exec"), names)
        printed.append(out.getvalue())
    json.dump(printed, sys.stdout)


if __name__ == "__main__":
    main()
