from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events.model import Form
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


PLAIN = st.text(st.sampled_from("ab,:[]{}/ "), min_size=1, max_size=6)
NAMES = PLAIN | st.text(st.sampled_from('ab,:[]{}"\\/\n\x7fé\ud800'), min_size=1, max_size=6)


@st.composite
def written(draw: st.DrawFn) -> str:
    """An exposure as clients write it, now and then with a character changed, cut out or doubled."""
    kind = draw(st.sampled_from([PLAIN, NAMES]))
    project, place, process, flag, experiment, arm, unit_type = (draw(kind) for _ in range(7))
    rule, revision = draw(st.none() | kind), draw(st.integers(-1, 10**20))
    form = Form(project, place, process, flag, experiment, arm, unit_type, rule, revision)
    text = form.render(draw(kind), draw(st.floats(0, 1e11)), draw(st.integers(0, 10**18))).decode()
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        change = draw(st.sampled_from(['"', ",", "0", "9", " ", "}", ""]))
        text = text[:at] + change + text[at + draw(st.integers(0, 2)) :]
    return text


def attempt(body: bytes) -> tuple[list[Event], BadEvents | None]:
    try:
        return read_batch(body), None
    except BadEvents as error:
        return [], error


@given(st.binary())
def test_any_bytes_are_events_or_refused(body: bytes) -> None:
    taken, refused = attempt(body)

    assert refused is not None or taken == []


@given(st.lists(written(), min_size=1, max_size=3))
def test_a_batch_reads_the_same_however_it_is_spaced(events: list[str]) -> None:
    compact, refused = attempt(f"[{','.join(events)}]".encode())
    spaced, refused_spaced = attempt(f"[ {' , '.join(events)} ]".encode())

    assert compact == spaced
    assert (refused is None) == (refused_spaced is None)
    if refused is not None and refused_spaced is not None:
        assert (refused.field, refused.index) == (refused_spaced.field, refused_spaced.index)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"revision":7', '"revision":07'),
        ('"revision":7', '"revision":-0'),
        ('"revision":7', '"revision":7.0'),
        ('"revision":7', f'"revision":{"7" * 5000}'),
        ('"sequence":"', '"sequence":"0000000000000000'),
        ('"rule":null', '"rule":NaN'),
        ('"time":"2', '"time":"3'),
        ("T08:", "T28:"),
        ('"source":"/flagstaff/shop/live"', '"source":""'),
        ('"variant":"a"', '"variant":"a","variant":"b"'),
        ('"variant":"a"', '"variant":"\t"'),
    ],
)
def test_what_is_nearly_plain_is_read_like_everything_else(was: str, becomes: str) -> None:
    form = Form("shop", "live", "0" * 16, "checkout", "checkout", "a", "targeting_key", None, 7)
    event = form.render("anna", 1.8e9, 1).decode()
    changed = event.replace(was, becomes)
    assert changed != event
    taken, refused = attempt(f"[{event},{changed}]".encode())
    spaced, refused_spaced = attempt(f"[{event}, {changed}]".encode())

    assert (taken, str(refused)) == (spaced, str(refused_spaced)) or "not JSON" in str(refused)
    assert (refused is None) == (refused_spaced is None)


@pytest.mark.parametrize("body", [b"[", b"[]x", b"[{", b"[{}", b"", b"{}", b"]"])
def test_what_only_begins_like_a_batch_is_refused(body: bytes) -> None:
    with pytest.raises(BadEvents):
        read_batch(body)


@pytest.mark.parametrize("after", ["", ",", "],", "]]", "] x", ",]", "}]"])
def test_events_that_end_like_no_batch_are_refused(after: str) -> None:
    form = Form("shop", "live", "0" * 16, "checkout", "checkout", "a", "targeting_key", None, 7)
    event = form.render("anna", 1.8e9, 1).decode()
    assert len(read_batch(f"[{event},{event}]".encode())) == 2
    with pytest.raises(BadEvents, match="not JSON"):
        read_batch(f"[{event},{event}{after}".encode())


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
