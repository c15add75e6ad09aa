"""The files of a spool: segments that only grow, in a directory that one living process owns.

A process holds its directory's lock for as long as it lives; whoever can take the lock is the heir of what
lies there. Everything is 0600 or 0700 and opened without following links.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flagstaff.events.frames import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagstaff.events.frames import Scan

__all__ = ["Home", "Segment", "orphans"]

_LOCK = "lock"
_SUFFIX = ".events"
_UNBORN = ".new-"  # a directory whose lock is not taken yet: nobody's to inherit
_EVERYTHING = 1 << 62


class Segment:
    """One file of frames. ``pending`` counts its records that have not left, ``size`` its bytes."""

    def __init__(self, home: Home, path: Path, handle: int) -> None:
        self.home: Home = home
        self.size: int = 0
        self.pending: int = 0
        self._path = path
        self._handle = handle
        self._at = 0

    @classmethod
    def new(cls, home: Home, number: int) -> Segment:
        """An empty segment of ours. Raises OSError."""
        path = home.path / f"{number:08d}{_SUFFIX}"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return cls(home, path, os.open(path, flags, 0o600))

    @classmethod
    def left(cls, home: Home, path: Path) -> Segment:
        """A segment that a process left behind. Raises OSError."""
        segment = cls(home, path, os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC))
        segment.size = os.fstat(segment._handle).st_size
        segment.pending = len(segment.read(_EVERYTHING, _EVERYTHING).records)
        return segment

    def append(self, data: bytes, *, sync: bool) -> None:
        """Write one frame whole; raises OSError, and then nothing of it is left."""
        written = os.write(self._handle, data)
        if written != len(data):
            os.ftruncate(self._handle, self.size)
            raise OSError(28, "No space left on device")
        if sync:
            os.fdatasync(self._handle)
        self.size += len(data)
        self.pending += 1

    def read(self, max_count: int, max_bytes: int) -> Scan:
        """The oldest records that have not left. Raises OSError."""
        data = os.pread(self._handle, max(0, self.size - self._at), self._at)
        found = scan(data, 0, max_count, max_bytes)
        return found._replace(end=self._at + found.end)

    def advance(self, end: int, count: int) -> None:
        """So many records have left: the next one starts at ``end``."""
        self._at = end
        self.pending -= count

    @property
    def read_to_the_end(self) -> bool:
        return self._at >= self.size

    def delete(self) -> None:
        """Remove the file: all of its records have left."""
        with suppress(OSError):
            self._path.unlink()
        self.release()

    def release(self) -> None:
        """Let go of the file, which stays."""
        with suppress(OSError):
            os.close(self._handle)


class Home:
    """A directory of segments, locked."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path: Path = path
        self._lock = lock

    @classmethod
    def new(cls, root: Path, name: str) -> Home:
        """A directory of our own, locked before others can find it. Raises OSError."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        unborn = root / (_UNBORN + name)
        unborn.mkdir(mode=0o700)
        lock = _take(unborn / _LOCK, os.O_CREAT | os.O_EXCL)
        if lock is None:
            raise BlockingIOError(11, "the lock of a new directory is taken")
        path = root / name
        unborn.rename(path)
        return cls(path, lock)

    def segments(self) -> list[Path]:
        """The segments that lie here, oldest first. Raises OSError."""
        return sorted(path for path in self.path.iterdir() if path.suffix == _SUFFIX)

    def remove(self) -> None:
        """Remove the directory if nothing lies in it any more, and let go of it."""
        with suppress(OSError):
            if not self.segments():
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of the lock: what lies here is for an heir."""
        with suppress(OSError):
            os.close(self._lock)


def orphans(root: Path) -> Iterator[Home]:
    """Directories whose owners are gone, each locked by us now."""
    try:
        paths = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    except OSError:
        return
    for path in paths:
        with suppress(OSError):
            lock = _take(path / _LOCK, 0)
            if lock is not None:
                yield Home(path, lock)


def _take(path: Path, flags: int) -> int | None:
    """The locked file, or None where somebody else has the lock. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
