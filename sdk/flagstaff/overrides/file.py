"""Overrides from a file that is watched: whoever may write it sees what they wrote within a second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flagstaff.errors import ConfigError

from .ladder import parse_overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .ladder import Wanted

__all__ = ["OverridesFile"]

_LOOK: Final = object()
_BUSY: Final = object()
_INTERVAL: Final = 1.0  # seconds between two looks
_WRITING: Final = 0.1  # seconds: a file that was written to just now may be half of what it will be
_MOST_BYTES: Final = 64 * 1024


class OverridesFile:
    """A file of lines ``flag = variant`` (``#`` begins a comment) or one JSON object.

    It is read when this is made: ConfigError where its text is malformed. Later on a text that is malformed
    leaves the overrides as they are, and ``fault`` says so. No file is no overrides.
    """

    def __init__(self, path: str, setting: str) -> None:
        self.fault: str | None = None
        self.wanted: Mapping[str, Wanted] = {}
        self._path = Path(path)
        self._setting = setting
        self._due = 0.0
        self._publish: Callable[[Mapping[str, Wanted]], None] = lambda _: None
        self._take(self._bytes())

    def attach(self, publish: Callable[[Mapping[str, Wanted]], None]) -> None:
        """Hand over what is there, and from now on whatever comes."""
        self._publish = publish
        publish(self.wanted)

    def next(self, now: float) -> object | float:
        return _LOOK if now >= self._due else self._due - now

    def perform(self, job: object) -> Any:  # noqa: ARG002 - the protocol's
        text = self._bytes()
        return _BUSY if self._is_being_written() else text

    def _is_being_written(self) -> bool:
        try:
            age = time.time_ns() - self._path.stat().st_mtime_ns
        except OSError:
            return False
        return 0 <= age < _WRITING * 1e9

    def _bytes(self) -> bytes | None:
        """What the file holds, None where there is none. ConfigError where it can't be read."""
        try:
            with self._path.open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._wrong(str(error.strerror or error)) from None
        if len(text) > _MOST_BYTES:
            raise self._wrong(f"is larger than {_MOST_BYTES // 1024} KiB")
        return text

    async def aperform(self, job: object) -> Any:
        import asyncio

        return await asyncio.to_thread(self.perform, job)

    def done(self, job: object, answer: Any, now: float) -> None:  # noqa: ARG002
        self._due = now + (_WRITING if answer is _BUSY else _INTERVAL)
        if answer is _BUSY:
            return
        if isinstance(answer, Exception):
            self.fault = str(answer) if isinstance(answer, ConfigError) else repr(answer)
            return
        try:
            self._take(answer)
        except ConfigError as error:
            self.fault = str(error)

    def _take(self, text: bytes | None) -> None:
        wanted = {} if text is None else self._read(text)
        self.fault = f"{self._setting}: there is no file {self._path}" if text is None else None
        if wanted != self.wanted:
            self.wanted = wanted
            self._publish(wanted)

    def _read(self, data: bytes) -> dict[str, Wanted]:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise self._wrong("is not UTF-8") from None
        if text.lstrip().startswith("{"):
            return self._object(text)
        lines = (line.partition("#")[0] for line in text.splitlines())
        return parse_overrides(",".join(lines), f"{self._setting}: {self._path}")

    def _object(self, text: str) -> dict[str, Wanted]:
        import json

        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise self._wrong("is no JSON that can be read") from None
        wrong = [flag for flag, variant in found.items() if not isinstance(variant, str | bool)]
        if wrong:
            raise self._wrong(f"the variant of {wrong[0]} must be text, true or false")
        wanted: dict[str, Wanted] = found
        return wanted

    def _wrong(self, message: str) -> ConfigError:
        return ConfigError(self._setting, f"{self._path}: {message}")
