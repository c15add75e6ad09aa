"""The way in: what a client calls when a unit met a variant or something happened to it."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from flagstaff.events.ledger import NOT_ENCODABLE, QUEUE_FULL, SHUTDOWN, UNIT_MISSING
from flagstaff.events.model import Unencodable, check_unit
from flagstaff.runtime.birthmark import birthmark
from flagstaff.runtime.notice import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagstaff.events.dedupe import Seen
    from flagstaff.events.ledger import Ledger
    from flagstaff.events.model import Encoder, Exposed
    from flagstaff.events.spool import Record, Spool
    from flagstaff.runtime.clock import Clock

__all__ = ["Recorder"]

_PATIENCE = 64  # events until whoever sends is told again
_SURELY_SMALL = 4096  # characters of a unit; a longer one is measured


class Recorder:
    """Takes events from any thread into the spool; never raises, never waits, counts every event.

    ``on_append`` is called after an event that the spool took, if somebody wants to be woken for it.
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
        self._own = birthmark()
        self._parting = Lock()
        self._closed = False
        self._warned = False

    def record(self, spec: Exposed, unit: str, now: float) -> None:
        """Record an exposure that was not seen today, at this moment. Never raises."""
        if not self._own[0]:
            self._part()
        spool, encoder = self._spool, self._encoder
        number = self._ledger.accept()
        try:
            if len(unit) > _SURELY_SMALL:
                check_unit(unit)
            kept = spool.expose(encoder.forms.get(spec) or encoder.form(spec), unit, now, number)
        except Exception as error:  # noqa: BLE001 - the event is accepted: it must be accounted for
            self._drop(error, spec.flag, spec.variant)
            return
        if not kept:
            self._refuse(spec.flag, spec.variant)
            return
        # Seen only once it is safe: a refused exposure must get its next chance.
        self._seen.add(spec.key, unit, now)
        if spool.appended >= spool.wake_at:
            self._tell()

    def miss(self, spec: Exposed) -> None:
        """Count an exposure whose unit is gone."""
        self._ledger.accept()
        self._ledger.drop(UNIT_MISSING, spec.flag, spec.variant)

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

    def close(self, reports: Callable[[], Sequence[bytes]] = tuple) -> None:
        """Take no more events; what can't outlive this process is counted as ``shutdown``.

        ``reports`` is asked then for what nobody could be told of yet, for the next process to send.
        """
        self._closed = True

        def last_words(lost: Sequence[Record]) -> Sequence[bytes]:
            for _, flag, variant in lost:
                self._ledger.drop(SHUTDOWN, flag, variant)
            return reports()

        self._spool.close(last_words)

    def forked(self) -> None:
        """Become a child process's own: what the parent recorded is the parent's to deliver."""
        self._encoder.forked()
        self._spool.forked()
        self._ledger.forked()
        self._own = birthmark()  # last: until then, whoever comes by has to wait in _part

    def _part(self) -> None:
        """Part from the parent after a fork that nobody was told of: uWSGI forks in C and calls no hook.

        No thread can be trusted to start in such a process. What is recorded there waits for an heir.
        """
        with self._parting:
            if not self._own[0]:
                self.forked()

    def _track(
        self, event: str, unit: str, unit_type: str, value: object, properties: Mapping[str, Any] | None
    ) -> None:
        if not self._own[0]:
            self._part()
        number = self._ledger.accept()
        try:
            record = self._encoder.track(event, unit, unit_type, value, properties, self._time(), number)
        except Exception as error:  # noqa: BLE001 - as in record; a property may be anything
            self._drop(error, "", "")
            return
        spool = self._spool
        if not spool.append(record, "", ""):
            self._refuse("", "")
        elif spool.appended >= spool.wake_at or spool.size >= spool.wake_size:
            self._tell()

    def _tell(self) -> None:
        spool = self._spool
        spool.wake_at = max(spool.wake_at, spool.appended + _PATIENCE)  # one call is enough, if it is heard
        try:
            self._on_append()
        except Exception as error:  # noqa: BLE001 - a thread that can't be started, say: the event is safe
            self._stumble(error)

    def _refuse(self, flag: str, variant: str) -> None:
        self._ledger.drop(SHUTDOWN if self._closed else QUEUE_FULL, flag, variant)

    def _drop(self, error: Exception, flag: str, variant: str) -> None:
        self._ledger.drop(error.reason if isinstance(error, Unencodable) else NOT_ENCODABLE, flag, variant)

    def _stumble(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            name = type(error).__name__
            warn("events", "recording an event raised %s; if it happens again, it is not logged", name)
