"""What holds for every test: no setting of the machine's leaks in, and no state leaks out."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from coverage import Coverage
from hypothesis import settings

from tests.conformance import suite_of

if TYPE_CHECKING:
    from pathlib import Path

# A shared machine may be slow: pytest's own timeout is the only deadline.
settings.register_profile("flagstaff", deadline=None)
settings.load_profile("flagstaff")


@pytest.fixture(scope="session")
def _state_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def _own_environment(_state_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a state directory of its own and no other FLAGSTAFF_ variable."""
    for name in [name for name in os.environ if name.startswith("FLAGSTAFF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLAGSTAFF_DIR", str(_state_root / uuid4().hex))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_sessionfinish() -> None:
    """Keep what was measured: a worker of a long run that is slow to end is killed."""
    measuring = Coverage.current()
    if measuring is not None:
        measuring.save()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases of each published suite were run, and what became of them."""
    counts = Counter(
        (suite, outcome)
        for outcome in ("passed", "failed", "skipped", "xfailed")
        for report in terminalreporter.stats.get(outcome, ())
        if (suite := suite_of(report.nodeid)) is not None
    )
    for suite in sorted({suite for suite, _ in counts}):
        figures = ", ".join(f"{count} {outcome}" for (of, outcome), count in counts.items() if of == suite)
        terminalreporter.write_line(f"conformance: {suite}: {figures}")
