"""Versions as GrowthBook compares them: as texts, in which numbers are padded."""

from __future__ import annotations

import re
from typing import Any

from flagstaff.formats.javascript import is_number, number_text

__all__ = ["padded"]

_PREFIX_AND_BUILD = re.compile(r"^v|\+[^\n\r\u2028\u2029]*\Z")
_WIDTH = 5


def padded(version: Any) -> str:
    """A text whose order is that of versions. What follows three parts comes before the three alone."""
    if is_number(version):
        version = number_text(version)
    if not isinstance(version, str) or not version:
        version = "0"
    parts = re.split("[-.]", _PREFIX_AND_BUILD.sub("", version))
    if len(parts) == 3:
        parts.append("~")
    return "-".join(part.rjust(_WIDTH) if part.isascii() and part.isdigit() else part for part in parts)
