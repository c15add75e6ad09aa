"""What a response's headers must say so that no cache hands one visitor's page to another."""

from __future__ import annotations

from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    Headers: TypeAlias = list[tuple[str, str]]

__all__ = ["for_nobody_else", "named", "never_stored", "varying"]

# What some caches obey before Cache-Control (RFC 9213 and what was there before it).
_FOR_CACHES = frozenset({"cache-control", "expires", "cdn-cache-control", "surrogate-control"})
_SHARED = ("public", "s-maxage", "stale-while-revalidate", "stale-if-error", "proxy-revalidate")


def varying(headers: Headers, *names: str) -> Headers:
    """The headers, with Vary naming these too."""
    if not any(name.lower() == "vary" for name, _ in headers):
        return [*headers, ("Vary", ", ".join(names))]
    said = _parts(headers, "vary")
    known = {part.lower() for part in said}
    missing = [name for name in names if name.lower() not in known]
    if "*" in known or not missing:
        return headers
    rest = [(name, value) for name, value in headers if name.lower() != "vary"]
    return [*rest, ("Vary", ", ".join([*said, *missing]))]


def never_stored(headers: Headers) -> Headers:
    """The headers of a response that no cache may keep."""
    rest = [(name, value) for name, value in headers if name.lower() not in _FOR_CACHES]
    return [*rest, ("Cache-Control", "private, no-store")]


def for_nobody_else(headers: Headers) -> Headers:
    """The headers of a response that only the visitor's own cache may keep."""
    kept = [part for part in _parts(headers, "cache-control") if not part.lower().startswith(_SHARED)]
    if not any(part.lower() in ("private", "no-store") for part in kept):
        kept.insert(0, "private")
    dropped = _FOR_CACHES - {"expires"}
    rest = [(name, value) for name, value in headers if name.lower() not in dropped]
    return [*rest, ("Cache-Control", ", ".join(kept))]


def _parts(headers: Headers, wanted: str) -> list[str]:
    values = (value for name, value in headers if name.lower() == wanted)
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def named(overrides: Mapping[str, str]) -> str:
    """Overrides as the value of a header, whatever characters they are made of."""
    return ", ".join(f"{quote(flag, safe='')}={quote(name, safe='')}" for flag, name in overrides.items())
