"""A source's machine that somebody looks at after each of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.runtime.machine import Machine

__all__ = ["Told"]


class Told:
    """Calls ``told`` whenever the machine has taken in what came of a job."""

    def __init__(self, machine: Machine[Any, Any], told: Callable[[], None]) -> None:
        self._machine = machine
        self._told = told
        if hasattr(machine, "prepare"):
            self.prepare: Callable[[], None] = machine.prepare
        if hasattr(machine, "interrupt"):
            self.interrupt: Callable[[], None] = machine.interrupt

    def next(self, now: float) -> Any:
        return self._machine.next(now)

    def perform(self, job: Any) -> Any:
        return self._machine.perform(job)

    async def aperform(self, job: Any) -> Any:
        return await self._machine.aperform(job)

    def done(self, job: Any, answer: Any, now: float) -> None:
        self._machine.done(job, answer, now)
        self._told()
