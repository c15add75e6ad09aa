"""What comes in by override tokens: found genuine, held against the rules, put in force where it belongs."""

from __future__ import annotations

from .errors import ConfigError, OverrideError
from .overrides import REQUEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from .flags import Flags
    from .overrides.ladder import Frame
    from .overrides.tokens import TokenChecker
    from .runtime.clock import Clock
    from .settings import Secret

__all__ = ["Admission", "TokenOverride"]

OFF = "off"


class TokenOverride:
    """What a token forces, or why it forces nothing; a ``with`` block puts it in force here.

    ``overrides`` maps flags to variants, ``expires`` is in seconds since the epoch, ``remaining`` the seconds
    that were left of it. ``refused`` is None or the reason: ``off`` (the client has no ``override_secret``),
    ``oversized``, ``malformed``, ``forged``, ``expired`` or ``audience``. It holds in this thread or task and
    in what that awaits, and may be entered again and again, by one at a time.
    """

    __slots__ = ("_flags", "_frames", "_token", "expires", "overrides", "refused", "remaining")

    def __init__(
        self,
        flags: Flags,
        token: str,
        *,
        overrides: Mapping[str, str] | None = None,
        expires: float = 0.0,
        remaining: float = 0.0,
        refused: str | None = None,
    ) -> None:
        self.overrides: Mapping[str, str] = overrides or {}
        self.expires: float = expires
        self.remaining: float = remaining
        self.refused: str | None = refused
        self._flags = flags
        self._token = token
        self._frames: list[Frame] = []

    def __enter__(self) -> Self:
        if self.refused is None:
            self._frames.append(self._flags._force(self.overrides, REQUEST, self._token))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._frames:
            self._flags._overrides.pop(self._frames.pop())

    def __repr__(self) -> str:
        what = f"refused as {self.refused}" if self.refused else repr(dict(self.overrides))
        return f"<TokenOverride {what}>"


class Admission:
    """Checks the tokens that come to one client. Without a secret every one of them is refused."""

    def __init__(self, flags: Flags, secrets: Sequence[Secret], audience: str, clock: Clock) -> None:
        self._flags = flags
        self._clock = clock
        self._checker: TokenChecker | None = None
        if secrets:
            from .overrides.tokens import TokenChecker

            self._checker = TokenChecker(secrets, audience)

    @property
    def open(self) -> bool:
        """Whether any token could be accepted."""
        return self._checker is not None

    def refused(self) -> dict[str, int]:
        """How many tokens, or overrides in them, were refused, by reason."""
        return {} if self._checker is None else self._checker.refused()

    def admit(self, token: str) -> TokenOverride:
        """What a token forces; whatever it is, nothing is raised."""
        if self._checker is None:
            return TokenOverride(self._flags, "", refused=OFF)
        now = self._clock.time()
        verdict = self._checker.check(token, now)
        if verdict.refused is not None:
            return TokenOverride(self._flags, "", refused=verdict.refused)
        served = {flag: name for flag, name in verdict.overrides.items() if self._can_serve(flag, name)}
        expires = verdict.expires
        return TokenOverride(self._flags, token, overrides=served, expires=expires, remaining=expires - now)

    def sign(self, overrides: Mapping[str, str], lifetime: float) -> str:
        """A token that forces variants here for so many seconds. ConfigError, OverrideError."""
        if self._checker is None:
            raise ConfigError("override_secret", "is not set, and without it no token can be signed")
        self._flags._check_overrides(overrides, REQUEST)
        return self._checker.sign(overrides, now=self._clock.time(), lifetime=lifetime)

    def _can_serve(self, flag: str, variant: str) -> bool:
        from .overrides.tokens import UNKNOWN_FLAG, UNKNOWN_VARIANT

        try:
            self._flags._check_overrides({flag: variant}, REQUEST)
        except OverrideError:
            snapshot = self._flags._table.snapshot
            known = snapshot is not None and flag in snapshot.rules.flags
            if self._checker is not None:
                self._checker.count(UNKNOWN_VARIANT if known else UNKNOWN_FLAG)
            return False
        return True
