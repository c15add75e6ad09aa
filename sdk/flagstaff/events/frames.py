"""How events lie in a file: framed and checksummed, so that what was torn or damaged is known for what it is.

A frame is a mark, the length of its body, the CRC-32 of the body (ISO 3309, as in zlib) and the body, whose
first byte says what it is:

- a *form*, what the exposures of one arm have in common: its number in this file, and its fields in JSON;
- an *exposure*: the number of its form, its own number in its process, its moment and its unit;
- an *event* that was encoded before: its flag and variant, each after its length, and its bytes.

All numbers are little-endian. The mark can't be part of a text: events are ASCII, and units and names are
UTF-8, where it is no character.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from flagstaff.events.model import Form
from flagstaff.events.spool import BREATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagstaff.events.spool import Breathe, Record

__all__ = ["MOST_FORMS", "Scan", "frame_event", "frame_exposure", "frame_form", "scan", "survey"]

MOST_FORMS = 1 << 16  # in one file

_MARK = b"\xf1ag2"
_FORM, _EXPOSURE, _EVENT = b"f", b"x", b"e"
_FORM_BYTE, _EXPOSURE_BYTE = _FORM[0], _EXPOSURE[0]
_LONGEST = 1024 * 1024  # bytes of a body; no event comes near it
_NEVER = 253_402_300_800.0  # seconds since the epoch: the year 10000
_HEAD = struct.Struct("<4sII")
_SIZE = _HEAD.size
_BEGIN = struct.Struct("<cHQd")
_NUMBERED = struct.Struct("<cH")
_LENGTH = struct.Struct("<H")

_BEGIN_SIZE = _BEGIN.size

_head = _HEAD.pack
_begin = _BEGIN.pack
_unpack_begin = _BEGIN.unpack_from


class Scan(NamedTuple):
    """Some of the whole records in a stretch of bytes, and where the next one is to be looked for.

    ``damaged`` counts the frames that were passed over, without one that was torn at the end of the bytes.
    """

    records: tuple[Record, ...]
    end: int
    damaged: int


def frame_exposure(form: int, number: int, now: float, unit: bytes) -> bytes:
    """The bytes of an exposure: its form's number, its own, its moment, its unit in UTF-8."""
    body = _begin(_EXPOSURE, form, number, now) + unit
    return _head(_MARK, len(body), crc32(body)) + body


def frame_form(number: int, form: Form) -> bytes:
    """The bytes of a form."""
    return _frame(_NUMBERED.pack(_FORM, number) + form.encode())


def frame_event(record: Record) -> bytes:
    """The bytes of an event that is encoded already."""
    event, flag, variant = record
    return _frame(_EVENT + _names(flag, variant) + event)


def _frame(body: bytes) -> bytes:
    return _head(_MARK, len(body), crc32(body)) + body


@lru_cache(maxsize=1024)
def _names(flag: str, variant: str) -> bytes:
    parts = []
    for name in (flag, variant):
        text = name.encode("utf-8", "surrogatepass")[:0xFFFF]
        parts += [_LENGTH.pack(len(text)), text]
    return b"".join(parts)


def scan(
    data: bytes,
    forms: dict[int, Form],
    max_count: int,
    max_bytes: int,
    breathe: Breathe = None,
    *,
    more: bool = False,
) -> Scan:
    """Read records from the start on, within both bounds but at least one.

    ``forms`` are those that were met before; new ones are added. What is damaged or cut off is passed over:
    the next whole frame is found by its mark. With ``more`` bytes to come, reading ends before a frame that
    may go on in those. ``breathe`` is as in ``Spool.peek``.
    """
    records: list[Record] = []
    size = damaged = 0
    walk = _Walk(data, more=more)
    for start, end in walk:
        if walk.passed:
            damaged, walk.passed = damaged + walk.passed, 0
        if data[start] == _FORM_BYTE:
            damaged += not _learn(data[start:end], forms)
            continue
        record = _record(data, start, end, forms)
        if record is None:
            damaged += 1
            continue
        size += len(record[0])
        if records and size > max_bytes:
            walk.at = start - _SIZE
            break
        records.append(record)
        if len(records) >= max_count:
            break
        if breathe is not None and not len(records) % BREATH:
            breathe()
    else:
        damaged += walk.passed - (walk.torn and walk.passed > 0)
    return Scan(tuple(records), walk.at, damaged)


