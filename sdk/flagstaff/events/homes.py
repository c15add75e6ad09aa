"""The directories of a spool: each belongs to one living process, and then to its heir.

A process holds its directory's lock for as long as it lives; whoever can take the lock is the heir of what
lies there. Directories are 0700, locks 0600, and opened without following links. Every function here may
raise OSError, but those that let go of something.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Home", "abandoned"]

_LOCK = "lock"
_SUFFIX = ".events"
_UNBORN = ".new-"  # a directory whose lock is not taken yet: nobody's to inherit
_TRIES = 3


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
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

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

    def attest(self) -> None:
        """Show that its owner lives, to whoever may ask later when that was last so."""
        if self._lock is not None:
            with suppress(OSError):
                os.utime(self._lock)

    @property
    def attested(self) -> float:
        """When its owner was last known to live, in seconds since the epoch."""
        return -1.0 if self._lock is None else os.fstat(self._lock).st_mtime

    def sync(self) -> None:
        """Have the names of what lies here outlive a power loss."""
        for path in (self.path, self.path.parent):
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def segment(self, number: int) -> Path:
        """Where a segment lies."""
        return self.path / f"{number:08d}{_SUFFIX}"

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


def abandoned(root: Path, wanted: Callable[[Home], bool]) -> Iterator[Home]:
    """Directories whose owners are gone and that are wanted, each locked by us as soon as it is given out."""
    try:
        _check_ours(root)
        with os.scandir(root) as entries:
            names = sorted(entry.name for entry in entries)
    except OSError:
        return
    for name in names:
        home = _orphan(root / name)
        if home is None:
            continue
        if name.startswith(_UNBORN):
            home.remove()
        elif wanted(home):
            yield home
        else:
            home.release()


def _orphan(path: Path) -> Home | None:
    with suppress(OSError):  # somebody else's, or it is being removed
        try:
            return Home(path, _take(path / _LOCK, 0))
        except FileNotFoundError:
            path.rmdir()  # its maker died at once, or its remover; this harms nothing that is not empty
    return None


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
