"""Cookies (RFC 6265): read by name, written with the attributes that all of ours have."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_cookies", "written_cookie"]


def read_cookies(header: str, name: str) -> Iterator[str]:
    """The values that a Cookie header has for a name; several, where paths or domains overlap."""
    if name not in header:
        return
    for pair in header.split(";"):
        found, equals, value = pair.partition("=")
        if equals and found.strip() == name:
            yield value.strip()


def written_cookie(name: str, value: str, *, max_age: int, secure: bool) -> str:
    """A Set-Cookie header for the whole site, out of reach of scripts and of other sites' forms.

    ``max_age`` is in seconds; 0 deletes the cookie.
    """
    ending = "; Secure" if secure else ""
    return f"{name}={value}; Max-Age={max_age}; Path=/; HttpOnly; SameSite=Lax{ending}"
