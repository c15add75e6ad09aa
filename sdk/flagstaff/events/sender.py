"""The way out: batches from the spool to a transport, for as long as it takes. A machine without I/O."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from flagstaff.events.ledger import REJECTED, TOO_LARGE
from flagstaff.events.transport import DELIVERED, RETRY, Verdict
from flagstaff.net.backoff import is_lasting
from flagstaff.net.message import TransportError
from flagstaff.runtime.clock import rest
from flagstaff.runtime.notice import info, warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.events.ledger import Ledger, Loss
    from flagstaff.events.model import Encoder
    from flagstaff.events.spool import Batch, Spool
    from flagstaff.events.transport import Transport
    from flagstaff.net.backoff import Backoff
    from flagstaff.runtime.clock import Clock

__all__ = ["Delivery", "Sender"]

_FLUSH_WAIT = 0.5  # seconds: the longest backoff while somebody waits for a flush
_MOST_LOSSES = 200  # kinds in one loss record
_GROWTH = 100  # parts of the full batch size that come back with every delivery
_PATIENCE = 8  # events refused in a row before the collector itself is the suspect
_PILE = 5  # batches that wait before sending them matters more than resting
_NEVER = 1 << 62


class Delivery:
    """One parcel on its way: ``most`` events at most, the losses it tells of and how, and its bytes.

    ``batch`` and ``parcel`` are made when it is performed: to encode events takes a while.
    """

    __slots__ = ("batch", "losses", "most", "packing", "parcel", "report")

    def __init__(self, most: int, losses: tuple[Loss, ...], report: bytes | None) -> None:
        self.most: int = most
        self.losses: tuple[Loss, ...] = losses
        self.report: bytes | None = report
        self.batch: Batch | None = None
        self.parcel: Any = None
        self.packing: threading.Lock = threading.Lock()


class Sender:
    """Sends what is spooled: when a batch is full, when the oldest event is old enough, or on a flush.

    A parcel that does not arrive is sent again, byte for byte, until it does. A batch that is
    refused (400, 413, 422) is halved until the event to blame stands alone and is set aside.
    Losses are told to the collector with the next batch. ``fault`` says in a sentence what is wrong
    now, or is None. ``on_progress`` is called after every answer.
    """

    def __init__(  # noqa: PLR0917 - the pipeline's parts, in the order an event meets them
        self,
        spool: Spool,
        ledger: Ledger,
        encoder: Encoder,
        transport: Transport[Any],
        clock: Clock,
        backoff: Backoff,
        *,
        flush_interval: float = 5.0,
        max_count: int = 2000,
        max_bytes: int = 1024 * 1024,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._spool = spool
        self._ledger = ledger
        self._encoder = encoder
        self._transport = transport
        self._clock = clock
        self._backoff = backoff
        self._flush_interval = flush_interval
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._on_progress = on_progress
        self.forked()

    def forked(self) -> None:
        """Become a child process's own: nothing is on its way, nobody waits."""
        self.fault: str | None = None
        self._current: Delivery | None = None  # given out and not yet settled
        self._since: float | None = None  # nothing that waits is older than this
        self._loaded_at = 0.0
        self._empty_until = -math.inf  # nothing that waits could be read
        self._left_behind = False
        self._limit = self._max_count  # events in a batch; smaller after a 413
        self._plan: list[int] = []  # sizes of the parts of a refused batch, next first
        self._suspect: tuple[Loss, ...] = ()  # a loss record that was in a refused batch
        self._refusals = 0  # events set aside since anything was delivered
        self._mark = 0
        self._hurry_until = -math.inf
        self._arm(0, 0)
        self._backoff.succeeded()

    # Asked and told by anybody, from any thread.

    @property
    def idle(self) -> bool:
        """Whether nothing is left to send."""
        return not (self._spool.pending or self._ledger.unreported)

    def flush(self, seconds: float = 5.0) -> int:
        """Hurry for ``seconds`` s at most, until all that waits now has left; wake the driver after it.

        Returns a mark for ``flushed``.
        """
        self._mark = mark = self._spool.appended
        self._hurry_until = max(self._hurry_until, self._clock.monotonic() + seconds)
        return mark

    def flushed(self, mark: int) -> bool:
        """Whether all that waited at the time of that ``flush`` has left."""
        return self._spool.settled >= mark

    def reports(self) -> list[bytes]:
        """Encode the losses that the collector has not been told of, for somebody else to send.

        What is on its way is among them as it is: if it arrives as well, it arrives with the same id.
        """
        job, ledger = self._current, self._ledger
        under_way = () if job is None or job.report is None else job.losses
        told = [job.report] if job is not None and job.report is not None else []
        ledger.reported(under_way)
        while losses := ledger.losses(_MOST_LOSSES):
            told.append(self._encoder.loss(losses, self._clock.time()))
            ledger.reported(losses)
        return told

    # The machine: called by one driver.

    def next(self, now: float) -> Delivery | float:
        """Return the delivery to make now, or the seconds until one may be due."""
        self._arm(_NEVER, _NEVER)
        tend_in = self._spool.tend(now)
        hurry = self._hurries(now)
        wait = max(self._backoff.remaining(now, _FLUSH_WAIT if hurry else math.inf), self._empty_until - now)
        if wait > 0:
            return min(wait, tend_in)
        if self._current is None:
            wait = 0.0 if self._plan else self._until_due(now, hurry=hurry)
            if wait > 0:
                return min(wait, tend_in)
            self._current = self._load(now)
        return self._current

    def prepare(self) -> None:
        import logging  # noqa: F401

        if hasattr(self._transport, "prepare"):
            self._transport.prepare()

    def perform(self, job: Delivery) -> Verdict | None:
        self._pack(job)
        return None if job.parcel is None else self._transport.send(job.parcel)

    async def aperform(self, job: Delivery) -> Verdict | None:
        import asyncio

        if job.parcel is None:  # it would hold up a loop
            await asyncio.to_thread(self._pack, job)
        return None if job.parcel is None else await self._transport.asend(job.parcel)

    def done(self, job: Delivery, answer: Verdict | Exception | None, now: float) -> None:
        """Settle a delivery, split it, or keep it for another attempt; None is for one that was empty."""
        if job is not self._current:
            return  # it was the parent's, before a fork
        if answer is None:
            self._current = None
            self._plan.clear()
            self._empty_until = now + _FLUSH_WAIT
            return
        verdict = answer if isinstance(answer, Verdict) else _raised(answer)
        if verdict.outcome == RETRY:
            self._fail(verdict, now)
        else:
            self._current = None
            if verdict.outcome == DELIVERED:
                self._delivered(job)
            else:
                self._refused(job, verdict, now)
        self._on_progress()

    def _hurries(self, now: float) -> bool:
        return now < self._hurry_until and not (self.flushed(self._mark) and not self._ledger.unreported)

    def _until_due(self, now: float, *, hurry: bool) -> float:
        """Seconds until a batch is due; sets what is to wake us earlier *before* it looks."""
        self._arm(1, 1)
        if self.idle:
            self._since = None
            return math.inf
        if self._since is None:
            self._since = now
        self._arm(self._limit, self._max_bytes)
        spool = self._spool
        if hurry or spool.pending >= self._limit or spool.size >= self._max_bytes:
            return 0.0
        return self._since + self._flush_interval - now

    def _arm(self, count: int, size: int) -> None:
        """Want to be woken when so many events wait, or so many bytes."""
        self._spool.wake_at = self._spool.settled + count
        self._spool.wake_size = size

    def _load(self, now: float) -> Delivery:
        self._arm(_NEVER, _NEVER)
        self._loaded_at = now
        # A batch under suspicion goes without the loss record: it must not confuse the search.
        losses = () if self._plan else self._ledger.losses(_MOST_LOSSES)
        report = self._encoder.loss(losses, self._clock.time()) if losses else None
        return Delivery(self._plan[0] if self._plan else self._limit, losses, report)

    def _pack(self, job: Delivery) -> None:
        """Make the parcel of a delivery that has none yet, a good guest unless a pile of batches waits."""
        with job.packing:  # a task that was cut off may have left a thread at it
            if job.parcel is not None:
                return
            spool = self._spool
            breathe = rest if spool.pending < _PILE * self._max_count else None
            job.batch = batch = spool.peek(job.most, self._max_bytes, breathe)
            self._left_behind = batch is not None and spool.pending > len(batch.records)
            records = [] if batch is None else [record[0] for record in batch.records]
            if job.report is not None:
                records.append(job.report)
            if records:
                job.parcel = self._transport.pack(records)

    def _delivered(self, job: Delivery) -> None:
        if job.batch is not None:
            self._ledger.deliver(self._spool.acknowledge(job.batch))
        # Refused with the loss record and taken without it: the record was to blame. It is given up,
        # or it would be refused for ever; the ledger still knows.
        self._ledger.reported(job.losses or self._suspect)
        self._suspect = ()
        self._refusals = 0
        self._limit = min(self._max_count, self._limit + max(1, self._max_count // _GROWTH))
        self._go_on()
        self._recover()

    def _refused(self, job: Delivery, verdict: Verdict, now: float) -> None:
        count = 0 if job.batch is None else len(job.batch.records)
        if job.batch is None:
            self._fail(verdict, now)  # the next batch will show whether the loss record is to blame
        elif job.losses and verdict.outcome == REJECTED:
            self._suspect = job.losses
            self._plan = [count]
        elif count > 1:
            self._split(count, verdict)
        else:
            self._set_aside(job.batch, verdict, now)

    def _split(self, count: int, verdict: Verdict) -> None:
        self._suspect = ()
        half = count // 2
        self._plan[:1] = [half, count - half]
        if verdict.outcome == TOO_LARGE:
            self._limit = half

    def _set_aside(self, batch: Batch, verdict: Verdict, now: float) -> None:
        if self._spool.set_aside(batch, verdict.outcome):
            _, flag, variant = batch.records[0]
            self._ledger.drop(verdict.outcome, flag, variant)
        if self._refusals == 0:
            warn("events", "an event was set aside (%s): %s", verdict.outcome, verdict.fault)
        self._refusals += 1
        self._suspect = ()
        self._go_on()
        if verdict.outcome == TOO_LARGE:
            self._limit = self._max_count  # that one was to blame, not the size of batches
        if self._refusals >= _PATIENCE:
            # A collector that refuses everything is broken; it must not cost us everything.
            self._fail(verdict, now)

    def _go_on(self) -> None:
        """Turn to what is next: the rest of a refused batch, then what was left behind or came since."""
        del self._plan[:1]
        if not self._left_behind:
            self._since = self._loaded_at

    def _fail(self, verdict: Verdict, now: float) -> None:
        if self.fault is None:
            warn("events", "events can't be delivered and are kept: %s", verdict.fault)
        self.fault = verdict.fault
        self._backoff.failed(now, verdict.retry_after, lasting=verdict.lasting)

    def _recover(self) -> None:
        if self.fault is not None:
            info("events", "events are delivered again")
        self.fault = None
        self._backoff.succeeded()


def _raised(error: Exception) -> Verdict:
    """Only our own errors are known to hold no secrets; of others, the type must do."""
    if isinstance(error, TransportError):
        return Verdict(RETRY, str(error), lasting=is_lasting(error.kind))
    return Verdict(RETRY, f"sending raised {type(error).__name__}")
