"""The files of a spool: segments that only grow, in a directory that one living process owns.

A process holds its directory's lock for as long as it lives; whoever can take the lock is the heir of what
lies there. Everything is 0600 or 0700 and opened without following links. Every function here may raise
OSError, but those that let go of something.

A segment that is written to is mapped into memory, whole from the start on: to keep an event is to copy its
bytes, which no other thread can come in between, and the operating system has them from then on. All its room
is allocated before, never left for later: a disk that is full is an error when a segment begins, where it can
be dealt with.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import stat
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from flagstaff.events.frames import MOST_FORMS, Scan, frame_exposure, frame_form, scan, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flagstaff.events.model import Form
    from flagstaff.events.spool import Breathe

__all__ = ["LEAST_ROOM", "Home", "Segment", "abandoned"]

_LOCK = "lock"
_SUFFIX = ".events"
_UNBORN = ".new-"  # a directory whose lock is not taken yet: nobody's to inherit
_TRIES = 3
_LARGEST = 16 * 1024 * 1024  # bytes; no segment of ours comes near it
_MORE = 64 * 1024  # bytes read beyond what is asked for: frames are larger than their events
_PER_RECORD = 1024  # bytes read for each record that is asked for
_CHUNK = bytes(64 * 1024)

# How far the records at the beginning of a file have left: a position, and its complement.
_left = struct.Struct("<QQ")
_ALL_BITS = (1 << 64) - 1

LEAST_ROOM = _left.size  # bytes of a segment that are no events
_sync = getattr(os, "fdatasync", os.fsync)


class Segment:
    """One file of frames: ``size`` bytes in all, in it ``pending`` events that wait.

    Records before ``at`` have left; the file says so itself, to whoever inherits it.
    """

    def __init__(self, home: Home, path: Path) -> None:
        self.home: Home = home
        self.size: int = _left.size
        self.room: int = 0  # bytes that the file takes on the disk
        self.pending: int = 0
        self.at: int = _left.size
        self._path = path
        self._numbers: dict[Form, int] = {}
        self._forms: dict[int, Form] = {}
        # While it is written to; otherwise the file is opened for each read.
        self._map: mmap.mmap | None = None
        self._handle: int | None = None
        self._place: tuple[int, int] | None = None

    @classmethod
    def new(cls, home: Home, number: int, room: int, *, sync: bool = False) -> Segment:
        """An empty segment of ours, ``room`` bytes large; with ``sync``, its name outlives a power loss."""
        segment = cls(home, home.path / f"{number:08d}{_SUFFIX}")
        segment.room = room
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(segment._path, flags, 0o600)
        try:
            segment._map_whole(handle)
            if sync:
                home.sync()
        except OSError:
            segment.delete()
            os.close(handle)
            raise
        if sync:
            segment._handle = handle
        else:
            os.close(handle)  # the map has its own
        return segment

    def _map_whole(self, handle: int) -> None:
        _allocate(handle, self.room)
        status = os.fstat(handle)
        self._place = status.st_dev, status.st_ino
        self._map = mmap.mmap(handle, self.room)
        self._map[: _left.size] = _left.pack(self.at, self.at ^ _ALL_BITS)

    @classmethod
    def left(cls, home: Home, path: Path) -> Segment:
        """A segment that a process left behind; what is damaged in it is pending as well."""
        segment = cls(home, path)
        segment.at = 0
        data = segment._read(_LARGEST)
        segment.at = _position(data)
        segment.pending, segment.size = survey(data, segment.at, segment._forms)
        segment.room = len(data)
        segment._give_back()
        return segment

    def expose(self, form: Form, unit: str, now: float, number: int) -> bool:
        """Write an exposure; False where there is no room for it."""
        place = self._numbers.get(form)
        if place is None:
            place = self._introduce(form)
            if place < 0:
                return False
        try:
            name = unit.encode()
        except UnicodeEncodeError:
            name = unit.encode("utf-8", "surrogatepass")
        data = frame_exposure(place, number, now, name)
        at = self.size  # from here on as in append, for every exposure comes this way
        end = at + len(data)
        if end > self.room:
            return False
        self.size = end
        self._map[at:end] = data  # type: ignore[index]
        self.pending += 1
        return True

    def append(self, data: bytes) -> bool:
        """Write the frame of an event; False where there is no room for it."""
        at = self.size
        end = at + len(data)
        if end > self.room:
            return False
        self.size = end  # first: what comes in between, in a signal handler, must not write to the same place
        self._map[at:end] = data  # type: ignore[index]
        self.pending += 1
        return True

    def _introduce(self, form: Form) -> int:
        """Write a form and return its number, or -1 where there is no room for it."""
        number = len(self._forms)
        if number >= MOST_FORMS or not self.append(frame_form(number, form)):
            return -1
        self.pending -= 1
        self._numbers[form] = number
        self._forms[number] = form
        return number

    def sync(self) -> None:
        """Have what was written outlive a power loss."""
        if self._handle is not None:
            _sync(self._handle)

    def fetch(self, end: int, max_count: int, max_bytes: int, breathe: Breathe = None) -> Scan:
        """The oldest records that wait before ``end``; the end in the answer is a place in the file."""
        window = max_bytes
        while True:
            most = min(end - self.at, window + _MORE, max_count * _PER_RECORD + _MORE)
            more = most < end - self.at
            found = scan(self._read(most), self._forms, max_count, max_bytes, breathe, more=more)
            if found.records or not more:
                return found._replace(end=self.at + found.end)
            max_count, window = max_count * 8, window * 8  # a frame, or damage, larger than all that

    def _read(self, most: int) -> bytes:
        map_ = self._map
        if map_ is not None:
            with suppress(ValueError):  # closed in this very moment: the file goes on
                return map_[self.at : self.at + most]
        handle = self._open(os.O_RDONLY)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return os.pread(handle, min(most, status.st_size), self.at)
        finally:
            os.close(handle)

    def _open(self, flags: int) -> int:
        # Without O_NONBLOCK, somebody's pipe in the place of a file would hold us up for ever.
        return os.open(self._path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)

    def advance(self, end: int, count: int) -> None:
        """So many events have left: the next one starts at ``end``."""
        self.at = end
        self.pending -= count
        told = _left.pack(end, end ^ _ALL_BITS)
        if self._map is not None:
            self._map[: _left.size] = told
            return
        with suppress(OSError):  # an heir would send them again: the same ids
            handle = self._open(os.O_WRONLY)
            try:
                os.pwrite(handle, told, 0)
            finally:
                os.close(handle)

    @property
    def lost(self) -> bool:
        """Whether the file that is written to can't be found by an heir any more."""
        try:
            status = self._path.stat(follow_symlinks=False)
        except OSError:
            return True
        return self._place != (status.st_dev, status.st_ino)

    def delete(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self._path.unlink()
        self.forget()

    def release(self) -> None:
        """Write no more; what lies in the file stays, and its empty rest goes."""
        if self._map is not None and not self.lost:
            self._give_back()
        self.forget()

    def _give_back(self) -> None:
        """Cut off the empty rest of the file."""
        with suppress(OSError):
            handle = self._open(os.O_WRONLY)
            try:
                os.ftruncate(handle, self.size)
                self.room = self.size
            finally:
                os.close(handle)

    def forget(self) -> None:
        """Let go of the file as it is: of a copy, in a child process."""
        map_, self._map = self._map, None
        handle, self._handle = self._handle, None
        if map_ is not None:
            map_.close()
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


def _allocate(handle: int, size: int) -> None:
    """Take room on the disk, now."""
    try:
        os.posix_fallocate(handle, 0, size)
    except AttributeError:
        pass  # not on every system
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
    else:
        return
    for at in range(0, size, len(_CHUNK)):
        chunk = _CHUNK[: size - at]
        if os.write(handle, chunk) != len(chunk):
            raise _error(errno.ENOSPC)


def _position(data: bytes) -> int:
    """Up to where the records have left, as the file says; from the start on if it is damaged."""
    if len(data) >= _left.size:
        at, complement = _left.unpack_from(data)
        if at ^ complement == _ALL_BITS and _left.size <= at <= len(data):
            return int(at)
    return 0


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
