"""Starts a program of the benchmark in any environment: ``python -P tests/bench/start.py worker …``.

Some SDKs install a package of their own called ``tests``, and a package wins over a plain directory. So the
name is taken before anything is imported; ``-P`` keeps this directory off the path for the same reason.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType


def main() -> None:
    tests = ModuleType("tests")
    tests.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["tests"] = tests
    import_module(f"tests.bench.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
