from __future__ import annotations

import pytest

from tests.bench.middleware import FRAMEWORKS, measure


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_every_framework_can_be_measured(name: str) -> None:
    assert all(time > 0 for time in measure(name, rounds=1, count=2))
