"""What dead processes left behind: found, locked, and taken over segment by segment."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from flagstaff.events.homes import abandoned
from flagstaff.events.refused import Refused
from flagstaff.events.segments import Segment
from flagstaff.runtime.notice import warn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flagstaff.events.homes import Home

__all__ = ["SPOOL_NAME", "Inheritance"]

SPOOL_NAME = 16
"""How many hexadecimal digits the name of a spool has: a digest of the address that its events go to."""

_MOST_HOMES = 64  # directories held at once, for each takes a descriptor
_STRANGE = 3600.0  # seconds that what was spooled under another key waits for somebody who has that key
_HEX = frozenset("0123456789abcdef")
_FORGOTTEN = 30 * 86_400.0  # seconds after which nobody will come for what was to go elsewhere


class Inheritance:
    """The directories of dead processes below ``root`` that are ours now.

    Those whose names begin with ``kin`` are ours at once, any other after an hour: its kind has died out (a
    key was replaced, say). ``size`` is the bytes that are still to be taken over.
    """

    def __init__(self, root: Path, kin: str) -> None:
        self.size: int = 0
        self._root = root
        self._kin = kin
        self._found: Iterator[Home] = iter(())
        self._left: dict[Home, int] = {}  # segments that lie in each
        self._next: deque[tuple[Home, Path, int]] = deque()
        self._unreadable: set[Path] = set()
        self._released = False
        self._lock = threading.RLock()

    def look(self, now: float) -> None:
        """Look anew for what has no owner; ``now`` is seconds since the epoch."""

        def wanted(home: Home) -> bool:
            return home.path.name.startswith(self._kin) or home.attested < now - _STRANGE

        self._found = abandoned(self._root, wanted)

    def clear(self, now: float) -> None:
        """Remove what was to go to another address and has had no owner for a month."""
        with suppress(OSError):
            others = [path for path in self._root.parent.iterdir() if _is_spool(path.name)]
            removed = sum(_remove_forgotten(path, now - _FORGOTTEN) for path in others if path != self._root)
            if removed:
                warn(
                    "events",
                    "%d files of events were removed: nobody sends to their address any more",
                    removed,
                )

    def inherit(self, room: int) -> None:
        """Lock what was found, as long as all that is held has less than ``room`` bytes."""
        with self._lock:
            while len(self._left) < _MOST_HOMES and self.size < room and not self._released:
                home = next(self._found, None)
                if home is None:
                    return
                self._inherit(home)

    def _inherit(self, home: Home) -> None:
        try:
            segments = [found for found in home.segments() if found[0] not in self._unreadable]
        except OSError:
            segments = []
        if not segments:
            home.remove()
            return
        self._left[home] = len(segments)
        self._next.extend((home, path, size) for path, size in segments)
        self.size += sum(size for _, size in segments)

    def take(self) -> Segment | None:
        """The next segment in which something waits, or None when there is none."""
        with self._lock:
            while self._next:
                home, path, size = self._next.popleft()
                self.size -= size
                segment = self._open(home, path)
                if segment is not None:
                    return segment
                self.done(home)
        return None

    def _open(self, home: Home, path: Path) -> Segment | None:
        try:
            segment = Segment.left(home, path)
        except OSError as error:
            warn("events", "a segment of the spool can't be read: %s", error.strerror)
            self._unreadable.add(path)  # it stays where it is; to tell it once is enough
            return None
        if segment.pending:
            return segment
        segment.delete()
        return None

    def done(self, home: Home) -> None:
        """A segment that was taken has left, or will not."""
        with self._lock:
            if home in self._left:
                self._left[home] -= 1
                if not self._left[home]:
                    del self._left[home]
                    home.remove()

    def release(self) -> None:
        """Leave what has not left yet to the next heir, and inherit no more."""
        with self._lock:
            self._released = True
            for home in self._left:
                home.remove()
            self._left.clear()
            self._next.clear()
            self.size = 0

    def forget(self) -> None:
        """Give up our copies of the locks, in a child process."""
        for home in list(self._left):
            home.forget()


def _is_spool(name: str) -> bool:
    """Whether a directory bears a name that spools have: what else lies there is not ours to look into."""
    return len(name) == SPOOL_NAME and set(name) <= _HEX


def _remove_forgotten(root: Path, since: float) -> int:
    """How many segments were there whose owners have been gone since then."""
    count = 0
    for home in abandoned(root, lambda home: home.attested < since):
        with suppress(OSError):
            for path, _ in home.segments():
                path.unlink()
                count += 1
        home.remove()
    Refused(root).remove(since)
    if count:
        with suppress(OSError):  # others are still there
            root.rmdir()
    return count
