"""A place for events that a test can look into."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["MemorySink"]


class MemorySink:
    """A sink for a client's ``events`` that keeps what it gets, in ``batches`` and, flat, in ``events``.

    While ``fault`` is an exception it is raised instead: the client keeps the events and sends them again.
    """

    def __init__(self) -> None:
        self.batches: list[list[Mapping[str, Any]]] = []
        self.fault: Exception | None = None
        self._lock = threading.Lock()

    def send(self, events: Sequence[Mapping[str, Any]], /) -> None:
        """Keep a batch of CloudEvents, or raise ``fault``."""
        if self.fault is not None:
            raise self.fault
        with self._lock:
            self.batches.append(list(events))

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """Every event received, in the order of arrival; the same one twice where it came twice."""
        with self._lock:
            return [event for batch in self.batches for event in batch]

    def of_type(self, kind: str) -> list[Mapping[str, Any]]:
        """The events of one type, such as ``flagstaff.exposure`` or ``flagstaff.track``."""
        return [event for event in self.events if event.get("type") == kind]
