"""What a client can be told, by keyword or by environment variable, checked before anything starts."""

from __future__ import annotations

import os

from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Secret", "Settings", "base_url"]

SCHEMES = ("http", "https")


class Secret:
    """A text that shows itself to nobody: not in a repr, a log line, a traceback or a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest

        return isinstance(other, Secret) and compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a Secret can't be pickled")


class Settings:
    """Settings that have been checked. A keyword wins over its variable ``FLAGSTAFF_…``.

    ``key``
        The SDK key, sent as ``Authorization: Bearer``. ``FLAGSTAFF_KEY``.
    ``poll_interval``
        Seconds between two looks at the rules: 30 for a server, 1 for a file. ``FLAGSTAFF_POLL_INTERVAL``.
    ``flush_interval``
        Seconds that an event waits for company, 5. ``FLAGSTAFF_FLUSH_INTERVAL``.
    """

    __slots__ = ("environ", "flush_interval", "key", "poll_interval")

    def __init__(
        self,
        *,
        key: str | Secret | None,
        poll_interval: float | None,
        flush_interval: float | None,
        default_poll_interval: float,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.key: Secret | None = _key(key if key is not None else self.environ.get("FLAGSTAFF_KEY"))
        self.poll_interval: float = self._seconds(
            "poll_interval", poll_interval, default_poll_interval, least=0.1
        )
        self.flush_interval: float = self._seconds("flush_interval", flush_interval, 5.0, least=0.01)

    def _seconds(self, name: str, given: Any, default: float, least: float) -> float:
        setting, value = name, given
        if given is None:
            setting = f"FLAGSTAFF_{name.upper()}"
            value = _number(setting, self.environ.get(setting))
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 86_400:
            raise ConfigError(setting, f"must be a number of seconds from {least:g} to 86400, not {value!r}")
        return float(value)


def _number(setting: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(setting, f"must be a number of seconds, not {text!r}") from None


def _key(given: str | Secret | None) -> Secret | None:
    """The key, which must be fit for a header. Its text never gets into the message."""
    text = given.reveal() if isinstance(given, Secret) else given
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise ConfigError("key", f"must be text, not {type(text).__name__}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            "key", "must be printable ASCII without blanks; check for a stray line end or quote"
        )
    return Secret(text)


def base_url(setting: str, given: object) -> str:
    """An http(s) address without its trailing slash; ConfigError names the setting."""
    from urllib.parse import urlsplit

    if not isinstance(given, str):
        raise ConfigError(
            setting, f"must be an address such as https://flags.example.com, not {type(given).__name__}"
        )
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(setting, "is not an address that can be read") from None
    if parts.scheme not in SCHEMES or not host or not given.isprintable() or " " in given:
        hint = f"; for a file, use Client.from_file({given!r})" if not parts.scheme else ""
        raise ConfigError(setting, f"must be an address such as https://flags.example.com{hint}")
    if parts.username or parts.password:
        raise ConfigError(setting, "must not hold a user name or password; give the key as key=…")
    if parts.query or parts.fragment:
        raise ConfigError(setting, "must not have a query or a fragment")
    return given.rstrip("/")
