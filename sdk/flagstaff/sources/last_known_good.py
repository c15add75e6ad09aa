"""A server's rules, kept on disk for the day when it can't be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagstaff.errors import FlagstaffError
from flagstaff.runtime.notice import info, warn
from flagstaff.sources.store import Kept

if TYPE_CHECKING:
    from typing import Protocol

    from flagstaff.formats import Format
    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.sources.http import Received
    from flagstaff.sources.source import Publish, Source
    from flagstaff.sources.store import RulesStore

    class Fetching(Source, Protocol):
        """A source that tells what its rules were made of, and can go on from there."""

        def resume(self, loaded: Loaded, etag: str | None) -> None: ...
        def ask_again(self) -> None: ...
        def take_received(self) -> Received | None: ...


__all__ = ["LastKnownGood"]

_AT_ONCE = 384 * 1024  # bytes that are read while the client is made: a thousand flags or so
_CONFIRM_SECONDS = 60.0  # between two notes on disk that what is kept is still current
_RETRY_SECONDS = 60.0  # after which a disk that failed is tried again


class _Save(NamedTuple):
    kept: Kept


class _Confirm(NamedTuple):
    checked: float  # the source's own time
    moment: float  # the same in Unix time


class _Read:
    pass


_READ = _Read()


class LastKnownGood:
    """Another source's rules: those kept on disk until it has better ones, which are kept in their turn.

    A disk that fails costs no more than the next cold start.
    """

    def __init__(
        self,
        source: Fetching,
        store: RulesStore,
        *,
        format: Format,  # noqa: A002
        clock: Clock,
    ) -> None:
        self._source = source
        self._store = store
        self._format = format
        self._clock = clock
        self._kept_at: float | None = None
        self._unsaved: Kept | None = None
        self._confirmed: float | None = None
        self._unread = False
        self._noted = False  # whether what is on disk is what is in use
        self._due = 0.0
        self._trouble: str | None = None

    @property
    def fault(self) -> str | None:
        return self._source.fault

    @property
    def checked(self) -> float | None:
        checked = self._source.checked
        return self._kept_at if checked is None else checked

    @property
    def notes(self) -> tuple[str, ...]:
        """What keeps the rules from being kept."""
        return () if self._trouble is None else (self._trouble,)

    @property
    def channel(self) -> str:
        """How the source hears of news."""
        return getattr(self._source, "channel", "polling")

    @property
    def skew(self) -> float | None:
        """Seconds that the server's clock is ahead of ours, as far as it told."""
        skew: float | None = getattr(self._source, "skew", None)
        return skew

    def describe(self) -> str:
        return f"{self._source.describe()} -> last-known-good({self._store.directory})"

    def attach(self, publish: Publish) -> Machine[Any, Any]:
        self._publish = publish
        machine = self._source.attach(self._arrive)
        assert machine is not None  # noqa: S101 - one that fetches has something to do
        self._machine = machine
        self._begin()
        return self

    def _begin(self) -> None:
        """Decide by what is on disk: at once, or first thing in the background where that would take long."""
        if self._store.size() > _AT_ONCE:
            self._unread = True
        else:
            self._resume(self._read())

    def _read(self) -> tuple[Kept, Loaded] | None:
        kept = self._store.load(self._clock.time())
        if kept is None:
            return None
        try:
            where = str(self._store.path)
            return kept, self._format.load(kept.body, source=where, strict=False)
        except FlagstaffError:
            return None  # written by a version that read more than this one

    def _resume(self, found: tuple[Kept, Loaded] | None) -> None:
        self._unread = False
        if found is None:
            return
        kept, loaded = found
        self._kept_at = self._clock.monotonic() - (self._clock.time() - kept.confirmed)
        self._noted = True
        self._source.resume(loaded, kept.etag)
        self._publish(loaded)

    def _arrive(self, loaded: Loaded) -> None:
        received = self._source.take_received()
        if received is not None:
            self._unsaved = Kept(received.body, received.etag, self._clock.time())
            self._noted = False
            self._due = 0.0
        self._publish(loaded)

    # -- the machine: the other source's, and the disk in between ---------------------------------------

    def prepare(self) -> None:
        if hasattr(self._machine, "prepare"):
            self._machine.prepare()

    def interrupt(self) -> None:
        if hasattr(self._machine, "interrupt"):
            self._machine.interrupt()

    def next(self, now: float) -> Any:
        if self._unread:
            return _READ
        if now >= self._due:
            if self._unsaved is not None:
                return _Save(self._unsaved)
            checked = self._source.checked
            if self._noted and checked is not None and checked != self._confirmed:
                return _Confirm(checked, self._clock.time() - (now - checked))
        return self._machine.next(now)

    def perform(self, job: Any) -> Any:
        match job:
            case _Read():
                return self._read()
            case _Save(kept):
                return self._store.save(kept)
            case _Confirm(_, moment):
                return self._store.confirm(moment)
            case _:
                return self._machine.perform(job)

    async def aperform(self, job: Any) -> Any:
        if not isinstance(job, _Read | _Save | _Confirm):
            return await self._machine.aperform(job)
        import asyncio

        return await asyncio.to_thread(self.perform, job)

    def done(self, job: Any, answer: Any, now: float) -> None:
        match job:
            case _Read():
                self._resume(None if isinstance(answer, Exception) else answer)
            case _Save() | _Confirm() if isinstance(answer, Exception):
                self._failed(answer, now)
            case _Save(kept):
                self._saved(kept, now)
            case _Confirm(checked, _):
                self._confirmed = checked
                self._due = now + _CONFIRM_SECONDS
            case _:
                self._machine.done(job, answer, now)

    def _saved(self, kept: Kept, now: float) -> None:
        if kept is self._unsaved:
            self._unsaved = None
            self._noted = True
            self._confirmed = self._source.checked
            self._due = now + _CONFIRM_SECONDS
        if self._trouble is not None:
            self._trouble = None
            info("sources", "the rules are kept on disk again")

    def _failed(self, error: Exception, now: float) -> None:
        self._due = now + _RETRY_SECONDS
        if isinstance(error, FileNotFoundError) and self._unsaved is None:
            self._noted = False
            self._source.ask_again()  # somebody has tidied up; what was there is gone from memory, too
            return
        reason = getattr(error, "strerror", None) or type(error).__name__
        trouble = f"the rules can't be kept below {self._store.directory}: {reason}"
        if self._trouble is None:
            warn("sources", "%s", trouble)
        self._trouble = trouble

    def close(self) -> None:
        """Keep what has not been kept yet."""
        if hasattr(self._source, "close"):
            self._source.close()
        self._keep()

    async def aclose(self) -> None:
        """The same, awaiting."""
        import asyncio

        if hasattr(self._source, "aclose"):
            await self._source.aclose()
        await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        kept, now = self._unsaved, self._clock.monotonic()
        if kept is not None and now >= self._due:
            try:
                self._store.save(kept)
            except OSError as error:
                self._failed(error, now)
            else:
                self._saved(kept, now)
