"""One machine on one daemon thread."""

from __future__ import annotations

from contextlib import suppress

from flagstaff.runtime.driver import RETIRED_WAIT, Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Any

    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine

__all__ = ["Worker"]


class Worker(Driver):
    """Drives a machine on one daemon thread, which starts when asked and again after a fork.

    Building one starts nothing. Where no thread can be started (a limit is reached, the
    interpreter is shutting down) ``start`` returns False, ``fault`` says why, and the next
    ``start`` tries again.
    """

    _thread: threading.Thread | None
    _stopping: bool
    _guard: threading.RLock
    _bell: threading.Lock

    def __init__(
        self,
        machine: Machine[Any, Any],
        name: str,
        clock: Clock,
        on_fork: Callable[[], None] | None = None,
    ) -> None:
        self._forget()
        super().__init__(machine, name, clock, on_fork)

    @property
    def alive(self) -> bool:
        """Whether the thread runs in this process."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self) -> bool:
        """Make sure that the thread runs; return whether it does. Cheap when it already runs."""
        if self._thread is not None and not self._stopping:
            return True
        with self._guard:
            self._stopping = False
            if self._thread is None:
                self._spawn()
            return self._thread is not None

    def wake(self) -> None:
        """Have the machine asked again soon. Safe from any thread, signal handler or finaliser."""
        if self._bell.locked():
            with suppress(RuntimeError):  # somebody else rang first
                self._bell.release()

    def stop(self, timeout: float) -> bool:
        """Let the thread end after its present job; wait at most ``timeout`` s; return whether it ended.

        A later ``start`` takes the work up again.
        """
        import threading

        thread = self._thread
        self._stopping = True
        self._interrupt()
        self.wake()
        if thread is None:
            return True
        if thread is not threading.current_thread():
            thread.join(timeout)
        return not thread.is_alive()

    def retire(self, goodbye: Callable[[], Any], until: Callable[[], bool], patience: float) -> None:
        """As promised; where no thread runs, ``goodbye`` is called at once."""
        super().retire(goodbye, until, patience)
        self._interrupt()
        if self._thread is None:
            self._leave()

    def _leave(self) -> None:
        goodbye, self._goodbye = self._goodbye, None
        if goodbye is not None:
            with suppress(Exception):  # nobody is left to be told
                goodbye()

    def _forget(self) -> None:
        # Late on purpose: `import flagstaff` must not pay for it.
        import threading

        self._thread = None
        self._stopping = False
        self._guard = threading.RLock()
        self._hang_bell()

    def _hang_bell(self) -> None:
        import threading

        # A bare lock as the bell (released: rung): unlike an Event it has no inner lock that a
        # signal handler, interrupting `set`, would wait for in vain.
        self._bell = threading.Lock()
        self._bell.acquire()

    def _spawn(self) -> None:
        import threading

        self._hang_bell()  # gevent may have come since: a thread of its kind must wait for a lock of its kind
        self._thread = thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self.fault = None
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            self._thread = None
            self.fault = f"{self.name}: no thread can be started ({error})"

    def _run(self) -> None:
        import threading

        me = threading.current_thread()
        try:
            self._prepare()
            while self._may_go_on(me):
                self._turn()
        finally:
            with self._guard:
                if self._thread is me:
                    self._thread = None
            self._leave()

    def _may_go_on(self, me: threading.Thread) -> bool:
        if self._is_retired():
            return False
        if self._thread is me and not self._stopping:
            return True
        with self._guard:  # decided together with `start`, which may want this thread to stay
            if self._thread is me and self._stopping:
                self._thread = None
            return self._thread is me

    def _turn(self) -> None:
        step = self._ask()
        if not isinstance(step, float):
            step = self._tell(step, self._perform(step))
        self._bell.acquire(timeout=step if self._goodbye is None else min(step, RETIRED_WAIT))

    def _perform(self, job: Any) -> Any:
        try:
            return self._machine.perform(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides what to make of it
            return error
        except SystemExit:  # a host's code that wants to leave: not with our thread
            return RuntimeError("SystemExit")
