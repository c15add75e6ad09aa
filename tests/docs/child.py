"""Runs blocks of Python one after the other, as a reader would: blocks in, what each printed out, as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from types import ModuleType


def main() -> None:
    page = sys.modules["__main__"] = ModuleType("__main__")  # as if the page were the program
    printed = []
    for number, block in enumerate(json.load(sys.stdin), 1):
        out = StringIO()
        with redirect_stdout(out):
            exec(compile(block, f"<block {number}>", "exec"), vars(page))
        printed.append(out.getvalue())
    json.dump(printed, sys.stdout)


if __name__ == "__main__":
    main()
