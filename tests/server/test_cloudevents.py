from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.server.cloudevents import BadEvents, Event, read_batch, read_single
from tests.server.lab import exposure, loss, track

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = [*exposure(0), "data_base64"]


def read(event: object) -> Event:
    (read_one,) = read_single(json.dumps(event).encode())
    return read_one


def attempt(body: bytes) -> tuple[list[Event], BadEvents | None]:
    try:
        return read_batch(body), None
    except BadEvents as error:
        return [], error


@given(st.binary())
def test_any_bytes_are_events_or_refused(body: bytes) -> None:
    taken, refused = attempt(body)

    assert refused is not None or taken == []


@given(
    st.sampled_from([exposure, track, loss]),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    st.dictionaries(st.sampled_from(["flag", "experiment", "variant", "event", "dropped"]), JSON, max_size=2),
)
def test_an_event_with_any_values_is_stored_whole_or_refused_by_field(
    make: Any, changes: dict[str, Any], inner: dict[str, Any]
) -> None:
    sent = make(0) | changes
    if isinstance(sent["data"], dict):
        sent["data"] = sent["data"] | inner
    body = json.dumps([sent]).encode()
    taken, refused = attempt(body)

    assert refused is None or refused.field in {None, *FIELDS} or str(refused.field).startswith("data.")
    for event in taken:
        assert json.loads(event.data) == json.loads(body)[0]["data"]
        assert " ".join(str(column) for column in event).encode()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22t10:00:00.123456z", "2026-11-22T10:00:00.123Z"),
        ("2026-11-22T00:30:00.5+02:00", "2026-11-21T22:30:00.500Z"),
        (None, None),
    ],
)
def test_times_are_kept_in_utc(written: str | None, kept: str | None) -> None:
    assert read(exposure(1, time=written)).time == kept


@pytest.mark.parametrize(
    "written", ["2026-11-22", "20261122T100000Z", "2026-11-22T10:00:00", "2026-W47-7", ""]
)
def test_only_the_times_of_rfc_3339_are_times(written: str) -> None:
    with pytest.raises(BadEvents, match="time must be a time like"):
        read(exposure(1, time=written))


@pytest.mark.parametrize(
    ("written", "kept"), [("000000000042", 42), (42, 42), ("9" * 18, 10**18 - 1), (None, None)]
)
def test_sequences_are_numbers(written: object, kept: int | None) -> None:
    assert read(exposure(1, sequence=written)).sequence == kept


def test_an_exposure_is_told_by_its_columns() -> None:
    event = read(exposure(1))

    assert (event.flag, event.experiment, event.variant) == ("checkout-cta", "cta-wording", "urgent")
    assert (event.subject, event.event) == ("user-1", None)


@pytest.mark.parametrize(
    "dropped",
    [
        None,
        "all",
        [3],
        [{"count": 3}],
        [{"reason": "queue_full", "count": -1}],
        [{"reason": "queue_full", "count": True}],
        [{"reason": "queue_full", "count": 1, "flag": 7}],
    ],
)
def test_a_loss_that_can_not_be_summed_is_refused(dropped: object) -> None:
    with pytest.raises(BadEvents) as caught:
        read(loss(1) | {"data": {"dropped": dropped}})

    assert caught.value.field == "data"


def deepest_readable() -> int:
    """Find how deeply nested an array json reads in this Python, by halving."""
    low, high = 1, 1_000_000
    while low + 1 < high:
        middle = (low + high) // 2
        try:
            json.loads("[" * middle + "]" * middle)
            low = middle
        except RecursionError:
            high = middle
    return low


def test_depth_is_refused_wherever_it_is_found_out() -> None:
    deepest = deepest_readable()
    outcomes = set()
    for depth in range(max(deepest - 40, 1), deepest + 10):
        text = json.dumps(exposure(1)).replace('"revision": 1', f'"revision": {"[" * depth}{"]" * depth}')
        try:
            read_single(text.encode())
            outcomes.add("taken")
        except BadEvents as error:
            outcomes.add(str(error))

    assert "the JSON is nested too deeply" in outcomes
    assert outcomes <= {"taken", "the JSON is nested too deeply", "data is nested too deeply"}
