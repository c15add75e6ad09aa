"""Where everything is, and how its processes are started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["CORES", "ROOT", "clean_environment", "command", "interpreter", "serving"]

ROOT: Final = Path(__file__).parents[2]
START: Final = Path(__file__).parent / "start.py"
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_FOREIGN: Final = ("PYTHON", "FLAGSTAFF_", "OTEL_", "POSTHOG_", "STATSIG_", "FLAGD_")


def interpreter(name: str) -> Path:
    """The Python that has an SDK installed, in an environment of its own."""
    own = ROOT / ".venv" / f"bench-{name}" / "bin" / "python"
    return own if name != "floors" else interpreter("flagstaff")


def command(python: str | Path, *arguments: str | Path) -> list[str]:
    """The command that starts a program of the benchmark."""
    return [str(python), "-P", str(START), *map(str, arguments)]


def clean_environment(scratch: Path, sdk: Path = ROOT / "sdk") -> dict[str, str]:
    """What processes get: nothing that would send one of them elsewhere, and ``sdk`` for our own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    scratch.mkdir(exist_ok=True)
    return {
        **kept,
        "PYTHONPATH": str(sdk),
        "TMPDIR": str(scratch),
        "HOME": str(scratch),
        "FLAGSTAFF_DIR": str(scratch / "flagstaff"),
    }


@contextmanager
def serving(environment: Mapping[str, str], *arguments: str | Path) -> Iterator[str]:
    """A server of the benchmark in a process of its own, and the address that it prints."""
    with subprocess.Popen(
        command(sys.executable, *arguments),
        env={**environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError(f"{arguments[0]} did not start")
            yield url
        finally:
            process.terminate()
