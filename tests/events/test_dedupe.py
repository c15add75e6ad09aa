"""Who was seen today."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events.dedupe import Seen
from tests.events.lab import NOON

MIDNIGHT = NOON - NOON % 86_400


def has(seen: Seen, unit: str, now: float = NOON) -> bool:
    return seen.since <= now < seen.until and unit in known(seen)


def known(seen: Seen, key: str = "arm") -> set[str]:
    return seen.young.get(key, set()) | seen.old.get(key, set())


def test_a_new_window_knows_nobody() -> None:
    assert not has(Seen(), "u")
    assert not has(Seen(), "u", 0.0)


def test_what_was_added_is_known() -> None:
    seen = Seen()
    seen.add("arm", "u", NOON)

    assert has(seen, "u")
    assert not has(seen, "v")
    assert "u" not in known(seen, "other")


@pytest.mark.parametrize("later", [MIDNIGHT + 86_400, MIDNIGHT + 90 * 86_400])
def test_a_new_day_forgets_all(later: float) -> None:
    seen = Seen()
    seen.add("arm", "u", MIDNIGHT)
    assert has(seen, "u", MIDNIGHT + 86_399.999)
    assert not has(seen, "u", later)

    seen.add("arm", "v", later)

    assert has(seen, "v", later)
    assert not has(seen, "u", later)


def test_a_clock_that_is_set_back_to_another_day_forgets_too() -> None:
    seen = Seen()
    seen.add("arm", "u", NOON)

    assert not has(seen, "u", NOON - 86_400)


@given(
    units=st.lists(st.integers(0, 40).map(str) | st.sampled_from("abc").map(lambda c: c * 600)),
    maxsize=st.integers(2, 12),
)
def test_the_window_is_bounded_in_units_and_in_characters(units: list[str], maxsize: int) -> None:
    seen = Seen(maxsize)

    for unit in units:
        if not has(seen, unit):
            seen.add("arm", unit, NOON)

        assert len(known(seen)) <= maxsize
        assert sum(map(len, known(seen))) <= 600 * maxsize
        assert has(seen, unit)


def test_the_last_half_is_always_known() -> None:
    seen = Seen(100)
    for number in range(1000):
        seen.add("arm", str(number), NOON)
        assert all(has(seen, str(past)) for past in range(max(0, number - 49), number + 1))
        assert len(known(seen)) <= 100


def test_many_threads_leave_the_window_bounded() -> None:
    seen = Seen(100)

    def add(number: int) -> None:
        for index in range(500):
            seen.add("arm", f"{number}-{index % 150}", NOON)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 50 <= len(known(seen)) <= 110
