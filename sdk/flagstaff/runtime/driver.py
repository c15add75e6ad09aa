"""What a thread and a task have in common when they drive a machine."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from weakref import WeakMethod, WeakSet

from flagstaff.runtime.notice import warn
from flagstaff.whole import after_fork_in_child, after_fork_in_parent, before_fork, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine

__all__ = ["Driver"]

_PAUSE = 1.0  # seconds of rest after a machine's own mistake
_LONGEST_WAIT = 3600.0  # seconds; an hourly look costs nothing and forgives a lost wake-up
RETIRED_WAIT = 0.1  # seconds between two looks whether what was to be done is done


class Driver:
    """Asks a machine, tells it what came of its jobs, and survives its mistakes.

    ``fault`` is a sentence about what keeps the driver from its work now, or None. ``on_fork`` is
    a bound method, held weakly, that is called in a child process after every driver there has
    forgotten its dead thread or task; it must start nothing.
    """

    def __init__(
        self,
        machine: Machine[Any, Any],
        name: str,
        clock: Clock,
        on_fork: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.fault: str | None = None
        self._machine = machine
        self._clock = clock
        self._goodbye: Callable[[], Any] | None = None
        self._until: Callable[[], bool] | None = None
        self._patience = 0.0
        self._on_fork = None if on_fork is None else WeakMethod(on_fork)
        _drivers.add(self)
        if self._prepares:
            _let_forks_wait()

    @property
    def _prepares(self) -> bool:
        return hasattr(self._machine, "prepare")

    def _prepare(self) -> None:
        """Have the machine load what its jobs take, before the first one; no fork comes in between."""
        if self._prepares:
            with whole(), suppress(Exception):  # the job itself will say what is missing
                self._machine.prepare()  # type: ignore[attr-defined]

    def wake(self) -> None:
        """Have the machine asked again soon."""
        raise NotImplementedError

    def retire(self, goodbye: Callable[[], Any], until: Callable[[], bool], patience: float) -> None:
        """Have the work end by itself, when ``until`` holds or after ``patience`` seconds, with ``goodbye``.

        Safe in a finaliser: it waits for nothing.
        """
        self._patience = self._clock.monotonic() + patience
        self._until = until
        self._goodbye = goodbye
        self.wake()

    def _is_retired(self) -> bool:
        until = self._until
        return until is not None and (until() or self._clock.monotonic() >= self._patience)

    def _interrupt(self) -> None:
        """Have a job that waits for others end now."""
        if hasattr(self._machine, "interrupt"):
            with suppress(Exception):  # it only shortens a wait
                self._machine.interrupt()

    def _ask(self) -> Any:
        """Return the machine's next job or the seconds to wait."""
        try:
            step = self._machine.next(self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - a machine's bug must not end the work for good
            return self._stumble("next", error)
        if isinstance(step, (int, float)):
            self.fault = None
            return min(max(0.0, float(step)), _LONGEST_WAIT)
        return step

    def _tell(self, job: Any, answer: Any) -> float:
        """Hand a job's answer over; return the seconds to rest before the next question."""
        try:
            self._machine.done(job, answer, self._clock.monotonic())
        except Exception as error:  # noqa: BLE001 - as above
            return self._stumble("done", error)
        self.fault = None
        return 0.0

    def _stumble(self, step: str, error: Exception) -> float:
        """Remember and log a machine's mistake, by type only: its text may hold anything."""
        fault = f"{self.name}: {step} raised {type(error).__name__}"
        if fault != self.fault:
            warn("runtime", "%s; going on in %.0f s", fault, _PAUSE)
        self.fault = fault
        return _PAUSE

    def _forget(self) -> None:
        """Drop, in a child process, whatever lives in the parent only."""
        raise NotImplementedError

    def _report_fork(self) -> None:
        callback = None if self._on_fork is None else self._on_fork()
        if callback is not None:
            callback()


_drivers: WeakSet[Driver] = WeakSet()


def _after_fork_in_child() -> None:
    after_fork_in_child()
    drivers = list(_drivers)
    for driver in drivers:
        driver._forget()
    for driver in drivers:  # only now: an owner may look at several of them
        driver._report_fork()


@cache
def _let_forks_wait() -> None:
    """Have forks wait for preparations from now on."""
    if not hasattr(os, "register_at_fork"):
        return
    # Its lock is taken before a fork, too, and what is registered last is called first: were it
    # the other way round, a fork would wait for a preparation that waits for this lock.
    import logging  # noqa: F401

    os.register_at_fork(before=before_fork, after_in_parent=after_fork_in_parent)


if hasattr(os, "register_at_fork"):
    # One hook for the life of the process: a hook can't be taken back, so it must pin nobody.
    os.register_at_fork(after_in_child=_after_fork_in_child)
