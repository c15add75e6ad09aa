"""How events lie in a file: framed and checksummed, so that what was torn or damaged is known for what it is.

A frame is a mark, the length of its body, the CRC-32 of the body (ISO 3309, as in zlib) and the body: the
event's flag and variant, each after its length, and the encoded event. All numbers are little-endian.
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
_head = struct.Struct("<4sII")
_length = struct.Struct("<H")


class Scan(NamedTuple):
    """Some of the whole records in a stretch of bytes, and where the next one is to be looked for."""

    records: tuple[Record, ...]
    end: int


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


def scan(data: bytes, start: int, max_count: int, max_bytes: int) -> Scan:
    """Read records from ``start`` on, within both bounds but at least one; the bytes are all there are.

    What is damaged or cut off is passed over: the next whole frame is found by its mark.
    """
    records: list[Record] = []
    at, size = start, 0
    while len(records) < max_count:
        at = data.find(_MARK, at)
        if at < 0:
            return Scan(tuple(records), len(data))
        end = _end(data, at)
        if end is None:
            at += 1
            continue
        record = _record(data[at + _head.size : end])
        size += len(record[0])
        if records and size > max_bytes:
            break
        records.append(record)
        at = end
    return Scan(tuple(records), at)


def _end(data: bytes, at: int) -> int | None:
    """Where the frame at ``at`` ends; None if it isn't whole."""
    if at + _head.size > len(data):
        return None
    _, length, checksum = _head.unpack_from(data, at)
    end: int = at + _head.size + length
    if end > len(data) or crc32(memoryview(data)[at + _head.size : end]) != checksum:
        return None
    return end


def _record(body: bytes) -> Record:
    flag, at = _name(body, 0)
    variant, at = _name(body, at)
    return body[at:], flag, variant


def _name(body: bytes, at: int) -> tuple[str, int]:
    (length,) = _length.unpack_from(body, at)
    end = at + _length.size + length
    return body[at + _length.size : end].decode("utf-8", "surrogatepass"), end
