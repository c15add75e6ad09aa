"""Where everything is, and how its processes are started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.documents import lay_out
from tests.bench.peers import OURS

__all__ = ["CORES", "ROOT", "Stage", "command", "interpreter", "serving", "staged"]

ROOT: Final = Path(__file__).parents[2]
START: Final = Path(__file__).parent / "start.py"
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_FOREIGN: Final = ("PYTHON", "COVERAGE_", "FLAGSTAFF_", "OTEL_", "POSTHOG_", "FLAGD_")


def interpreter(name: str) -> Path:
    """The Python that has an SDK installed, in an environment of its own; the floors use ours."""
    environment = OURS if name == "floors" else name.partition(":")[0]
    return ROOT / ".venv" / f"bench-{environment}" / "bin" / "python"


def command(python: str | Path, *arguments: str | Path) -> list[str]:
    """The command that starts a program of the benchmark."""
    return [str(python), "-P", str(START), *map(str, arguments)]


@dataclass(frozen=True)
class Stage:
    """Documents laid out, a sink that serves them at ``url``, and what processes need to know."""

    scratch: Path
    url: str
    python: Callable[[str], Path] = interpreter
    sdk: Path = ROOT / "sdk"
    """Where flagstaff itself is imported from."""

    @property
    def environment(self) -> dict[str, str]:
        """What processes get: nothing that would send one of them elsewhere."""
        return {**_clean(self.scratch), "PYTHONPATH": str(self.sdk)}

    def directory(self, name: str, flags: int) -> Path:
        return self.scratch / f"{name}-{flags}"

    def address(self, name: str, flags: int, prefix: str = "") -> str:
        return f"{self.url}/{prefix}{name}-{flags}"


@contextmanager
def staged(
    names: Sequence[str], sizes: Sequence[int], python: Callable[[str], Path] = interpreter
) -> Iterator[Stage]:
    """A stage with documents of these sizes for these SDKs."""
    with TemporaryDirectory(prefix="flagstaff-bench-") as temporary:
        stage = Stage(Path(temporary), "", python)
        for name in names:
            for size in sizes:
                lay_out(stage.directory(name, size), name, size)
        with serving(stage.environment, "sink", stage.scratch) as url:
            yield Stage(stage.scratch, url, python)


def _clean(scratch: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    ours = {"FLAGSTAFF_DIR": str(home / "flagstaff"), "FLAGSTAFF_DURABILITY": "process"}
    return {**kept, **ours, "TMPDIR": str(home), "HOME": str(home)}


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
