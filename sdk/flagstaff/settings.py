"""What a client can be told, by keyword or by environment variable, checked before anything starts."""

from __future__ import annotations

import os

from .errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, overload

__all__ = ["Secret", "Settings", "base_url"]

SCHEMES = ("http", "https")
DURABILITIES = ("memory", "process", "disk")

_SWITCHES = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
_DAY = 86_400  # seconds
_YEAR = 365 * _DAY
_QUOTA = 64 * 1024 * 1024  # bytes
_LEAST_QUOTA = 1024 * 1024  # bytes: one segment
_SHORTEST_SECRET = 32  # characters: 128 bits, even in hexadecimal


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
    ``stream``
        Whether a server is asked to tell of changes, True. ``FLAGSTAFF_STREAM``.
    ``max_stale``
        Seconds after which rules that nobody confirmed make decisions STALE; None for never.
        ``FLAGSTAFF_MAX_STALE``.
    ``flush_interval``
        Seconds that an event waits for company, 5. ``FLAGSTAFF_FLUSH_INTERVAL``.
    ``durability``
        What events outlive: nothing ("memory"), the process ("process"), a power loss ("disk"); None where
        nothing was said. ``FLAGSTAFF_DURABILITY``.
    ``spool_quota``
        Bytes of events kept on disk, 64 MiB. ``FLAGSTAFF_SPOOL_QUOTA``.
    ``directory``
        Where events and rules are kept, by default the user's state directory. ``FLAGSTAFF_DIR``.
    ``override_secret``
        What override tokens are signed with: one secret or several (as text, with commas between them), of
        which the first signs; none, and no token is accepted. ``FLAGSTAFF_OVERRIDE_SECRET``.
    ``override_audience``
        Whom a token must be meant for, such as "shop/staging". ``FLAGSTAFF_OVERRIDE_AUDIENCE``.
    """

    __slots__ = (
        "_directory",
        "durability",
        "environ",
        "flush_interval",
        "key",
        "max_stale",
        "override_audience",
        "override_secrets",
        "poll_interval",
        "spool_quota",
        "stream",
    )

    def __init__(
        self,
        *,
        key: str | Secret | None,
        poll_interval: float | None,
        flush_interval: float | None,
        default_poll_interval: float,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        override_secret: str | Secret | Sequence[str | Secret] | None = None,
        override_audience: str | None = None,
        max_stale: float | None = None,
        stream: bool | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.key: Secret | None = _key(key if key is not None else self.environ.get("FLAGSTAFF_KEY"))
        self.poll_interval: float = self._seconds(
            "poll_interval", poll_interval, default_poll_interval, least=0.1
        )
        self.flush_interval: float = self._seconds("flush_interval", flush_interval, 5.0, least=0.01)
        self.max_stale: float | None = self._seconds("max_stale", max_stale, None, least=1.0, most=_YEAR)
        self.stream: bool = self._switch("stream", stream, default=True)
        self.durability: str | None = self._durability(durability)
        self.spool_quota: int = self._quota(spool_quota)
        self._directory: str = self._path(directory or self.environ.get("FLAGSTAFF_DIR") or "")
        self.override_secrets: tuple[Secret, ...] = self._override_secrets(override_secret)
        self.override_audience: str = self._override_audience(override_audience)

    @property
    def directory(self) -> str:
        """Where something can be kept."""
        self._directory = self._directory or self._state_directory()  # only now: that takes `pathlib`
        return self._directory

    @property
    def revealed_key(self) -> str:
        """The key's text, empty where there is none."""
        return "" if self.key is None else self.key.reveal()

    if TYPE_CHECKING:

        @overload
        def _seconds(
            self, name: str, given: Any, default: float, *, least: float, most: float = ...
        ) -> float: ...
        @overload
        def _seconds(
            self, name: str, given: Any, default: None, *, least: float, most: float = ...
        ) -> float | None: ...

    def _seconds(
        self, name: str, given: Any, default: float | None, *, least: float, most: float = _DAY
    ) -> float | None:
        setting, value = name, given
        if given is None:
            setting = f"FLAGSTAFF_{name.upper()}"
            value = _number(setting, self.environ.get(setting))
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ConfigError(
                setting, f"must be a number of seconds from {least:g} to {most:.0f}, not {value!r}"
            )
        return float(value)

    def _switch(self, name: str, given: Any, *, default: bool) -> bool:
        setting, value = name, given
        if given is None:
            setting = f"FLAGSTAFF_{name.upper()}"
            text = self.environ.get(setting)
            value = _SWITCHES.get(text.lower(), text) if text else default
        if not isinstance(value, bool):
            raise ConfigError(setting, f"must be true or false, not {value!r}")
        return value

    def _durability(self, given: Any) -> str | None:
        setting, value = "durability", given
        if given is None:
            setting = "FLAGSTAFF_DURABILITY"
            value = self.environ.get(setting)
            if not value:
                return None
        if value not in DURABILITIES:
            raise ConfigError(setting, f"must be one of {', '.join(DURABILITIES)}, not {value!r}")
        return str(value)

    def _quota(self, given: Any) -> int:
        setting, value = "spool_quota", given
        if given is None:
            setting = "FLAGSTAFF_SPOOL_QUOTA"
            text = self.environ.get(setting)
            value = _QUOTA if not text else int(text) if text.isascii() and text.isdigit() else text
        if isinstance(value, bool) or not isinstance(value, int) or value < _LEAST_QUOTA:
            raise ConfigError(setting, f"must be a number of bytes from {_LEAST_QUOTA} on, not {value!r}")
        return value

    def _path(self, given: Any) -> str:
        if not isinstance(given, str | os.PathLike):
            raise ConfigError("directory", f"must be a path, not {type(given).__name__}")
        return os.fspath(given)

    def _override_secrets(self, given: Any) -> tuple[Secret, ...]:
        setting = "override_secret"
        if given is None:
            setting = "FLAGSTAFF_OVERRIDE_SECRET"
            given = self.environ.get(setting, "")
        several = given if isinstance(given, list | tuple) else [given]
        texts = [each.reveal() if isinstance(each, Secret) else each for each in several]
        if not all(isinstance(text, str) for text in texts):
            raise ConfigError(setting, "must be text, or a list of texts of which the first signs")
        found = [text.strip() for text in ",".join(texts).split(",") if text.strip()]
        for text in found:
            _check_secret(setting, text)
        return tuple(map(Secret, found))

    def _override_audience(self, given: Any) -> str:
        setting, value = "override_audience", given
        if given is None:
            setting = "FLAGSTAFF_OVERRIDE_AUDIENCE"
            value = self.environ.get(setting, "")
        if not isinstance(value, str) or len(value) > 200:
            raise ConfigError(setting, 'must be a text of at most 200 characters, such as "shop/staging"')
        return value

    def _state_directory(self) -> str:
        """Where the XDG Base Directory Specification puts state; without a home, among temporary files."""
        from pathlib import Path

        state = self.environ.get("XDG_STATE_HOME", "")
        if Path(state).is_absolute():
            return str(Path(state, "flagstaff"))
        home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own raises where there is none
        if home.is_absolute() and home.is_dir():
            return str(home / ".local" / "state" / "flagstaff")
        import tempfile

        user = os.getuid() if hasattr(os, "getuid") else "user"
        return str(Path(tempfile.gettempdir(), f"flagstaff-{user}"))


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


def _check_secret(setting: str, text: str) -> None:
    """ConfigError for a secret that could be guessed. Its text never gets into the message."""
    if len(text) < _SHORTEST_SECRET:
        raise ConfigError(
            setting,
            f"a secret must have at least {_SHORTEST_SECRET} characters; make one with"
            ' python -c "import secrets; print(secrets.token_urlsafe(32))"',
        )
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(setting, "a secret must be printable ASCII without blanks or commas")


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
