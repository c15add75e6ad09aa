"""The files of a spool: segments that only grow.

They are 0600 and opened without following links. Every function here may raise OSError, but those that let go
of something.

A segment that is written to is mapped into memory, whole from the start on: to keep an event is to copy its
bytes, which no other thread can come in between, and the operating system has them from then on. All its room
is allocated before, never left for later: a disk that is full is an error when a segment begins, where it can
be dealt with.
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from flagstaff.events.frames import MOST_FORMS, Scan, frame_exposure, frame_form, scan, survey

if TYPE_CHECKING:
    from pathlib import Path

    from flagstaff.events.homes import Home
    from flagstaff.events.model import Form
    from flagstaff.events.spool import Breathe

__all__ = ["LEAST_ROOM", "Segment"]

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
        segment = cls(home, home.segment(number))
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
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _position(data: bytes) -> int:
    """Up to where the records have left, as the file says; from the start on if it is damaged."""
    if len(data) >= _left.size:
        at, complement = _left.unpack_from(data)
        if at ^ complement == _ALL_BITS and _left.size <= at <= len(data):
            return int(at)
    return 0
