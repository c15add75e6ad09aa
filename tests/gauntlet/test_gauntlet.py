"""The fast lane of the gauntlet: each promise once, with real processes and real faults."""

from __future__ import annotations

import pytest

from tests.gauntlet.rows import ROWS


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.slow
def test_a_promise_is_kept(name: str) -> None:
    row = ROWS[name](1)

    assert row.kept, f"{row.promise}: {row.worst}; {row.proof}"
