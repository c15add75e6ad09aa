"""The rules file as it is served: the last good version, and what is wrong with the newest."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from flagstaff.errors import FlagstaffError, ServeError
from flagstaff.sources.file import Signature, signature

__all__ = ["RulesFile", "Served", "Version"]

_logger = logging.getLogger("flagstaff.server")


class Served(Protocol):
    """What a loader gives: a rules document that was read, checked and put in canonical form."""

    @property
    def canonical_json(self) -> bytes:
        """The canonical form, UTF-8 JSON."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One good version of the rules, ready to send; ``revised`` is in seconds since the epoch.

    Strong ETags, one for each content coding: the same tag may never stand for different bytes.
    """

    body: bytes = field(repr=False)
    compressed: bytes = field(repr=False)
    etag: str
    compressed_etag: str
    revised: float


class RulesFile:
    """A rules file that always has a good version to serve.

    Construction raises what ``load`` raises (RulesError) or ServeError when there is no such file.
    """

    def __init__(self, path: str | os.PathLike[str], load: Callable[[], Served]) -> None:
        self.path: Path = Path(path)
        self._load = load
        self._signature: Signature | None
        try:
            self._signature = signature(self.path)
            self._current = _version(load().canonical_json)
        except OSError as error:
            raise ServeError(f"{self.path}: {error.strerror or error}") from error
        self._fault: str | None = None

    @property
    def current(self) -> Version:
        """The newest version that was good."""
        return self._current

    @property
    def fault(self) -> str | None:
        """What is wrong with the file as it is now, or None."""
        return self._fault

    def refresh(self) -> bool:
        """Read the file again if it changed; True when there is a new version to serve.

        Never raises: a wrong file leaves the last good version in place and is told by ``fault``.
        Blocks; one caller at a time.
        """
        try:
            if not self._has_changed():
                return False
            body = self._load().canonical_json
        except Exception as error:  # noqa: BLE001 - whatever the new file does, the good rules stay
            self._fail(_sentence(self.path, error))
            return False
        return self._adopt(body)

    def _has_changed(self) -> bool:
        previous, self._signature = self._signature, None
        self._signature = signature(self.path)
        return self._signature is None or self._signature != previous

    def _fail(self, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            _logger.warning("the rules file is wrong, the last good version is still served: %s", fault)

    def _adopt(self, body: bytes) -> bool:
        if self._fault is not None:
            self._fault = None
            _logger.info("the rules file is good again: %s", self.path)
        if body == self._current.body:
            return False
        self._current = _version(body)
        _logger.info("serving a new version of the rules file: %s", self.path)
        return True


def _version(body: bytes) -> Version:
    digest = hashlib.sha256(body).hexdigest()
    return Version(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        etag=f'"{digest}"',
        compressed_etag=f'"{digest}-gzip"',
        revised=time.time(),
    )


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, FlagstaffError):
        return str(error)
    if isinstance(error, OSError):
        return f"{path}: {error.strerror or error}"
    return f"{path}: {type(error).__name__}: {error}"
