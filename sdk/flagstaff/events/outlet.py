"""The way out as one piece: what records, keeps and sends events, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagstaff.core.buckets import unit_text
from flagstaff.core.context import Context, as_context
from flagstaff.core.dialect import unit_of
from flagstaff.core.subjects import TARGETING_KEY
from flagstaff.events.dedupe import Seen
from flagstaff.events.ledger import Ledger
from flagstaff.events.model import Encoder
from flagstaff.events.recorder import Recorder
from flagstaff.events.sender import Sender
from flagstaff.net.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagstaff.core.context import Whom
    from flagstaff.core.decision import Decision
    from flagstaff.events.ledger import Counts
    from flagstaff.events.spool import Spool
    from flagstaff.events.transport import Transport
    from flagstaff.runtime.clock import Clock

__all__ = ["Outlet"]

_FIRST_RETRY = 0.5  # seconds
_LONGEST_RETRY = 60.0  # seconds


class Outlet:
    """Takes exposures and tracked events in and gives them to a transport, batch by batch.

    ``wanted`` is called when the sender should be asked now, ``progressed`` after every answer of the other
    side; whoever drives the sender sets both.
    """

    def __init__(
        self,
        transport: Transport[Any],
        where: str,
        clock: Clock,
        flush_interval: float,
        spool_for: Callable[[Ledger], Spool],
        *,
        durable: bool,
    ) -> None:
        self.durable: bool = durable
        self.wanted: Callable[[], None] = _nothing
        self.progressed: Callable[[], None] = _nothing
        self._where = where
        self._names = ("default", "default")
        self._encoder = Encoder(*self._names)
        self._ledger = Ledger()
        self._spool = spool = spool_for(self._ledger)
        self.sender: Sender = Sender(
            spool,
            self._ledger,
            self._encoder,
            transport,
            clock,
            Backoff(_FIRST_RETRY, _LONGEST_RETRY),
            flush_interval=flush_interval,
            on_progress=self._progress,
        )
        self._time = clock.time
        self._seen = Seen()
        self._recorder = Recorder(self._encoder, self._seen, spool, self._ledger, clock, self._wake)
        self._record = self._recorder.record

    @property
    def fault(self) -> str | None:
        """What is wrong now with the delivery, and with what waits for it; or None."""
        return "; ".join(filter(None, (self.sender.fault, self._spool.fault))) or None

    @property
    def refused(self) -> str | None:
        """Where events lie that the collector would not have, as a sentence; None if there are none."""
        refused = getattr(self._spool, "refused", None)
        if refused is None or not refused.size:
            return None
        return f"events that the collector would not have are in {refused.path}"

    def describe(self) -> str:
        return self._where

    def belong_to(self, project: str, environment: str) -> None:
        """Whose events these are, from now on."""
        if (project, environment) != self._names:
            self._names = (project, environment)
            self._encoder.rename(project, environment)

    def expose(self, decision: Decision, context: Whom) -> None:
        """Record that the context's unit met a variant. Never raises; a repetition costs next to nothing."""
        exposed = decision._exposed
        if exposed is None:
            return
        kind, where = type(context), exposed.unit
        try:
            unit: Any
            if where is not TARGETING_KEY:
                unit = unit_of(as_context(context), where)
            elif kind is Context:
                unit = context.targeting_key  # type: ignore[union-attr]
            elif kind is dict:
                unit = context.get("targetingKey")  # type: ignore[union-attr]
            else:
                unit = as_context(context).targeting_key
            if type(unit) is not str:
                unit = unit_text(unit)
            now, seen, key = self._time(), self._seen, exposed.key
            if seen.since <= now < seen.until and (
                unit in seen.young.get(key, ()) or unit in seen.old.get(key, ())
            ):
                return
        except Exception:  # noqa: BLE001 - a context that changes its mind; the decision must get out
            self._recorder.miss(exposed)
            return
        if unit:
            self._record(exposed, unit, now)
        else:
            self._recorder.miss(exposed)

    def track(self, event: str, context: Whom, value: object, properties: Mapping[str, Any]) -> None:
        """Record that something happened to a context's unit. Never raises."""
        try:
            unit = unit_text(getattr(as_context(context), "targeting_key", None))
        except Exception:  # noqa: BLE001 - no context at all; what happened has happened all the same
            unit = None
        self._recorder.track(event, unit or "", value=value, properties=properties)

    def stats(self) -> Counts:
        """What became of every event."""
        return self._ledger.snapshot()

    def drained(self) -> bool:
        """Whether nothing waits; what does is hurried."""
        sender = self.sender
        if not sender.idle:
            sender.flush(1.0)
        return sender.idle

    def close(self) -> None:
        """Take no more events; what can't outlive this process is counted as lost."""
        self._recorder.close(self.sender.reports)

    def forked(self) -> None:
        """Become a child process's own."""
        self._recorder.forked()
        self.sender.forked()

    def _progress(self) -> None:
        self.progressed()

    def _wake(self) -> None:
        self.wanted()


def _nothing() -> None:
    pass
