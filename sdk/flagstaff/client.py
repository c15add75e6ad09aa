"""The synchronous client: its machines are driven by two threads at most."""

from __future__ import annotations

import math
import os
from functools import partial
from weakref import finalize

from flagstaff.diagnosis import greenlets
from flagstaff.runtime.beside import Beside
from flagstaff.runtime.closing import close
from flagstaff.runtime.leaving import Leavers, nothing
from flagstaff.runtime.weak import weakly
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


_START_AGAIN = 1.0  # seconds after which threads that could not be started are tried again

_UNTOLD = "this process was forked behind Python's back: rules stand still in it, and events wait on disk"


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
        self._watched: Machine[Any, Any] | None = None
        self._attended = -math.inf
        http = Http(http_client)
        self._leavers = leavers = Leavers(http)
        self._finalizer = finalize(self, leavers.leave)
        self._finalizer.atexit = False  # then there is nothing to tidy up for
        return http

    def _drive(self, machine: Machine[Any, Any] | None) -> None:
        from flagstaff.runtime.worker import Worker

        outlet, watched = self._outlet, self._watched
        if machine is not None:
            self._rules_worker = Worker(machine, "flagstaff-rules", self._clock, self._forked)
            self._leavers.add(self._rules_worker, partial(close, self._source))
        if watched is not None and (machine is None or outlet is None):
            self._overrides_worker = Worker(watched, "flagstaff-overrides", self._clock, self._forked)
            self._leavers.add(self._overrides_worker, nothing)
            watched = None
        if outlet is not None:
            # Not beside the rules, which may wait in a stream.
            sender = outlet.sender if watched is None else Beside(outlet.sender, watched)
            self._events_worker = Worker(sender, "flagstaff-events", self._clock, self._forked)
            outlet.wanted = weakly(self._send_soon)
            outlet.progressed = weakly(self._notify)
            self._leavers.add(self._events_worker, outlet.close, outlet.drained)
        self._start()

    def _start(self) -> None:
        """Start what is to run at all times; what can't be started now is tried again by evaluations."""
        workers = [self._rules_worker, self._overrides_worker]
        # A dead process may have left events behind, and a file of overrides be watched beside ours.
        if self._outlet is not None and (self._outlet.durable or self._watched is not None):
            workers.append(self._events_worker)
        started = [worker.start() for worker in workers if worker is not None]
        self._orphaned = not all(started)
        self._greenlets = greenlets()
        self._attended = self._clock.monotonic()

    def _watch(self, machine: Machine[Any, Any]) -> None:
        self._watched = machine

    # -- waiting --------------------------------------------------------------------------------------

    def wait_ready(self, timeout: float = 2.0) -> bool:
        """Wait at most ``timeout`` seconds for rules; whether there are any."""
        self._attend()
        return self._wait(lambda: self._rules.loaded is not None, timeout)

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
        self._finalizer.detach()
        deadline = self._clock.monotonic() + timeout
        self._deliver(timeout)
        for worker in (self._rules_worker, self._events_worker, self._overrides_worker):
            if worker is not None:
                worker.stop(max(0.0, deadline - self._clock.monotonic()))
        close(self._source)
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
        """Start the threads that a fork has left behind, or that could not be started so far."""
        if self._orphaned and not self._closed and self._clock.monotonic() >= self._attended + _START_AGAIN:
            self._start()

    def _publish(self, table: Any, flag: Any) -> None:
        if not self._orphaned:  # else evaluations have to come by here
            super()._publish(table, flag)

    def _forked(self) -> None:
        """In a child: the parent's events are its own, and the next evaluation starts our threads."""
        from threading import Condition

        if self._process == os.getpid():
            return  # both workers tell
        self._process = os.getpid()
        self._orphaned = True
        self._attended = -math.inf
        self._moved = Condition()
        if self._outlet is not None:
            self._outlet.forked()
        self._adopt(self._table.snapshot)

    def _driver_faults(self) -> list[str]:
        if self._process != os.getpid():
            return [_UNTOLD]
        workers = (self._rules_worker, self._events_worker, self._overrides_worker)
        faults = [worker.fault for worker in workers if worker is not None and worker.fault is not None]
        if self._orphaned and not faults and self._attended == -math.inf:
            faults.append("this process was forked; its threads start with the first evaluation")
        return faults

    def _driver_remedy(self) -> str:
        if self._process != os.getpid():
            return "Make the client after the fork, or have uWSGI call hooks: --py-call-uwsgi-fork-hooks."
        return "Make room for threads (ulimit -u, cgroup pids); they are tried again every second."
