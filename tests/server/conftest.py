from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.lab import Lab, Stage, lab, staged


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with staged() as it:
        yield it


@pytest.fixture
def served(stage: Stage, tmp_path: Path) -> Iterator[Lab]:
    with lab(stage, tmp_path, {"version": 1, "flags": {}}) as it:
        yield it
