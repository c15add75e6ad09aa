"""Rules kept on disk: one file for each server, key and format, there as a whole or not at all.

A file is one line that tells its kind and the SHA-256 of all that follows, one line of JSON about the answer,
and the answer's body, byte for byte. It is written beside its place, synced and renamed, so that whoever
reads it, in whatever process, has one version of it. Whatever is unusual about a file makes it a miss.
"""

from __future__ import annotations

import json
import math
import os
import stat
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagstaff.sources.http import MAX_BYTES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Kept", "RulesStore"]

_KIND: Final = b"flagstaff-rules 1 "
_HEAD_BYTES: Final = 8 * 1024  # for both lines
_FORGOTTEN: Final = 3600.0  # seconds after which another process's unfinished file is litter

_READ: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))
_WRITE: Final = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW"))
)


class Kept(NamedTuple):
    """An adopted answer: its body, its ETag, and the Unix time when it was last known to be current."""

    body: bytes
    etag: str | None
    confirmed: float


class RulesStore:
    """The place of one server's rules below a directory, shared by all processes of a user."""

    def __init__(self, directory: Path, identity: str) -> None:
        """``identity`` tells servers, keys and formats apart; only a digest of it gets onto the disk."""
        self.directory: Path = directory
        self._name = sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self.path: Path = directory / f"{self._name}.rules"

    def size(self) -> int:
        """Bytes of the file; 0 where there is none."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def load(self, now: float) -> Kept | None:
        """What was kept last, if it is whole and ours. Never raises. ``now`` is Unix time."""
        try:
            data, touched = self._read()
        except OSError:
            return None
        return None if data is None else _unpacked(data, touched, now)

    def _read(self) -> tuple[bytes | None, float]:
        descriptor = os.open(self.path, _READ)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not _is_ours(state) or state.st_size > MAX_BYTES + _HEAD_BYTES:
                return None, 0.0
            return file.read(MAX_BYTES + _HEAD_BYTES), state.st_mtime

    def save(self, kept: Kept) -> None:
        """Replace what was kept. Raises OSError, and then leaves it as it was."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep(kept.confirmed)
        beside = self.directory / f".{self._name}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
        try:
            _write(beside, _packed(kept))
            beside.replace(self.path)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise
        _sync_directory(self.directory)

    def confirm(self, moment: float) -> None:
        """Note that what is kept was current at ``moment`` (Unix time). Raises OSError."""
        os.utime(self.path, (moment, moment), follow_symlinks=os.utime not in os.supports_follow_symlinks)

    def _sweep(self, now: float) -> None:
        """Delete what processes left unfinished when they were killed."""
        for litter in self.directory.glob(f".{self._name}.*.tmp"):
            with suppress(OSError):
                if litter.lstat().st_mtime < now - _FORGOTTEN:
                    litter.unlink()


def _is_ours(state: os.stat_result) -> bool:
    """Whether it is a plain file that nobody else can have put there: rules decide what a program does."""
    mine = not hasattr(os, "geteuid") or state.st_uid in (os.geteuid(), 0)
    return stat.S_ISREG(state.st_mode) and mine and not (os.name == "posix" and state.st_mode & 0o022)


def _packed(kept: Kept) -> list[bytes]:
    about = {"etag": kept.etag, "fetched": kept.confirmed}
    head = json.dumps(about, separators=(",", ":")).encode() + b"\n"
    digest = sha256(head)
    digest.update(kept.body)
    return [_KIND + digest.hexdigest().encode() + b"\n" + head, kept.body]


def _unpacked(data: bytes, touched: float, now: float) -> Kept | None:
    first, _, rest = data.partition(b"\n")
    if first != _KIND + sha256(rest).hexdigest().encode():
        return None
    head, _, body = rest.partition(b"\n")
    try:
        about: Any = json.loads(head)
        etag, fetched = about["etag"], float(about["fetched"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    if not 0 <= fetched < math.inf:
        return None
    # A clock that was put back must not make rules look younger than they can be.
    confirmed = touched if fetched <= touched <= now else min(fetched, now)
    return Kept(body, etag if isinstance(etag, str) else None, confirmed)


def _write(path: Path, parts: list[bytes]) -> None:
    descriptor = os.open(path, _WRITE, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(descriptor)


def _sync_directory(directory: Path) -> None:
    """Make the new name itself outlive a power loss, where that can be asked for."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
