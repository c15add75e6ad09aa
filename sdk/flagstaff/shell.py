"""What a client and an asynchronous client share: everything but the waiting.

A shell takes in rules as they arrive and lets events out. It starts nothing and waits for nothing: the
clients drive its machines, one on threads, the other in tasks.
"""

from __future__ import annotations

from flagstaff.core.context import ANONYMOUS, Context
from flagstaff.errors import OverrideError
from flagstaff.flags import Flags
from flagstaff.overrides import Overrides, parse_overrides
from flagstaff.plan import Plan, document_source, file_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import EllipsisType
    from typing import Any, Self

    from flagstaff.events.ledger import Counts
    from flagstaff.events.transport import Sink
    from flagstaff.formats.native import Loaded
    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.settings import Secret
    from flagstaff.sources import Source

__all__ = ["Shell", "Status"]

_OVERRIDES = "FLAGSTAFF_OVERRIDES"


class Status:
    """How a client is, at one moment.

    ``state`` is NOT_READY (no rules yet), READY, or STALE (rules are there, but the source can't confirm
    them now).
    ``age`` counts the seconds since the rules were last known to be current. ``problems`` are sentences for
    people: empty when all is well. ``str()`` of it is readable, ``to_dict()`` is for machines.
    """

    __slots__ = ("age", "flags", "pending", "problems", "revision", "source", "state")

    state: str
    source: str
    revision: int | None
    flags: int
    age: float | None
    pending: int
    problems: tuple[str, ...]

    def __init__(
        self,
        *,
        state: str,
        source: str,
        revision: int | None,
        flags: int,
        age: float | None,
        pending: int,
        problems: tuple[str, ...],
    ) -> None:
        self.state = state
        self.source = source
        self.revision = revision
        self.flags = flags
        self.age = age
        self.pending = pending
        self.problems = problems

    @property
    def ready(self) -> bool:
        """Whether there are rules to decide by."""
        return self.state != "NOT_READY"

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        return {name: getattr(self, name) for name in self.__slots__} | {"problems": list(self.problems)}

    def __str__(self) -> str:
        age = "" if self.age is None else f", confirmed {self.age:.0f} s ago"
        head = f"{self.state}: {self.flags} flags from {self.source}{age}; {self.pending} events pending"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])

    def __repr__(self) -> str:
        return f"<Status {self.state}, {len(self.problems)} problems>"


