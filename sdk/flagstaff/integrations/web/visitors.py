"""A stable id of our own for visitors whom nobody knows yet, so that they are bucketed before they log in."""

from __future__ import annotations

import re
import secrets
from hmac import compare_digest

from flagstaff import Secret
from flagstaff.overrides.tokens import derived, sign

from .cookies import read_cookies, written_cookie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Known", "Visitors"]

_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_LIFE = 400 * 86_400  # seconds; browsers keep nothing longer


class Known:
    """A visitor's id, and whether it has yet to be written: it is new, or signed with an old secret."""

    __slots__ = ("id", "unwritten")

    def __init__(self, visitor: str, *, unwritten: bool) -> None:
        self.id: str = visitor
        self.unwritten: bool = unwritten


class Visitors:
    """Reads and writes the cookie: 128 random bits, signed where there is a secret (the first one signs)."""

    def __init__(self, cookie: str, given: Sequence[str]) -> None:
        self.cookie = cookie
        self._keys = [derived(Secret(text), "visitor") for text in given]

    def read(self, header: str) -> Known | None:
        """Who is visiting; None where no cookie says so, or none that can be believed."""
        for value in read_cookies(header, self.cookie):
            visitor, _, signature = value.partition(".")
            if _ID.fullmatch(visitor) is None:
                continue
            if not self._keys:
                return Known(visitor, unwritten=bool(signature))
            if not signature.isascii():
                continue
            matches = [compare_digest(sign(key, visitor), signature) for key in self._keys]
            if any(matches):
                return Known(visitor, unwritten=not matches[0])
        return None

    def mint(self) -> Known:
        """Somebody who was never here."""
        return Known(secrets.token_urlsafe(16), unwritten=True)

    def written(self, known: Known, *, secure: bool) -> str:
        """The Set-Cookie header."""
        signature = f".{sign(self._keys[0], known.id)}" if self._keys else ""
        return written_cookie(self.cookie, known.id + signature, max_age=_LIFE, secure=secure)

    def deleted(self, *, secure: bool) -> str:
        """The Set-Cookie header that ends it."""
        return written_cookie(self.cookie, "", max_age=0, secure=secure)
