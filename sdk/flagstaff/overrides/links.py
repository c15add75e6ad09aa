"""Links that carry a token, and lifetimes as people write them."""

from __future__ import annotations

import re

from flagstaff.errors import ConfigError

__all__ = ["PARAMETER", "lifetime_of", "link_to"]

PARAMETER = "flagstaff"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIFETIME = re.compile(r"([0-9]{1,7})([smhd])")


def lifetime_of(text: str) -> int:
    """The seconds in ``90s``, ``30m``, ``2h`` or ``7d``. ConfigError."""
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise ConfigError("expires", f"must be a number and s, m, h or d, such as 2h, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def link_to(url: str, token: str) -> str:
    """A page's address with the token in its query. ConfigError."""
    from urllib.parse import parse_qsl, urlencode, urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("url", f"must be an address such as https://shop.test/, not {url!r}")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([*(pair for pair in pairs if pair[0] != PARAMETER), (PARAMETER, token)])
    return parts._replace(path=parts.path or "/", query=query).geturl()
