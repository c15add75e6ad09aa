"""Rules from a file that is watched."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flagstaff.errors import ConfigError, RulesError
from flagstaff.formats import load
from flagstaff.runtime.clock import rest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from flagstaff.formats import Format
    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.sources.source import Publish

__all__ = ["FileSource", "Signature", "load_file", "signature"]

Signature: TypeAlias = tuple[int, int, int, int]
_LOOK: Final = object()
_BUSY: Final = object()

# Coarser than any file system's clock: a file younger than this may change again without a new mtime.
_SETTLED_NANOSECONDS: Final = 2_000_000_000

# A file that was written to just now may be half of what it will be: half a TOML file can be a whole one.
_WRITING_SECONDS: Final = 0.1


def load_file(
    path: str | os.PathLike[str],
    *,
    format: str | Format = "native",  # noqa: A002
    before: Loaded | None = None,
    breathe: Callable[[], object] | None = None,
) -> Loaded:
    """Read and check a rules file (.json, .toml; .yaml with the extra).

    ``before`` and ``breathe`` are as in ``formats.load``. RulesError lists what is wrong in the file;
    ConfigError where there is none.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError("path", f"{path}: {error.strerror or error}") from None
    suffix = path.suffix.lower()
    return load(data, format=format, suffix=suffix, source=str(path), before=before, breathe=breathe)


def signature(path: Path) -> Signature | None:
    """What tells one state of a file from the next; None while it is too young to tell. Raises OSError."""
    state = path.stat()
    changed = max(state.st_mtime_ns, state.st_ctime_ns)
    if abs(time.time_ns() - changed) < _SETTLED_NANOSECONDS:
        return None
    return state.st_mtime_ns, state.st_ctime_ns, state.st_size, state.st_ino


class FileSource:
    """A file, read at once and again whenever it changes; a wrong version leaves the rules as they are."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        format: Format,  # noqa: A002
        clock: Clock,
        interval: float,
    ) -> None:
        self.fault: str | None = None
        self.checked: float | None = None
        self._path = Path(path)
        self._format = format
        self._clock = clock
        self._interval = interval
        self._due = 0.0
        self._signature = self._look()
        self._current = load_file(path, format=format)

    def describe(self) -> str:
        return f"file {self._path}, looked at every {self._interval:g} s"

    def attach(self, publish: Publish) -> Machine[Any, Any]:
        self._publish = publish
        self._confirm(self._clock.monotonic())
        publish(self._current)
        return self

    def next(self, now: float) -> object | float:
        return _LOOK if now >= self._due else self._due - now

    def perform(self, job: object) -> Any:  # noqa: ARG002 - the protocol's
        """The file's rules if it may have changed since the last look."""
        if self._is_being_written():
            return _BUSY
        before, self._signature = self._signature, None
        self._signature = self._look()
        if self._signature is not None and self._signature == before:
            return None
        loaded = load_file(self._path, format=self._format, before=self._current, breathe=rest)
        return _BUSY if self._is_being_written() else loaded

    async def aperform(self, job: object) -> Any:
        import asyncio

        return await asyncio.to_thread(self.perform, job)

    def done(self, job: object, answer: Any, now: float) -> None:  # noqa: ARG002
        if answer is _BUSY:
            self._due = now + _WRITING_SECONDS
            return
        self._due = now + self._interval
        if isinstance(answer, Exception):
            if not isinstance(answer, RulesError):
                self._signature = None  # it could not be read; the same file may be readable next time
            self.fault = str(answer) if isinstance(answer, RulesError | ConfigError) else repr(answer)
            return
        if answer is not None:
            self._current = answer
            self._publish(answer)
        if answer is not None or self.fault is None:
            self._confirm(now)

    def _confirm(self, now: float) -> None:
        self.fault = None
        self.checked = now
        self._due = now + self._interval

    def _is_being_written(self) -> bool:
        try:
            age = time.time_ns() - self._path.stat().st_mtime_ns
        except OSError:
            return False
        return 0 <= age < _WRITING_SECONDS * 1e9

    def _look(self) -> Signature | None:
        try:
            return signature(self._path)
        except OSError:
            return None
