"""References to attributes: plain names, and pointers such as ``/address/city`` (after RFC 6901)."""

from __future__ import annotations

import re

__all__ = ["parse"]

_ESCAPED = re.compile("~[01]")


def parse(reference: object, *, literal: bool) -> list[str] | None:
    """The names that a reference leads by; None where it is none. A ``literal`` one is a name as it is."""
    if not isinstance(reference, str) or reference in ("", "/"):
        return None
    if literal or not reference.startswith("/"):
        return [reference]
    parts = reference[1:].split("/")
    if not all(parts) or any("~" in _ESCAPED.sub("", part) for part in parts):
        return None
    return [part.replace("~1", "/").replace("~0", "~") for part in parts]
