"""How events lie in a file: framed and checksummed, so that what was torn or damaged is known for what it is.

A frame is a mark, the length of its body, the CRC-32 of the body (ISO 3309, as in zlib) and the body: the
event's flag and variant, each after its length, and the encoded event. All numbers are little-endian. The
mark can't be part of a body: events are ASCII, and names are UTF-8, where it is no character.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

if TYPE_CHECKING:
    from flagstaff.events.spool import Record

__all__ = ["Scan", "frame", "scan"]

_MARK = b"\xf1ag1"
_LONGEST = 1024 * 1024  # bytes of a body; no event comes near it
_head = struct.Struct("<4sII")
_length = struct.Struct("<H")


class Scan(NamedTuple):
    """Some of the whole records in a stretch of bytes, and where the next one is to be looked for.

    ``damaged`` counts the frames that were passed over, without one that the end of the bytes cuts off.
    """

    records: tuple[Record, ...]
    end: int
    damaged: int


def frame(record: Record) -> bytes:
    """The bytes of one record."""
    event, flag, variant = record
    body = _names(flag, variant) + event
    return _head.pack(_MARK, len(body), crc32(body)) + body


@lru_cache(maxsize=1024)
def _names(flag: str, variant: str) -> bytes:
    parts = []
    for name in (flag, variant):
        text = name.encode("utf-8", "surrogatepass")[:0xFFFF]
        parts += [_length.pack(len(text)), text]
    return b"".join(parts)


def scan(data: bytes, max_count: int, max_bytes: int, *, more: bool = False) -> Scan:
    """Read records from the start on, within both bounds but at least one.

    What is damaged or cut off is passed over: the next whole frame is found by its mark. With ``more`` bytes
    to come, reading ends before a frame that may go on in those.
    """
    records: list[Record] = []
    at = size = damaged = passed = 0
    torn = False
    while len(records) < max_count:
        mark = data.find(_MARK, at)
        if mark < 0:
            at = max(at, len(data) - len(_MARK) + 1) if more else len(data)
            break
        end = _end(data, mark)
        torn = end > len(data)
        if torn and more:
            at = mark
            break
        record = None if torn else _record(data, mark, end)
        if record is None:
            passed += 1
            at = mark + 1
            continue
        size += len(record[0])
        if records and size > max_bytes:
            break
        records.append(record)
        damaged, passed = damaged + passed, 0
        at = end
    return Scan(tuple(records), at, damaged + (passed - torn if passed else 0))


def _end(data: bytes, at: int) -> int:
    """Where the frame at ``at`` ends, perhaps beyond the bytes; ``at`` itself where none can begin."""
    if at + _head.size > len(data):
        return len(data) + 1
    length: int = _head.unpack_from(data, at)[1]
    return at + _head.size + length if length <= _LONGEST else at


def _record(data: bytes, at: int, end: int) -> Record | None:
    """The record of a frame, or None if the frame is damaged."""
    body = data[at + _head.size : end]
    if end == at or crc32(body) != _head.unpack_from(data, at)[2]:
        return None
    try:
        flag, after = _name(body, 0)
        variant, after = _name(body, after)
    except struct.error:
        return None  # whole, but not one of ours
    return body[after:], flag, variant


def _name(body: bytes, at: int) -> tuple[str, int]:
    (length,) = _length.unpack_from(body, at)
    end = at + _length.size + length
    if end > len(body):
        raise struct.error
    # What is longer than a name may be was cut, perhaps within a character.
    return _decode(body[at + _length.size : end]), end


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace")
