from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.lab import SHOP, RulesServer, rules_server, write


@pytest.fixture
def shop(tmp_path: Path) -> str:
    return write(tmp_path, SHOP)


@pytest.fixture
def server() -> Iterator[RulesServer]:
    with rules_server() as it:
        yield it
