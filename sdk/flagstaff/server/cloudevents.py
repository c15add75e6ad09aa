"""Bytes of CloudEvents 1.0 JSON to checked events. Pure: no I/O, no clock.

An event that can't be stored without loss is refused, naming its place and its field, so that a
sender can set exactly that one aside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, NoReturn, TypeAlias

__all__ = ["BadEvents", "Event", "read_batch", "read_event", "read_single"]

_Columns: TypeAlias = tuple[str | None, str | None, str | None, str | None]  # flag … event

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DIGITS = 18  # of a sequence number: what an integer of 64 bits holds
_NONE = (None, None, None, None)
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode

# What nearly all events are, as our clients write them: an exposure in plain ASCII. To see that it is one is
# to have read it, at a fraction of what a parser and checks of its dictionaries take; and its data stands
# there as it is to be stored. Everything else takes the long way.
_KIND = "flagstaff.exposure"
_PLAIN = r'"([ !#-\[\]-~]*)"'
_UNREAD = _PLAIN.replace("(", "(?:")
_FILLED = _PLAIN.replace("*", "+")
_EXPOSURE = re.compile(
    rf'{{"specversion":"1\.0","id":{_FILLED},"source":{_FILLED},"type":"flagstaff\.exposure",'
    rf'"subject":{_PLAIN},"time":"([-0-9T:.]{{23}}Z)","datacontenttype":"application/json",'
    rf'"sequence":"([0-9]{{1,{_DIGITS}}})","process":{_PLAIN},'
    rf'"data":({{"flag":{_PLAIN},"experiment":{_PLAIN},"variant":{_PLAIN},"unit":{_UNREAD},'
    rf'"unit_type":{_UNREAD},"rule":(?:null|{_UNREAD}),"revision":(?:0|[1-9][0-9]{{0,{_DIGITS}}})}})}}'
).match


class Event(NamedTuple):
    """One checked event; ``time`` is UTC in milliseconds, ``data`` is ASCII JSON text."""

    source: str
    id: str
    type: str
    subject: str | None
    time: str | None
    process: str | None
    sequence: int | None
    flag: str | None
    experiment: str | None
    variant: str | None
    event: str | None
    data: str


class BadEvents(ValueError):  # noqa: N818 - it is the body's fault, not an error of ours
    """A body that holds no usable events: which one (from 0) and which field, where known."""

    def __init__(self, message: str, field: str | None = None, index: int | None = None) -> None:
        place = "" if index is None else f"event {index}: "
        super().__init__(f"{place}{message}" if field is None else f"{place}{field} {message}")
        self.message = message
        self.field = field
        self.index = index


def read_single(body: bytes) -> list[Event]:
    """Read one event (``application/cloudevents+json``); raises BadEvents."""
    return [read_event(_parse(body))]


def read_batch(body: bytes) -> list[Event]:
    """Read an array of events (``application/cloudevents-batch+json``): all of them or BadEvents."""
    try:
        return list(_read_compact(body.decode("utf-8")))
    except (ValueError, RecursionError):  # the whole of it shows what is wrong, or that it is just spaced out
        values = _parse(body)
    if not isinstance(values, list):
        raise BadEvents("a batch must be a JSON array")
    events = []
    for index, value in enumerate(values):
        try:
            events.append(read_event(value))
        except BadEvents as error:
            raise BadEvents(error.message, error.field, index) from None
    return events


def read_event(value: object) -> Event:
    """Check one decoded event; raises BadEvents naming the field."""
    if not isinstance(value, dict):
        raise BadEvents("an event must be a JSON object")
    if _name(value, "specversion") != "1.0":
        raise BadEvents("must be 1.0", "specversion")
    if "data_base64" in value:
        raise BadEvents("is not supported; send data as JSON", "data_base64")
    kind = _name(value, "type")
    flag, experiment, variant, event = _COLUMNS.get(kind, _foreign)(value)
    return Event(
        _name(value, "source"),
        _name(value, "id"),
        kind,
        _optional(value, "subject"),
        _time(value.get("time")),
        _optional(value, "process"),
        _sequence(value.get("sequence")),
        flag,
        experiment,
        variant,
        event,
        _data(value.get("data")),
    )


def _read_compact(text: str) -> Iterator[Event]:
    """Read an array without a space between its events, one after the other; ValueError for anything else."""
    at, last = 0, len(text) - 1
    if not text.startswith("[{"):
        raise ValueError("not compact")
    while at < last:
        event, at = _read_next(text, at + 1)
        yield event
        if text[at : at + 1] != ("," if at < last else "]"):
            raise ValueError("not compact")


def _read_next(text: str, at: int) -> tuple[Event, int]:
    """Read the event that begins there; return where it ends, too."""
    match = _EXPOSURE(text, at)
    if match is None:
        value, end = _decoder.raw_decode(text, at)
        return read_event(value), end
    identity, source, subject, time, sequence, process, data, flag, experiment, variant = match.groups()
    columns = (flag, experiment, variant, None)
    event = Event(source, identity, _KIND, subject, _moment(time), process, int(sequence), *columns, data)
    return event, match.end()


def _parse(body: bytes) -> object:
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise BadEvents("the JSON is nested too deeply") from None
    except ValueError as error:
        raise BadEvents(f"the body is not JSON in UTF-8: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _name(value: Mapping[str, object], field: str) -> str:
    """Read a required attribute: text that can be a key in any store."""
    text = value.get(field)
    if text and isinstance(text, str) and text.isascii():
        return text
    if text is None:
        raise BadEvents("is missing", field)
    if not isinstance(text, str) or not text:
        raise BadEvents("must be a text that is not empty", field)
    if not _is_unicode(text):
        raise BadEvents("holds a lone surrogate", field)
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _optional(value: Mapping[str, object], field: str) -> str | None:
    return None if value.get(field) is None else _text(value, field, field)


def _text(value: Mapping[str, object], field: str, path: str) -> str:
    """Read text as a column; a lone surrogate is written as its escape (``data`` keeps the original)."""
    text = value.get(field)
    if text is None:
        raise BadEvents("is missing", path)
    if not isinstance(text, str):
        raise BadEvents("must be a text", path)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _time(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadEvents("must be a time like 2026-01-31T12:00:00.000Z", "time")
    return _moment(value)


@lru_cache(maxsize=4096)  # what comes together was mostly sent together
def _moment(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise BadEvents("must be a time like 2026-01-31T12:00:00.000Z", "time")
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadEvents("is no moment of the calendar", "time") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sequence(value: object) -> int | None:
    if value is None:
        return None
    text = str(value) if type(value) is int and -1 < value < 10**18 else value
    if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadEvents("must be a decimal of at most 18 digits", "sequence")
    return int(text)


def _data(value: object) -> str:
    try:
        return _encode(value)
    except RecursionError:
        raise BadEvents("is nested too deeply", "data") from None
    except ValueError:
        raise BadEvents("holds a number beyond the range of a double", "data") from None


def _member(value: Mapping[str, object]) -> Mapping[str, object]:
    data = value.get("data")
    if not isinstance(data, dict):
        raise BadEvents("must be a JSON object", "data")
    return data


def _exposure(value: Mapping[str, object]) -> _Columns:
    _text(value, "subject", "subject")
    data = _member(value)
    return (
        _text(data, "flag", "data.flag"),
        _text(data, "experiment", "data.experiment"),
        _text(data, "variant", "data.variant"),
        None,
    )


def _track(value: Mapping[str, object]) -> _Columns:
    return None, None, None, _text(_member(value), "event", "data.event")


def _loss(value: Mapping[str, object]) -> _Columns:
    data = value.get("data")
    entries = data.get("dropped") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not all(map(_is_loss, entries)):
        raise BadEvents("must be {dropped: [{reason, flag, variant, count}]}", "data")
    return _NONE


def _is_loss(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    count = entry.get("count")
    names = (entry.get("flag"), entry.get("variant"))
    return (
        isinstance(entry.get("reason"), str)
        and all(name is None or isinstance(name, str) for name in names)
        and type(count) is int
        and count >= 0
    )


def _foreign(_value: Mapping[str, object]) -> _Columns:
    return _NONE


_COLUMNS: Mapping[str, Callable[[Mapping[str, object]], _Columns]] = {
    "flagstaff.exposure": _exposure,
    "flagstaff.loss": _loss,
    "flagstaff.track": _track,
}
