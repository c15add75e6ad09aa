"""The synchronous client: its machines are driven by two threads, and one more for a file of overrides."""

from __future__ import annotations

import os

from flagstaff.shell import Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from flagstaff.net.http import Http
    from flagstaff.runtime.machine import Machine
    from flagstaff.runtime.worker import Worker

__all__ = ["Client"]


class Client(Shell):
    """Flags and experiments, decided in this process by rules that are kept up to date in the background.

        client = Client("https://flags.example.com", key="sdk-...")
        client.enabled("new-checkout", Context("user-42", country="NL"))

    Construction never waits for the network: until rules arrive every decision is the caller's default with
    the reason NOT_READY; ``wait_ready`` waits. Evaluation never raises, never waits and does no I/O. Share
    one client among all threads of a process.
    """

    _http: Http

    def _open(self, http_client: Any) -> Http:
        from threading import Condition

        from flagstaff.net.http import Http

        self._moved = Condition()  # rules arrived, or events left
        self._process = os.getpid()
        self._orphaned = False
        self._rules_worker: Worker | None = None
        self._events_worker: Worker | None = None
        self._overrides_worker: Worker | None = None
        return Http(http_client)

    def _drive(self, machine: Machine[Any, Any] | None) -> None:
        from flagstaff.runtime.worker import Worker

        outlet = self._outlet
        if machine is not None:
            self._rules_worker = Worker(machine, "flagstaff-rules", self._clock, self._forked)
            self._rules_worker.start()
        if outlet is not None:
            self._events_worker = Worker(outlet.sender, "flagstaff-events", self._clock, self._forked)
            outlet.wanted = self._send_soon
            outlet.progressed = self._notify
            if outlet.durable:  # a dead process may have left events behind
                self._events_worker.start()

    def _watch(self, machine: Machine[Any, Any]) -> None:
        from flagstaff.runtime.worker import Worker

        self._overrides_worker = Worker(machine, "flagstaff-overrides", self._clock, self._forked)
        self._overrides_worker.start()

    # -- waiting --------------------------------------------------------------------------------------

    def wait_ready(self, timeout: float = 2.0) -> bool:
        """Wait at most ``timeout`` seconds for rules; whether there are any."""
        self._attend()
        return self._wait(lambda: self._loaded is not None, timeout)

    def flush(self, timeout: float = 5.0) -> bool:
        """Send what waits, for ``timeout`` seconds at most; whether all of it has left (see ``stats()``)."""
        if self._closed:
            return not self.stats()["pending"]
        return self._deliver(timeout)

    def _deliver(self, timeout: float) -> bool:
        outlet, worker = self._outlet, self._events_worker
        if outlet is None or worker is None:
            return True
        mark = outlet.sender.flush(timeout)
        worker.start()
        worker.wake()
        return self._wait(lambda: outlet.sender.flushed(mark), timeout)

    def close(self, timeout: float = 2.0) -> None:
        """Deliver what waits and stop, within ``timeout`` seconds in all. Flags can still be asked for.

        What could not be delivered waits on disk for the next process, or, with the durability "memory", is
        counted in ``stats()`` under ``shutdown``. Closing twice does nothing.
        """
        if self._closed:
            return
        self._closed = True
        deadline = self._clock.monotonic() + timeout
        self._deliver(timeout)
        for worker in (self._rules_worker, self._events_worker, self._overrides_worker):
            if worker is not None:
                worker.stop(max(0.0, deadline - self._clock.monotonic()))
        self._let_go()
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

    def _send_soon(self) -> None:
        worker = self._events_worker
        if worker is not None and not self._closed:
            worker.start()
            worker.wake()

    def _attend(self) -> None:
        if self._orphaned:
            self._orphaned = False
            for worker in (self._rules_worker, self._overrides_worker):
                if worker is not None and not self._closed:
                    worker.start()

    def _forked(self) -> None:
        """In a child: the parent's events are its own, and the next evaluation starts our threads."""
        from threading import Condition

        if self._process == os.getpid():
            return  # both workers tell
        self._process = os.getpid()
        self._orphaned = True
        self._moved = Condition()
        if self._outlet is not None:
            self._outlet.forked()
        self._adopt(self._table.snapshot)

    def _driver_faults(self) -> list[str]:
        workers = (self._rules_worker, self._events_worker, self._overrides_worker)
        return [worker.fault for worker in workers if worker is not None and worker.fault is not None]
