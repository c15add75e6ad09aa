"""Events that a collector would not have, kept on disk for a person to look at."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flagstaff.events.spool import Record

__all__ = ["Refused"]

_NAME = "refused.jsonl"
_MOST = 1024 * 1024  # bytes after which a file makes room for the next, which takes the place of the last


class Refused:
    """A file of JSON lines, ``{"reason": …, "event": …}``, that all processes with this spool write to.

    Two MiB are kept of the latest. A disk that fails costs this, too, and nothing else.
    """

    def __init__(self, root: Path) -> None:
        self.path: Path = root / _NAME

    @property
    def size(self) -> int:
        """Bytes in the file; 0 where nothing was refused."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def keep(self, records: Sequence[Record], reason: str) -> None:
        """Add events; the way they were sent is the way they are kept."""
        lines = b"".join(
            b'{"reason":"%s","event":%s}\n' % (reason.encode(), event) for event, _, _ in records
        )
        with suppress(OSError):
            if self.size + len(lines) > _MOST:
                self.path.replace(self.path.with_suffix(".old.jsonl"))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self.path, flags, 0o600)
            try:
                os.write(handle, lines)
            finally:
                os.close(handle)

    def remove(self, since: float) -> None:
        """Remove what has lain there since then or longer, in Unix time."""
        for path in (self.path, self.path.with_suffix(".old.jsonl")):
            with suppress(OSError):
                if path.lstat().st_mtime < since:
                    path.unlink()
