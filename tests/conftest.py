"""What holds for every test: no setting of the machine's leaks in, and no state leaks out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import settings

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
