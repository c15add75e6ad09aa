"""How long to wait after a failure: capped, jittered, never earlier than the server asks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Rng(Protocol):
        def random(self) -> float: ...


__all__ = ["Backoff", "clock_skew", "is_lasting", "retry_after"]

# What won't heal by itself in seconds: a key that is refused, an address that holds nothing, no such method.
_LASTING = frozenset({400, 401, 402, 403, 404, 405, 406, 410, 414, 421, 431, 451, 501, 505})
_LASTING_KINDS = frozenset({"dns", "tls", "redirect"})
_LASTING_BASE = 2.0  # seconds
_LASTING_CAP = 300.0  # seconds

_CAP = 3600.0  # seconds; a server may ask for an hour of rest, not for ever


class Backoff:
    """Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).

    The n-th delay in a row is uniform in [0, min(``cap``, ``base`` * 2**n)) seconds, on top of what
    the server asked for: a herd that was told "in 5 s" must not come back as one. ``rng`` is anything
    with ``random()``; the default is seeded anew in every process. ``now`` is monotonic seconds.

    Nothing is final. A failure that is ``lasting`` is followed by a longer delay, uniform in the upper half
    of [0, min(300, 2 * 2**n)) seconds: whoever mends it has five minutes to wait at most, and whoever can't
    is not pestered.
    """

    def __init__(self, base: float, cap: float, rng: Rng | None = None) -> None:
        if rng is None:
            import random

            rng = random  # the module: its generator is seeded again after a fork
        self._base = base
        self._cap = cap
        self._rng = rng
        self.succeeded()

    def failed(self, now: float, retry_after: float | None = None, *, lasting: bool = False) -> float:
        """Count a failure; return the seconds to wait, at least ``retry_after``."""
        base, cap = (_LASTING_BASE, _LASTING_CAP) if lasting else (self._base, self._cap)
        ceiling = min(cap, base * 2.0 ** min(self.failures, 60))
        floor = retry_after or 0.0
        share = self._rng.random()
        delay = floor + ceiling * ((1.0 + share) / 2.0 if lasting else share)
        self.failures += 1
        self._began = now
        self._floor = now + floor
        self._until = now + delay
        return delay

    def succeeded(self) -> None:
        """Start again from ``base``, with no wait."""
        self.failures: int = 0
        self._began = self._floor = self._until = float("-inf")

    def remaining(self, now: float, at_most: float = float("inf")) -> float:
        """Seconds still to wait, never negative.

        ``at_most`` seconds after the failure our own part of the wait is over, but not the server's.
        """
        return max(0.0, self._floor - now, min(self._until, self._began + at_most) - now)


def is_lasting(failure: int | str) -> bool:
    """Whether an HTTP status, or the ``kind`` of a TransportError, is one that time alone won't mend."""
    return failure in _LASTING or failure in _LASTING_KINDS


def retry_after(headers: Mapping[str, str], wall_now: float) -> float | None:
    """Read ``Retry-After`` (lower-case names): seconds from now, 0 to 3600; None if absent or garbage.

    ``wall_now`` is seconds since the epoch, for the form that is a date (RFC 9110, 10.2.3).
    """
    text = headers.get("retry-after", "").strip()
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit():
        return 0.0 if digits != text else min(_CAP, float(digits))
    return _until_date(text, wall_now)


def clock_skew(headers: Mapping[str, str], wall_now: float) -> float | None:
    """Seconds that the other side's clock is ahead of ours, by its ``Date``; None from a cache."""
    moment = None if "age" in headers else _moment(headers.get("date", ""))
    return None if moment is None else moment - wall_now


def _until_date(text: str, wall_now: float) -> float | None:
    moment = _moment(text)
    return None if moment is None else min(_CAP, max(0.0, moment - wall_now))


def _moment(text: str) -> float | None:
    from email.utils import parsedate_tz

    try:
        parsed = parsedate_tz(text[:64])
        return None if parsed is None else _epoch(parsed)
    except (ValueError, OverflowError, TypeError):
        return None


def _epoch(parsed: tuple[int | None, ...]) -> float:
    from email.utils import mktime_tz

    return float(mktime_tz(parsed))  # type: ignore[arg-type]
