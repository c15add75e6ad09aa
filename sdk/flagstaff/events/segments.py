"""The files of a spool: segments that only grow, in a directory that one living process owns.

A process holds its directory's lock for as long as it lives; whoever can take the lock is the heir of what
lies there. Everything is 0600 or 0700 and opened without following links. Every function here may raise
OSError, but those that let go of something.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from flagstaff.events.frames import scan

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Home", "Segment", "orphans"]

_LOCK = "lock"
_SUFFIX = ".events"
_UNBORN = ".new-"  # a directory whose lock is not taken yet: nobody's to inherit
_TRIES = 3
_EVERYTHING = 1 << 62
_LARGEST = 16 * 1024 * 1024  # bytes; no segment of ours comes near it
_MORE = 64 * 1024  # bytes read beyond what is asked for: frames are larger than their events
_PER_RECORD = 1024  # bytes read for each record that is asked for

_sync = getattr(os, "fdatasync", os.fsync)


class Segment:
    """One file of frames: ``size`` bytes in all, in it ``pending`` events of ``waiting`` bytes that wait.

    Records before ``at`` have left.
    """

    def __init__(self, home: Home, path: Path, handle: int | None = None) -> None:
        self.home: Home = home
        self.size: int = 0
        self.pending: int = 0
        self.waiting: int = 0
        self.at: int = 0
        self._path = path
        self._handle = handle  # while it is written to; otherwise the file is opened for each read

    @classmethod
    def new(cls, home: Home, number: int, *, sync: bool = False) -> Segment:
        """An empty segment of ours; with ``sync``, its name outlives a power loss."""
        path = home.path / f"{number:08d}{_SUFFIX}"
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        segment = cls(home, path, os.open(path, flags, 0o600))
        if sync:
            try:
                home.sync()
            except OSError:
                segment.delete()
                raise
        return segment

    @classmethod
    def left(cls, home: Home, path: Path) -> Segment:
        """A segment that a process left behind; what is damaged in it is pending as well."""
        segment = cls(home, path)
        data = segment._read(_LARGEST)
        found = scan(data, _EVERYTHING, _EVERYTHING)
        segment.size = len(data)
        segment.pending = len(found.records) + found.damaged
        segment.waiting = sum(len(record[0]) for record in found.records)
        return segment

    def append(self, data: bytes, weight: int, *, sync: bool) -> None:
        """Write one event whole; where that fails, nothing of it is left."""
        handle = self._handle
        if handle is None:
            raise _error(errno.EBADF)
        try:
            _write(handle, data, sync=sync)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, self.size)
            raise
        self.size += len(data)
        self.pending += 1
        self.waiting += weight

    def fetch(self, max_count: int, max_bytes: int) -> tuple[bytes, bool]:
        """The bytes of the oldest records that wait, perhaps not enough; whether there are more."""
        rest = self.size - self.at
        window = min(rest, max_bytes + _MORE, max_count * _PER_RECORD + _MORE)
        return self._read(window), window < rest

    def _read(self, most: int) -> bytes:
        if self._handle is not None:
            return os.pread(self._handle, most, self.at)
        # Without O_NONBLOCK, somebody's pipe in the place of a file would hold us up for ever.
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return os.pread(handle, min(most, status.st_size), self.at)
        finally:
            os.close(handle)

    def advance(self, end: int, count: int, weight: int) -> None:
        """So many events have left: the next one starts at ``end``."""
        self.at = end
        self.pending -= count
        self.waiting -= weight

    def empty(self) -> None:
        """Begin anew: all that was written has left."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
        self.at = self.size = self.pending = self.waiting = 0

    @property
    def lost(self) -> bool:
        """Whether the file that is written to can't be found by an heir any more."""
        try:
            return self._handle is None or not os.path.samestat(
                self._path.stat(follow_symlinks=False), os.fstat(self._handle)
            )
        except OSError:
            return True

    def delete(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink()
        self.release()

    def release(self) -> None:
        """Write no more; what lies in the file stays."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)


class Home:
    """A directory of segments, locked."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path: Path = path
        self._lock: int | None = lock

    @classmethod
    def new(cls, root: Path, name: str) -> Home:
        """A directory of our own, locked before others can find it."""
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_ours(root)
        for attempt in range(_TRIES):
            # An heir that cleans up may take it for one that was never finished.
            with suppress(FileNotFoundError, BlockingIOError):
                return cls._new(root, f"{name}-{attempt}")
        raise _error(errno.EBUSY)

    @classmethod
    def _new(cls, root: Path, name: str) -> Home:
        unborn, path = root / (_UNBORN + name), root / name
        unborn.mkdir(mode=0o700)
        home = cls(path, _take(unborn / _LOCK, os.O_CREAT | os.O_EXCL))
        try:
            unborn.rename(path)
        except OSError:
            home.release()
            raise
        return home

    @property
    def lost(self) -> bool:
        """Whether somebody has removed it."""
        return not self.path.is_dir()

    def sync(self) -> None:
        """Have the names of what lies here outlive a power loss."""
        for path in (self.path, self.path.parent):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def segments(self) -> list[tuple[Path, int]]:
        """The segments that lie here, oldest first, and their sizes."""
        with os.scandir(self.path) as entries:
            found = sorted((entry.name, entry) for entry in entries if entry.name.endswith(_SUFFIX))
        return [
            (self.path / name, entry.stat(follow_symlinks=False).st_size) for name, entry in sorted(found)
        ]

    def remove(self) -> None:
        """Remove the directory if no segment lies in it any more, and let go of it."""
        with suppress(OSError):
            if not self.segments():
                (self.path / _LOCK).unlink()
                self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of it: what lies here is for an heir."""
        if self._lock is not None:
            with suppress(OSError):
                # Not only closed: a child that is being forked now may have a copy.
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Give up a copy of the lock, in a child process: it stays the parent's."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                os.close(lock)


def orphans(root: Path) -> Iterator[Home]:
    """Directories whose owners are gone, each locked by us as soon as it is given out."""
    try:
        _check_ours(root)
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return
    for name in names:
        home = _orphan(root / name)
        if home is not None and name.startswith(_UNBORN):
            home.remove()
        elif home is not None:
            yield home


def _orphan(path: Path) -> Home | None:
    with suppress(OSError):  # somebody else's, or it is being removed
        try:
            return Home(path, _take(path / _LOCK, 0))
        except FileNotFoundError:
            path.rmdir()  # its maker died at once, or its remover; this harms nothing that is not empty
    return None


def _write(handle: int, data: bytes, *, sync: bool) -> None:
    if os.write(handle, data) != len(data):
        raise _error(errno.ENOSPC)
    if sync:
        _sync(handle)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _check_ours(root: Path) -> None:
    """Whoever else could write here could have us send whatever he likes."""
    status = root.stat(follow_symlinks=False)
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(errno.EACCES, "the directory belongs to others as well")


def _take(path: Path, flags: int) -> int:
    """The lock's descriptor; BlockingIOError where somebody else has it."""
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | flags, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
