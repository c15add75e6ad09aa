from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.lab import scripted
from tests.life.lab import Truth, staged


@pytest.fixture
def truth() -> Iterator[Truth]:
    with scripted() as server:
        yield staged(server)
