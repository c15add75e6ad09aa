"""Two machines on one driver."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flagstaff.runtime.machine import Machine

__all__ = ["Beside"]


class Beside:
    """A machine, and beside it a guest whose jobs are few and short: the guest goes first when it is due.

    A job of the machine's that takes its time delays the guest by as much.
    """

    def __init__(self, machine: Machine[Any, Any], guest: Machine[Any, Any]) -> None:
        self._machine = machine
        self._guest = guest
        if hasattr(machine, "prepare"):
            self.prepare: Callable[[], None] = machine.prepare
        if hasattr(machine, "interrupt"):
            self.interrupt: Callable[[], None] = machine.interrupt

    def next(self, now: float) -> Any:
        wait = self._guest.next(now)
        if not isinstance(wait, int | float):
            return self._guest, wait
        step = self._machine.next(now)
        return min(step, wait) if isinstance(step, int | float) else (self._machine, step)

    def perform(self, job: tuple[Machine[Any, Any], Any]) -> Any:
        machine, own = job
        return machine.perform(own)

    async def aperform(self, job: tuple[Machine[Any, Any], Any]) -> Any:
        machine, own = job
        return await machine.aperform(own)

    def done(self, job: tuple[Machine[Any, Any], Any], answer: Any, now: float) -> None:
        machine, own = job
        machine.done(own, answer, now)
