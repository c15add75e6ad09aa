"""The way in: what a client calls when a unit met a variant or something happened to it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from flagstaff.events.ledger import NOT_ENCODABLE, QUEUE_FULL, SHUTDOWN
from flagstaff.events.model import Unencodable
from flagstaff.runtime.notice import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagstaff.events.dedupe import Seen
    from flagstaff.events.ledger import Ledger
    from flagstaff.events.model import Encoder, Exposed
    from flagstaff.events.spool import Spool
    from flagstaff.runtime.clock import Clock

__all__ = ["Recorder"]


class Recorder:
    """Takes events from any thread into the spool; never raises, never waits, counts every event.

    ``on_append`` is called after each event that the spool took.
    """

    def __init__(  # noqa: PLR0917 - the pipeline's parts, in the order an event meets them
        self,
        encoder: Encoder,
        seen: Seen,
        spool: Spool,
        ledger: Ledger,
        clock: Clock,
        on_append: Callable[[], None],
    ) -> None:
        self._encoder = encoder
        self._seen = seen
        self._spool = spool
        self._ledger = ledger
        self._time = clock.time
        self._on_append = on_append
        self._sequence = count(1)
        self._closed = False
        self._warned = False

    def expose(self, spec: Exposed, unit: str) -> None:
        """Record that a unit met a variant, once a day; a repetition costs next to nothing."""
        try:
            seen = self._seen
            if seen.since <= self._time() < seen.until and (spec.key, unit) in seen.known:
                return
            self._expose(spec, unit)
        except Exception as error:  # noqa: BLE001 - evaluation never raises, whatever a unit turns out to be
            self._stumble(error)

    def track(
        self,
        event: str,
        unit: str,
        unit_type: str = "targeting_key",
        value: object = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that something happened to a unit."""
        try:
            self._track(event, unit, unit_type, value, properties)
        except Exception as error:  # noqa: BLE001 - tracking must not hurt what it tracks
            self._stumble(error)

    def close(self) -> None:
        """Take no more events; what can't outlive this process is counted as ``shutdown``."""
        self._closed = True
        for _, flag, variant in self._spool.close():
            self._ledger.drop(SHUTDOWN, flag, variant)

    def forked(self) -> None:
        """Become a child process's own: what the parent recorded is the parent's to deliver."""
        self._sequence = count(1)
        self._encoder.forked()
        self._seen.forked()
        self._spool.forked()
        self._ledger.forked()

    def _expose(self, spec: Exposed, unit: str) -> None:
        now, flag, variant = self._time(), spec.flag, spec.variant
        self._ledger.accept()
        try:
            record = self._encoder.exposure(spec, unit, now, next(self._sequence))
        except Exception as error:  # noqa: BLE001 - the event is accepted: it must be accounted for
            self._drop(error, flag, variant)
            return
        # Seen only once it is safe: a refused exposure must get its next chance.
        if self._append(record, flag, variant):
            self._seen.add((spec.key, unit), now)
            self._on_append()

    def _track(
        self, event: str, unit: str, unit_type: str, value: object, properties: Mapping[str, Any] | None
    ) -> None:
        self._ledger.accept()
        try:
            sequence = next(self._sequence)
            record = self._encoder.track(event, unit, unit_type, value, properties, self._time(), sequence)
        except Exception as error:  # noqa: BLE001 - as in _expose; a property may be anything
            self._drop(error, "", "")
            return
        if self._append(record, "", ""):
            self._on_append()

    def _append(self, record: bytes, flag: str, variant: str) -> bool:
        if self._spool.append(record, flag, variant):
            return True
        self._ledger.drop(SHUTDOWN if self._closed else QUEUE_FULL, flag, variant)
        return False

    def _drop(self, error: Exception, flag: str, variant: str) -> None:
        self._ledger.drop(error.reason if isinstance(error, Unencodable) else NOT_ENCODABLE, flag, variant)

    def _stumble(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            name = type(error).__name__
            warn("events", "recording an event raised %s; if it happens again, it is not logged", name)