def survey(data: bytes, at: int, forms: dict[int, Form]) -> tuple[int, int]:
    """How many records, whole or damaged, begin at ``at`` or behind it, and where all of them end.

    Learns the forms. A record without its form is damaged; what was torn at the end never was a record.
    """
    count = 0
    last = 0
    walk = _Walk(data)
    for start, end in walk:
        is_form = data[start] == _FORM_BYTE and _learn(data[start:end], forms)
        if start - _SIZE >= at:
            count += walk.passed + (not is_form)
        walk.passed, last = 0, end
    count += walk.passed - (walk.torn and walk.passed > 0)
    return count, max(last, len(data.rstrip(b"\0")))


class _Walk:
    """The bounds of the bodies of whole frames, in order.

    ``at`` is where to go on, ``passed`` counts the frames that were passed over, by their marks or by what is
    left of them, and ``torn`` tells in the end whether the last of them was never finished.
    """

    def __init__(self, data: bytes, *, more: bool = False) -> None:
        self.at = 0
        self.passed = 0
        self.torn = False
        self._is_bound = False  # whether a frame is to begin where we are
        self._data = data
        self._more = more

    def __iter__(self) -> Iterator[tuple[int, int]]:
        data, unpack, limit = self._data, _HEAD.unpack_from, len(self._data)
        while True:
            mark = data.find(_MARK, self.at)
            if mark < 0:
                self.at = max(self.at, limit - len(_MARK) + 1) if self._more else limit
                return
            if self._is_bound and data[self.at : mark].strip(b"\0"):
                self.passed += 1  # even its mark is gone
            start = mark + _SIZE
            _, length, checksum = unpack(data, mark) if start <= limit else (0, _LONGEST, 0)
            end = start + length
            # The rest of a file that was not closed is empty: a frame at its end was being written.
            self.torn = end != limit
            if self._more and limit < end <= mark + _SIZE + _LONGEST:
                self.at = mark
                return
            self._is_bound = start < end <= limit and crc32(data[start:end]) == checksum
            if self._is_bound:
                self.at = end
                yield start, end
            else:
                self.passed += 1
                self.at = mark + 1


def _learn(body: bytes, forms: dict[int, Form]) -> bool:
    try:
        (_, number), form = _NUMBERED.unpack_from(body), Form.decode(body[_NUMBERED.size :])
    except (ValueError, RecursionError, struct.error):
        return False
    forms[number] = form
    return True


def _record(data: bytes, start: int, end: int, forms: dict[int, Form]) -> Record | None:
    """The record of a whole frame, or None if it is not one of ours."""
    try:
        name = start + _BEGIN_SIZE
        if data[start] == _EXPOSURE_BYTE and name <= end:
            _, number, own, now = _unpack_begin(data, start)
            form = forms[number]
            if not 0.0 <= now < _NEVER:
                return None
            unit = data[name:end].decode("utf-8", "surrogatepass")
            return form.render(unit, now, own), form.flag, form.variant
        if data[start : start + 1] == _EVENT:
            return _event(data[start + 1 : end])
    except (ValueError, KeyError, struct.error):
        return None
    return None


def _event(body: bytes) -> Record:
    flag, after = _name(body, 0)
    variant, after = _name(body, after)
    return body[after:], flag, variant


def _name(body: bytes, at: int) -> tuple[str, int]:
    (length,) = _LENGTH.unpack_from(body, at)
    end = at + _LENGTH.size + length
    if end > len(body):
        raise struct.error
    # What is longer than a name may be was cut, perhaps within a character.
    return _decode(body[at + _LENGTH.size : end]), end


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace")
