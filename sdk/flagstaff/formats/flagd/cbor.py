"""JSON in deterministic CBOR (RFC 8949, §4.2): what the third ``fractional`` hashes."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from flagstaff.formats.javascript import number

__all__ = ["encoded"]

_LEVELS = 64


def encoded(value: Any, level: int = 0) -> bytes:
    """The one encoding of a value: the shortest numbers, whole floats as ints, names in order of their bytes.

    ValueError where it is no JSON, or nests too deep.
    """
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        return _head(3, len(data)) + data
    if level == _LEVELS:
        raise ValueError("nests too deep")
    if isinstance(value, list | tuple):
        return _head(4, len(value)) + b"".join(encoded(item, level + 1) for item in value)
    if isinstance(value, Mapping):
        pairs = sorted((encoded(str(name)), encoded(item, level + 1)) for name, item in value.items())
        return _head(5, len(pairs)) + b"".join(name + item for name, item in pairs)
    raise ValueError(f"{type(value).__name__} is no JSON")


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    width = next(width for width in range(4) if size < 1 << (8 << width))
    return bytes([major << 5 | 24 + width]) + size.to_bytes(1 << width)


def _number(value: float) -> bytes:
    if -(2**64) <= value < 2**64 and value == int(value):
        return _head(0, int(value)) if value >= 0 else _head(1, -1 - int(value))
    return _float(number(value))


def _float(value: float) -> bytes:
    for lead, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([lead]) + packed
    return b"\xf9\x7e\x00" if math.isnan(value) else b"\xfb" + struct.pack(">d", value)
