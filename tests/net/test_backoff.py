"""When to come back."""

from __future__ import annotations

import math
import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.net.backoff import Backoff, is_lasting, retry_after

NOW = 1_795_348_800.0


class Fixed:
    """A generator that always draws the same."""

    def __init__(self, draw: float) -> None:
        self.draw = draw

    def random(self) -> float:
        return self.draw


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(1.0, 10.0, Fixed(1.0))

    assert [backoff.failed(0.0) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_what_lasts_is_tried_ever_more_rarely_up_to_five_minutes() -> None:
    latest, earliest = Backoff(1.0, 10.0, Fixed(1.0)), Backoff(1.0, 10.0, Fixed(0.0))

    assert [latest.failed(0.0, lasting=True) for _ in range(9)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert [earliest.failed(0.0, lasting=True) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 128, 150]
    assert latest.failed(0.0, 3600.0, lasting=True) == 3900.0
    assert latest.failed(0.0) == 10.0


@pytest.mark.parametrize("failure", [401, 403, 404, 410, "tls", "dns"])
def test_what_time_alone_does_not_mend_lasts(failure: int | str) -> None:
    assert is_lasting(failure)


@pytest.mark.parametrize(
    "failure", [200, 304, 408, 425, 429, 500, 502, 503, 504, "timeout", "connect", "network"]
)
def test_what_comes_and_goes_does_not(failure: int | str) -> None:
    assert not is_lasting(failure)


def test_the_jitter_is_full() -> None:
    assert Backoff(1.0, 10.0, Fixed(0.0)).failed(0.0) == 0.0
    assert Backoff(1.0, 10.0, Fixed(0.25)).failed(0.0) == 0.25


def test_success_starts_again_from_the_base() -> None:
    backoff = Backoff(1.0, 10.0, Fixed(1.0))
    backoff.failed(0.0)
    backoff.failed(0.0)

    backoff.succeeded()

    assert backoff.remaining(0.0) == 0.0
    assert backoff.failed(0.0) == 1.0


def test_ten_thousand_failures_are_no_overflow() -> None:
    backoff = Backoff(1.0, 60.0, Fixed(1.0))

    assert {backoff.failed(0.0) for _ in range(10_000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0}


@given(asked=st.floats(0, 3600), draw=st.floats(0, 1, exclude_max=True), failures=st.integers(1, 12))
def test_what_the_server_asks_for_is_a_floor(asked: float, draw: float, failures: int) -> None:
    backoff = Backoff(1.0, 60.0, Fixed(draw))
    delay = [backoff.failed(5.0, asked) for _ in range(failures)][-1]

    assert asked <= delay <= asked + 60.0
    assert backoff.remaining(5.0) == pytest.approx(delay)
    assert backoff.remaining(5.0, at_most=0.5) >= asked - 1e-9
    assert backoff.remaining(5.0 + delay + 1e-6) == 0.0


def test_somebody_in_a_hurry_waits_half_a_second_from_the_failure_however_often_he_asks() -> None:
    backoff = Backoff(60.0, 60.0, Fixed(0.5))
    backoff.failed(100.0)

    assert backoff.remaining(100.0) == 30.0
    assert [backoff.remaining(now, 0.5) for now in (100.0, 100.25, 100.5, 101.0)] == [0.5, 0.25, 0.0, 0.0]


def test_a_herd_that_was_told_the_same_does_not_come_back_as_one() -> None:
    rng = random.Random(7)
    seconds = [0] * 60
    for _ in range(2000):
        backoff = Backoff(1.0, 60.0, rng)
        delays = [backoff.failed(0.0, 5.0) for _ in range(6)]
        seconds[int(delays[-1] - 5.0)] += 1

    assert max(seconds) <= 3 * sum(seconds) / 32  # the sixth delay spreads over 32 s


def test_by_default_two_backoffs_draw_differently() -> None:
    one, other = Backoff(1000.0, 1000.0), Backoff(1000.0, 1000.0)

    assert [one.failed(0.0) for _ in range(3)] != [other.failed(0.0) for _ in range(3)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("3600", 3600.0),
        ("1000000000", 3600.0),
        ("9" * 10_000, 3600.0),
        ("-5", 0.0),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        (formatdate(NOW + 1e9, usegmt=True), 3600.0),
        ("Sunday, 22-Nov-26 12:01:00 GMT", 60.0),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("--5", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("Sun, 22 Nov 99999999999999999999 12:00:00 GMT", None),
        ("x" * 100_000, None),
    ],
)
def test_retry_after_is_read_and_bounded(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert retry_after({}, NOW) is None


@given(text=st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S*"))
def test_no_header_is_too_strange(text: str) -> None:
    seconds = retry_after({"retry-after": text}, NOW)

    assert seconds is None or (0.0 <= seconds <= 3600.0 and math.isfinite(seconds))
