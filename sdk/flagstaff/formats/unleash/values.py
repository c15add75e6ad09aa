"""How Unleash reads texts: as numbers, versions and points in time.

Its engine is written in Rust. Numbers are what that language's ``f64`` reads; versions are those of Semantic
Versioning 2.0.0 whose numbers fit into 64 bits; points in time are RFC 3339 and a little more.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from flagstaff.core.conditions import semver_key

__all__ = ["instant", "number", "text", "version"]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE | re.ASCII)
_INSTANT = re.compile(
    r"\s*([+-]?[0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[Tt\s]\s*([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]+))?"
    r"\s*(?:([+-])([0-9]{2}):?([0-9]{2})|[Zz]|[Uu][Tt][Cc])"
)
_LONGEST = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 2**64


def text(value: Any) -> str | None:
    """A value as the SDK writes it; None where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else str(value)


def number(written: str) -> float | None:
    """The number, which may be infinite or none at all; None where the text is something else."""
    if len(written) > _LONGEST or not (_NUMBER.fullmatch(written) or _SPECIAL.fullmatch(written)):
        return None
    return float(written)


def version(written: str) -> tuple[Any, ...] | None:
    """A key that orders versions; None where the text is none."""
    key = semver_key(written)
    return key if key is not None and max(key[:3]) < _MOST else None


def instant(written: str) -> int | None:
    """Nanoseconds since the epoch; None where the text is no point in time with a zone."""
    match = _INSTANT.fullmatch(written) if len(written) <= _LONGEST else None
    if match is None:
        return None
    *numbers, fraction, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
    except ValueError:
        return None
    if sign and (int(hours) > 23 or int(minutes) > 59):
        return None
    east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    seconds = (moment - _EPOCH - east) // timedelta(seconds=1) + leap
    return seconds * 10**9 + int(f"{fraction or 0:0<9}"[:9])
