"""Server-sent events: the same in whatever pieces they come, and bounded whatever comes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.net.message import TransportError
from flagstaff.net.sse import Event, EventParser


def parsed(*chunks: bytes) -> list[Event]:
    parser = EventParser("host")
    return [event for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\n", [("message", "one")]),
        (b"event: rules\ndata: one\n\n", [("rules", "one")]),
        (b"data:one\ndata: two\ndata\n\n", [("message", "one\ntwo\n")]),
        (b"data:  blank first\n\n", [("message", " blank first")]),
        (b"\xef\xbb\xbfdata: one\n\n\xef\xbb\xbfdata: two\n\n", [("message", "one")]),
        (b":comment\n:\n\n", []),
        (b"event: rules\n\ndata: x\n\n", [("message", "x")]),
        (b"id: 1\x00\nunknown: x\nDATA: x\n\n", []),
        (b"data: half an event\n", []),
        (b"data: \xff\xfe\n\n", [("message", "\ufffd\ufffd")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [("message", "a"), ("message", "b"), ("message", "c")]),
        (b"", []),
    ],
    ids=range(12),
)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert parsed(stream) == events
    assert parsed(*[stream[at : at + 1] for at in range(len(stream))]) == events


@given(
    st.lists(
        st.sampled_from(
            [b"data: x", b"data:", b"event: rules", b":", b"", b"", b"retry: 5", b"id: 7", b"\xc3"]
        )
        | st.binary(max_size=6),
        max_size=30,
    ),
    st.data(),
)
def test_pieces_make_no_difference(lines: list[bytes], data: st.DataObject) -> None:
    ends = [data.draw(st.sampled_from([b"\n", b"\r", b"\r\n"])) for _ in lines]
    stream = b"".join(line + end for line, end in zip(lines, ends, strict=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    assert parsed(*pieces) == parsed(stream) == reference(stream)


def reference(stream: bytes) -> list[Event]:
    """The standard's algorithm on a whole stream, as plainly as it can be written."""
    events, name, data = [], "", None
    lines = re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]
    for line in lines:
        if line == b"":
            if data is not None:
                events.append(Event(name or "message", data))
            name, data = "", None
        field, _, value = line.partition(b":")
        text = (value[1:] if value[:1] == b" " else value).decode(errors="replace")
        if field == b"data":
            data = text if data is None else f"{data}\n{text}"
        elif field == b"event":
            name = text
    return events


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"0", 0.0),
        (b"1500", 1.5),
        (b"10" + b"0" * 11, 3600.0),
        (b"9" * 5000, 3600.0),
        (b"-1", None),
        (b"soon", None),
        (b"1.5", None),
        (b"", None),
    ],
)
def test_the_time_to_reconnect_is_bounded(text: bytes, seconds: float | None) -> None:
    parser = EventParser("host")
    parser.feed(b"retry: " + text + b"\n\n")

    assert parser.retry == seconds


@pytest.mark.parametrize(
    "endless",
    [b"x" * 1000, b"data: " + b"x" * 1000, b"data: x\n" * 100, b"data:" + b"y" * 900 + b"\r"],
    ids=["no line end", "a field", "many lines", "long lines"],
)
def test_what_does_not_end_is_refused(endless: bytes) -> None:
    parser = EventParser("host", max_line=4000, max_event=4000)

    with pytest.raises(
        TransportError, match=r"^host sent an? (line|event) of more than 4,000 bytes$"
    ) as caught:
        _ = [parser.feed(endless) for _ in range(100)]

    assert caught.value.kind == "too-large"


def test_a_long_line_in_one_piece_is_refused() -> None:
    with pytest.raises(TransportError, match="a line"):
        EventParser("host", max_line=4000).feed(b"x" * 4001 + b"\n")


def test_events_without_end_are_none_too_many_for_the_parser() -> None:
    parser = EventParser("host")

    assert sum(len(parser.feed(b"data: x\n\n" * 1000)) for _ in range(100)) == 100_000
