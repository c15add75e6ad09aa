"""Server-sent events, as bytes come in. Pure.

The algorithm is that of the HTML Standard, 9.2.6 "Interpreting an event stream", with a bound on lines and
on events, which the standard leaves open.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flagstaff.net.message import TransportError

__all__ = ["Event", "EventParser"]

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_LONGEST_RETRY = 3600.0  # seconds


class Event(NamedTuple):
    """One event: its type ("message" where it named none) and its data."""

    name: str
    data: str


class EventParser:
    """Takes the bytes of one stream, in whatever pieces they come, and gives the events that are complete.

    ``retry`` is the time to wait before another connection that the server asked for last, 0 to 3,600 s.
    Raises TransportError ``too-large`` for a line or an event beyond its bound in bytes.
    """

    def __init__(self, host: str, max_line: int = 16 * 1024, max_event: int = 64 * 1024) -> None:
        self.retry: float | None = None
        self._host = host
        self._max_line = max_line
        self._max_event = max_event
        self._rest = b""
        self._after_return = False  # the last byte was a CR: a LF that comes next belongs to it
        self._begun = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that these bytes complete."""
        if not chunk:
            return []
        if self._after_return and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._after_return = chunk[-1:] == b"\r"
        *lines, self._rest = _LINE_END.split(self._rest + chunk)
        if len(self._rest) > self._max_line:
            raise self._too_large("a line", self._max_line)
        events = [self._take(line) for line in lines]
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> Event | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        if len(line) > self._max_line:
            raise self._too_large("a line", self._max_line)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        self._set(field, value.removeprefix(b" "))
        return None

    def _set(self, field: bytes, value: bytes) -> None:
        if field == b"data":
            self._size += len(value) + 1
            if self._size > self._max_event:
                raise self._too_large("an event", self._max_event)
            self._data.append(value.decode(errors="replace"))
        elif field == b"event":
            self._name = value.decode(errors="replace")
        elif field == b"retry" and value.isdigit():
            self.retry = min(_LONGEST_RETRY, int(value[:12]) / 1000)

    def _dispatch(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return Event(name, "\n".join(data)) if data else None

    def _too_large(self, what: str, bound: int) -> TransportError:
        return TransportError("too-large", f"{self._host} sent {what} of more than {bound:,} bytes")