class Shell(Flags):
    """Flags, the source that their rules come from, and the outlet that their exposures leave by."""

    def __init__(
        self,
        source: str | Source | None = None,
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        format: str = "native",  # noqa: A002 - what everybody calls it
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> None:
        """Make a client; ConfigError names the setting that can't work.

        ``source``
            A server's address, which has its rules at ``/v1/rules`` (an address that ends in ``.json`` is
            the document itself), or a source object. ``FLAGSTAFF_URL``.
        ``key``
            Sent as ``Authorization: Bearer``. ``FLAGSTAFF_KEY``.
        ``events``
            Where exposures and tracked events go: a collector's address (they are posted to
            ``/v1/events``), an object with a ``send`` method, or None for nowhere. Left out, they go to the
            server that rules come from, and nowhere if that is none. ``FLAGSTAFF_EVENTS``.
        ``poll_interval``
            Seconds between two looks at the rules: 30 for a server, 1 for a file.
            ``FLAGSTAFF_POLL_INTERVAL``.
        ``flush_interval``
            Seconds that an event waits for company, 5. ``FLAGSTAFF_FLUSH_INTERVAL``.
        ``durability``
            What waiting events outlive: nothing ("memory"), the process, even a ``kill -9`` ("process": they
            wait on disk, and the next process sends what is left), or a power loss ("disk", an fsync for
            each). Left out, "process" for a collector's address and "memory" for a sink.
            ``FLAGSTAFF_DURABILITY``.
        ``spool_quota``
            Bytes of events kept on disk, 64 MiB. ``FLAGSTAFF_SPOOL_QUOTA``.
        ``directory``
            Where events and the last good rules are kept; by default the user's state directory.
            ``FLAGSTAFF_DIR``.
        ``format``
            Which dialect the rules are written in: native, or auto.
        ``http_client``
            An ``httpx.Client`` of your own (an ``httpx.AsyncClient`` for ``AsyncClient``), for proxies,
            certificates or tests; it is never closed here.
        ``clock``
            Where the time comes from; for tests.
        """
        plan = Plan(
            source=source,
            events=events,
            key=key,
            poll_interval=poll_interval,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            format=format,
            clock=clock,
            http=self._open(http_client),
        )
        # Here, not when the first rules arrive: that is on a thread, which a fork may cut off.
        import flagstaff.core.evaluate  # noqa: F401

        forced = parse_overrides(plan.settings.environ.get(_OVERRIDES, ""), _OVERRIDES)
        super().__init__(Overrides(forced), plan.outlet.expose if plan.outlet else None)
        self._clock = plan.clock
        self._http = plan.http
        self._source = plan.source
        self._outlet = plan.outlet
        self._closed = False
        self._loaded: Loaded | None = None
        self._problems: tuple[str, ...] = ()
        self._listeners: dict[object, Callable[[frozenset[str]], None]] = {}
        self._drive(plan.source.attach(self._arrive))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        format: str = "native",  # noqa: A002
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> Self:
        """A client whose rules are a file, read now and again when it changes.

        The suffix tells the form: .json, .toml; .yaml with the extra. RulesError lists what is wrong in the
        file; ConfigError where there is none. A wrong version later on leaves the rules as they are, and
        ``status()`` says so. Events go nowhere unless told.
        """
        source = file_source(path, format=format, poll_interval=poll_interval, clock=clock)
        return cls(
            source,
            key=key,
            events=events,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            http_client=http_client,
            clock=clock,
        )

    @classmethod
    def from_document(
        cls,
        document: bytes | Mapping[str, Any],
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        format: str = "native",  # noqa: A002
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> Self:
        """A client whose rules are given, as plain data or as JSON bytes. RulesError lists what is wrong.

        Events go nowhere unless told.
        """
        source = document_source(document, format=format, clock=clock)
        return cls(
            source,
            key=key,
            events=events,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            http_client=http_client,
            clock=clock,
        )

    # -- what waiting takes ------------------------------------------------------------------------------

    def _open(self, http_client: Any) -> Http | AsyncHttp:
        """Prepare what waits, and return what sends requests. Called before everything else."""
        raise NotImplementedError

    def _drive(self, machine: Machine[Any, Any] | None) -> None:
        """Have the source's machine, if it has one, and the outlet's sender driven. Called last."""
        raise NotImplementedError

    def _notify(self) -> None:
        """Tell those who wait that rules arrived or events left."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Have the source keep and close what it has open; nothing drives it any more."""
        if hasattr(self._source, "close"):
            try:
                self._source.close()
            except Exception as error:  # noqa: BLE001 - a source may be the host's; closing must go on
                _log("closing the source raised %s", type(error).__name__)

    # -- rules come in --------------------------------------------------------------------------------

    def _arrive(self, loaded: Loaded) -> None:
        """Decide by these rules from now on."""
        from flagstaff.core.evaluate import Snapshot

        if self._outlet is not None:
            self._outlet.belong_to(loaded.rules.project, loaded.rules.environment)
        self._adopt(Snapshot(loaded.rules, self._clock.time))
        before, self._loaded = self._loaded, loaded  # only now: who waits for rules must find them
        self._problems = (*map(str, loaded.warnings), *self._idle_overrides())
        if self._problems and (before is None or before.warnings != loaded.warnings):
            _log("the rules have problems: %s", "; ".join(self._problems))
        self._tell(before, loaded)
        self._notify()

    def _idle_overrides(self) -> list[str]:
        """What is wrong with the environment's overrides: they force nothing, and somebody should know."""
        problems = []
        for flag, wanted in self._overrides.environment.items():
            try:
                self._check_overrides({flag: wanted}, _OVERRIDES)
            except OverrideError as error:
                problems.append(str(error))
        return problems

    def _tell(self, before: Loaded | None, after: Loaded) -> None:
        if not self._listeners:
            return
        from flagstaff.core.difference import changed_flags

        changed = changed_flags(before.rules if before else None, after.rules)
        for listener in list(self._listeners.values()) if changed else ():
            try:
                listener(changed)
            except Exception as error:  # noqa: BLE001 - a listener is the host's code; it must not stop the source
                _log("a listener for changes raised %s", type(error).__name__)

    def on_change(self, callback: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call ``callback`` with the keys of the flags that changed, whenever new rules were adopted.

        It is called where rules arrive: on the client's thread or in its task. Returns a function that ends
        it.
        """
        registration = object()
        self._listeners[registration] = callback

        def end() -> None:
            self._listeners.pop(registration, None)

        return end

    # -- events go out --------------------------------------------------------------------------------

    def track(
        self,
        event: str,
        context: Context = ANONYMOUS,
        /,
        *,
        value: float | None = None,
        **properties: Any,
    ) -> None:
        """Report that something happened to a unit, for metrics: an order, a return, a cancellation.

        ``value`` is what is summed or averaged, ``properties`` whatever else JSON can hold. Never raises,
        never waits; what can't be sent is counted in ``stats()``. Does nothing where there is no collector.
        """
        if self._outlet is not None:
            self._outlet.track(event, context, value, properties)

    # -- how it is ------------------------------------------------------------------------------------

    def stats(self) -> Counts:
        """What became of every event: ``accepted == delivered + pending + sum(dropped.values())``."""
        if self._outlet is not None:
            return self._outlet.stats()
        return {"accepted": 0, "delivered": 0, "pending": 0, "dropped": {}, "losses": []}

    def status(self) -> Status:
        """How the client is: whether it has rules, how old they are, and what is wrong."""
        loaded, outlet, source = self._loaded, self._outlet, self._source
        faults = [fault for fault in (source.fault, outlet.fault if outlet else None) if fault]
        faults += getattr(source, "notes", ())
        state = "NOT_READY" if loaded is None else "READY" if source.fault is None else "STALE"
        return Status(
            state=state,
            source=source.describe(),
            revision=loaded.rules.revision if loaded else None,
            flags=len(loaded.rules.flags) if loaded else 0,
            age=None if source.checked is None else self._clock.monotonic() - source.checked,
            pending=self.stats()["pending"],
            problems=(*faults, *self._driver_faults(), *self._problems),
        )

    def _driver_faults(self) -> list[str]:
        """What keeps threads or tasks from their work."""
        return []

    def describe(self) -> str:
        """Where rules come from and where events go, a line each."""
        events = self._outlet.describe() if self._outlet else "nowhere"
        return f"rules: {self._source.describe()}\nevents: {events}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._source.describe()}>"


def _log(message: str, *args: object) -> None:
    from flagstaff.runtime.notice import warn

    warn("client", message, *args)
