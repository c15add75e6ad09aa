"""The synchronous client: its machines are driven by at most two threads."""

from __future__ import annotations

from flagstaff.plan import Plan, document_source, file_source
from flagstaff.shell import Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import EllipsisType, TracebackType
    from typing import Any, Self

    from flagstaff.events.transport import Sink
    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.clock import Clock
    from flagstaff.settings import Secret
    from flagstaff.sources import Source

__all__ = ["Client"]


class Client(Shell):
    """Flags and experiments, decided in this process by rules that are kept up to date in the background.

        client = Client("https://flags.example.com", key="sdk-...")
        client.enabled("new-checkout", Context("user-42", country="NL"))

    Construction never waits for the network: until rules arrive every decision is the caller's default with
    the reason NOT_READY; ``wait_ready`` waits. Evaluation never raises, never waits and does no I/O. Share
    one client among all threads of a process.
    """

    def __init__(
        self,
        source: str | Source | None = None,
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
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
        ``format``
            Which dialect the rules are written in: native, or auto.
        ``http_client``
            An ``httpx.Client`` of your own, for proxies, certificates or tests; it is never closed here.
        ``clock``
            Where the time comes from; for tests.
        """
        from threading import Condition

        from flagstaff.net.http import Http
        from flagstaff.runtime.worker import Worker

        self._http = Http(http_client)
        plan = Plan(
            source=source,
            events=events,
            key=key,
            poll_interval=poll_interval,
            flush_interval=flush_interval,
            format=format,
            clock=clock,
            http=self._http,
        )
        super().__init__(plan.source, plan.outlet, plan.settings, plan.clock)
        self._closed = False
        self._orphaned = False
        self._moved = Condition()  # rules arrived, or events left
        machine = plan.source.attach(self._arrive)
        self._rules_worker = None
        self._events_worker = None
        if machine is not None:
            self._rules_worker = Worker(machine, "flagstaff-rules", plan.clock, self._forked)
            self._rules_worker.start()
        if plan.outlet is not None:
            self._events_worker = Worker(plan.outlet.sender, "flagstaff-events", plan.clock, self._forked)
            plan.outlet.wanted = self._send_soon
            plan.outlet.progressed = self._notify

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
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
            http_client=http_client,
            clock=clock,
        )

    # -- waiting --------------------------------------------------------------------------------------

    def wait_ready(self, timeout: float = 2.0) -> bool:
        """Wait at most ``timeout`` seconds for rules; whether there are any."""
        self._attend()
        return self._wait(lambda: self._loaded is not None, timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what waits, for ``timeout`` seconds at most; whether all of it was delivered."""
        outlet, worker = self._outlet, self._events_worker
        if outlet is None or worker is None:
            return True
        mark = outlet.sender.flush(timeout)
        worker.start()
        worker.wake()
        return self._wait(lambda: outlet.sender.flushed(mark), timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Deliver what waits and stop, within ``timeout`` seconds in all. Flags can still be asked for.

        What could not be delivered is counted in ``stats()`` under ``shutdown``. Closing twice does nothing.
        """
        if self._closed:
            return
        self._closed = True
        deadline = self._clock.monotonic() + timeout
        self.flush(timeout)
        for worker in (self._rules_worker, self._events_worker):
            if worker is not None:
                worker.stop(max(0.0, deadline - self._clock.monotonic()))
        if self._outlet is not None:
            self._outlet.close()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, done: Callable[[], bool], timeout: float) -> bool:
        with self._moved:
            return self._moved.wait_for(done, max(0.0, timeout))

    def _notify(self) -> None:
        with self._moved:
            self._moved.notify_all()

    # -- driving --------------------------------------------------------------------------------------

    def _arrive(self, loaded: Loaded) -> None:
        super()._arrive(loaded)
        self._notify()

    def _send_soon(self) -> None:
        worker = self._events_worker
        if worker is not None and not self._closed:
            worker.start()
            worker.wake()

    def _attend(self) -> None:
        if self._orphaned:
            self._orphaned = False
            if self._rules_worker is not None and not self._closed:
                self._rules_worker.start()

    def _forked(self) -> None:
        """In a child: the parent's events are its own, and the next evaluation starts our threads."""
        from threading import Condition

        if self._orphaned:
            return
        self._orphaned = True
        self._moved = Condition()
        if self._outlet is not None:
            self._outlet.forked()
        self._adopt(self._table.snapshot)

    def _driver_faults(self) -> list[str]:
        workers = (self._rules_worker, self._events_worker)
        return [worker.fault for worker in workers if worker is not None and worker.fault is not None]
