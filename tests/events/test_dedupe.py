"""Who was seen today."""

from __future__ import annotations

import threading
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events.dedupe import Seen
from tests.events.lab import NOON

MIDNIGHT = NOON - NOON % 86_400


def has(seen: Seen, unit: str, now: float = NOON) -> bool:
    return seen.since <= now < seen.until and ("arm", unit) in seen.known


def test_a_new_window_knows_nobody() -> None:
    assert not has(Seen(), "u")
    assert not has(Seen(), "u", 0.0)


def test_what_was_added_is_known() -> None:
    seen = Seen()
    seen.add(("arm", "u"), NOON)

    assert has(seen, "u")
    assert not has(seen, "v")
    assert ("other", "u") not in seen.known


@pytest.mark.parametrize("later", [MIDNIGHT + 86_400, MIDNIGHT + 90 * 86_400])
def test_a_new_day_forgets_all(later: float) -> None:
    seen = Seen()
    seen.add(("arm", "u"), MIDNIGHT)
    assert has(seen, "u", MIDNIGHT + 86_399.999)
    assert not has(seen, "u", later)

    seen.add(("arm", "v"), later)

    assert has(seen, "v", later)
    assert not has(seen, "u", later)


def test_a_clock_that_is_set_back_to_another_day_forgets_too() -> None:
    seen = Seen()
    seen.add(("arm", "u"), NOON)

    assert not has(seen, "u", NOON - 86_400)


def test_a_fork_keeps_what_is_known() -> None:
    seen = Seen()
    seen.add(("arm", "u"), NOON)
    seen.forked()

    assert has(seen, "u")


@given(
    units=st.lists(st.sampled_from("abcdefgh") | st.sampled_from("abc").map(lambda c: c * 600)),
    maxsize=st.integers(1, 6),
)
def test_the_window_is_the_last_that_fit(units: list[str], maxsize: int) -> None:
    seen = Seen(maxsize)
    model: OrderedDict[str, int] = OrderedDict()

    for unit in units:
        seen.add(("arm", unit), NOON)
        places = min(1 + len(unit) // 256, maxsize)
        if unit not in model:
            while sum(model.values()) + places > maxsize:
                model.popitem(last=False)
            model[unit] = places

        assert {key[1] for key in seen.known} == set(model)
        assert len(seen.known) <= maxsize


def test_many_threads_leave_the_window_whole() -> None:
    seen = Seen(100)

    def add(number: int) -> None:
        for index in range(500):
            seen.add(("arm", f"{number}-{index % 150}"), NOON)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen.known) == 100
    assert set(seen._window) == seen.known
