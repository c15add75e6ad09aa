"""Who may ask: a bearer key, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac

from starlette.requests import Request

from flagstaff.errors import ConfigError
from flagstaff.server.problems import Refused

__all__ = ["Access"]


class Access:
    """Opens for the right bearer key, or for everybody when there is none.

    Only a digest is kept: the key itself can't appear in a repr, a log line or a dump.
    """

    def __init__(self, key: str | None) -> None:
        if key is not None and not key.strip():
            raise ConfigError("key", "is empty; give a key, or none at all to let everybody in")
        self._digest = None if key is None else _digest(key.encode())

    def allows(self, request: Request, *, api_key: bool = False) -> bool:
        """Tell whether the request carries the key; with ``api_key`` it may do so as X-API-Key."""
        if self._digest is None:
            return True
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            token = request.headers.get("x-api-key", "") if api_key else ""
        return hmac.compare_digest(_digest(token.strip().encode("latin-1")), self._digest)

    def check(self, request: Request, *, api_key: bool = False) -> None:
        """Refuse with 401 a request that does not carry the key."""
        if not self.allows(request, api_key=api_key):
            raise Refused(401, "a bearer key is needed", {"WWW-Authenticate": 'Bearer realm="flagstaff"'})


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
