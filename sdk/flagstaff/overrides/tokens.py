"""Override tokens: who may see what, until when, and a signature that only the holder of a secret can make.

A token is ``1.<claims>.<signature>``: the claims are JSON in base64url without padding, the signature is an
HMAC-SHA256 (RFC 2104) over everything before it, under a key that is derived from the secret for this purpose
alone. The signature is compared as text, in constant time, before anything is decoded: so each token has one
spelling, and nothing that a stranger wrote is ever parsed.
"""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from threading import Lock

from flagstaff.errors import ConfigError, OverrideError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from flagstaff.settings import Secret

__all__ = [
    "LONGEST_LIFE",
    "LONGEST_TOKEN",
    "REFUSALS",
    "TokenChecker",
    "Verdict",
    "derived",
    "sign",
    "sign_token",
]

LONGEST_TOKEN = 2048  # characters; a browser keeps 4096 bytes of a cookie, its name and attributes included
LONGEST_LIFE = 30 * 86_400  # seconds
_VERSION = "1"
_PURPOSE = "override"
_SKEW = 60  # seconds by which the signer's clock may be ahead of ours

OVERSIZED = "oversized"
MALFORMED = "malformed"
FORGED = "forged"
EXPIRED = "expired"
AUDIENCE = "audience"
UNKNOWN_FLAG = "unknown_flag"
UNKNOWN_VARIANT = "unknown_variant"
REFUSALS = (OVERSIZED, MALFORMED, FORGED, EXPIRED, AUDIENCE, UNKNOWN_FLAG, UNKNOWN_VARIANT)


class Verdict:
    """What a token came to: what it forces and until when (seconds since the epoch), or why it is refused."""

    __slots__ = ("expires", "overrides", "refused")

    def __init__(
        self, overrides: Mapping[str, str] | None = None, expires: float = 0.0, refused: str | None = None
    ) -> None:
        self.overrides: Mapping[str, str] = overrides or {}
        self.expires: float = expires
        self.refused: str | None = refused


def sign(key: bytes, text: str) -> str:
    """The signature of a text, in base64url without padding: the only spelling that it has."""
    return _encoded(hmac.digest(key, text.encode(), "sha256"))


def derived(secret: Secret, purpose: str) -> bytes:
    """A key for one purpose, so that what was signed for one is worth nothing for another."""
    return hmac.digest(secret.reveal().encode(), f"flagstaff {purpose} {_VERSION}".encode(), "sha256")


def sign_token(
    secret: Secret, overrides: Mapping[str, str], *, now: float, lifetime: float, audience: str = ""
) -> str:
    """A token that forces variants from ``now`` (seconds since the epoch) for ``lifetime`` seconds.

    OverrideError where there is nothing to force, or too much for one token; ConfigError for a lifetime that
    is not between a second and 30 days.
    """
    return TokenChecker([secret], audience).sign(overrides, now=now, lifetime=lifetime)


class TokenChecker:
    """Tells the tokens of this audience from all others, and counts what it refuses."""

    def __init__(self, secrets: Sequence[Secret], audience: str) -> None:
        """``secrets`` are those that are good now, in any order: the rotation of one is two for a while."""
        self._keys = [derived(secret, _PURPOSE) for secret in secrets]
        self._audience = audience
        self._counts = dict.fromkeys(REFUSALS, 0)
        self._guard = Lock()

    def sign(self, overrides: Mapping[str, str], *, now: float, lifetime: float) -> str:
        """As ``sign_token``, with the first secret and for this audience."""
        if not overrides:
            raise OverrideError("a token must force something")
        if not 1 <= lifetime <= LONGEST_LIFE:
            raise ConfigError("lifetime", f"must be from 1 to {LONGEST_LIFE} seconds, not {lifetime!r}")
        claims = {"aud": self._audience, "exp": int(now + lifetime), "iat": int(now), "set": dict(overrides)}
        text = json.dumps(claims, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        head = f"{_VERSION}.{_encoded(text.encode())}"
        token = f"{head}.{sign(self._keys[0], head)}"
        if len(token) > LONGEST_TOKEN:
            raise OverrideError(f"these overrides are too long for one token ({LONGEST_TOKEN} characters)")
        return token

    def check(self, token: object, now: float) -> Verdict:
        """What a token comes to at a time, in seconds since the epoch. Never raises; refusals are counted."""
        verdict = self._verdict(token, now)
        if verdict.refused is not None:
            self.count(verdict.refused)
        return verdict

    def count(self, refusal: str) -> None:
        """Count one refusal, whose reason is one of ``REFUSALS``."""
        guard = self._guard
        if not guard.acquire(timeout=1.0):
            self._guard = guard = Lock()  # held by a thread that a fork has left in the parent
            guard.acquire()
        try:
            self._counts[refusal] += 1
        finally:
            guard.release()

    def refused(self) -> dict[str, int]:
        """How many tokens, or overrides in them, were refused, by reason."""
        return {reason: count for reason, count in self._counts.items() if count}

    def _verdict(self, token: object, now: float) -> Verdict:
        if not isinstance(token, str) or not token:
            return Verdict(refused=MALFORMED)
        if len(token) > LONGEST_TOKEN:
            return Verdict(refused=OVERSIZED)
        head, _, signature = token.rpartition(".")
        version, _, claims = head.partition(".")
        if version != _VERSION or not claims or not token.isascii():
            return Verdict(refused=MALFORMED)
        if not self._is_ours(head, signature):
            return Verdict(refused=FORGED)
        return self._judge(claims, now)

    def _is_ours(self, head: str, signature: str) -> bool:
        # Every key is tried, so that the time tells nobody which one was right.
        matches = [hmac.compare_digest(sign(key, head), signature) for key in self._keys]
        return any(matches)

    def _judge(self, text: str, now: float) -> Verdict:
        """Whether what a holder of the secret has signed is meant for us and for now."""
        try:
            claims = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            overrides, audience = claims["set"], claims["aud"]
            expires, issued = float(claims["exp"]), float(claims["iat"])
        except (binascii.Error, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            return Verdict(refused=MALFORMED)
        if not _is_text_by_text(overrides):
            return Verdict(refused=MALFORMED)
        if audience != self._audience:
            return Verdict(refused=AUDIENCE)
        if not issued - _SKEW <= now < expires:
            return Verdict(refused=EXPIRED)
        return Verdict(overrides, expires)


def _is_text_by_text(given: Any) -> bool:
    return isinstance(given, dict) and all(isinstance(variant, str) for variant in given.values())


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
