"""One machine in one asyncio task."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flagstaff.runtime.driver import RETIRED_WAIT, Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine

__all__ = ["TaskDriver"]

_CANCEL_GRACE = 1.0  # seconds for a cancelled job to let go of its connection


class TaskDriver(Driver):
    """Drives a machine in one task of the running event loop; the same scenario as a ``Worker``.

    Building one starts nothing and needs no loop. When the loop was closed or replaced, or the
    process forked, ``start`` begins anew in the loop that runs now.
    """

    def __init__(
        self,
        machine: Machine[Any, Any],
        name: str,
        clock: Clock,
        on_fork: Callable[[], None] | None = None,
    ) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._bell = asyncio.Event()
        self._stopping = False
        self._cut_off = False
        self._inherited: list[object] = []
        super().__init__(machine, name, clock, on_fork)

    @property
    def alive(self) -> bool:
        """Whether the task runs in a loop that is open."""
        task, loop = self._task, self._loop
        if task is None or loop is None or loop.is_closed():
            return False
        # Not `task.cancelling()`: that is also true while a timeout inside of a job takes effect.
        return not (task.done() or self._cut_off)

    def start(self) -> bool:
        """Make sure that the task runs in the present loop; return whether it does (False: no loop)."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.fault = f"{self.name}: no event loop is running here"
            return False
        self._stopping = False
        if not (self.alive and self._loop is loop):
            self._loop = loop
            self._bell = asyncio.Event()
            self._task = loop.create_task(self._run(), name=self.name)
            self._cut_off = False
            self.fault = None
        return True

    def wake(self) -> None:
        """Have the machine asked again soon. Safe from any thread; nothing happens without a loop."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with suppress(RuntimeError):  # closed in this very moment
                loop.call_soon_threadsafe(self._bell.set)

    async def stop(self, timeout: float) -> bool:  # noqa: ASYNC109 - a bound, then a cancellation
        """Let the task end after its present job, cancel it after ``timeout`` s; return whether it ended."""
        task = self._task
        self._stopping = True
        self._bell.set()
        if task is None or not self.alive:
            return True
        if task is asyncio.current_task() or self._loop is not asyncio.get_running_loop():
            return False
        self._interrupt()
        await asyncio.wait({task}, timeout=timeout)
        if not task.done():
            self._cut_off = True
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_GRACE)
        return task.done()

    def retire(self, goodbye: Callable[[], Any], until: Callable[[], bool], patience: float) -> None:
        """As promised, from any thread; where no task runs, nobody says goodbye."""
        super().retire(goodbye, until, patience)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with suppress(RuntimeError):  # closed in this very moment
                loop.call_soon_threadsafe(self._interrupt)

    def _forget(self) -> None:
        # Kept, not dropped: a pending task that is collected complains, and this one is the parent's.
        self._inherited += [self._loop, self._task, self._bell]
        self._loop = self._task = None
        self._bell = asyncio.Event()
        self._stopping = False

    async def _run(self) -> None:
        me = asyncio.current_task()
        if self._prepares:  # not in this loop: imports take a while
            await asyncio.to_thread(self._prepare)
        while self._task is me and not self._stopping and not self._is_retired():
            self._bell.clear()
            step = self._ask()
            if not isinstance(step, float):
                answer = await self._perform(step)
                if self._task is not me:
                    return  # cut off, but it would not be cancelled: another task has the job now
                step = self._tell(step, answer)
            await self._wait(step)
        if self._goodbye is not None:
            with suppress(Exception):  # nobody is left to be told
                await self._goodbye()

    async def _wait(self, seconds: float) -> None:
        if seconds <= 0 or self._stopping:
            await asyncio.sleep(0)  # a machine that is never idle must not starve the loop
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds if self._goodbye is None else min(seconds, RETIRED_WAIT)):
                await self._bell.wait()

    async def _perform(self, job: Any) -> Any:
        try:
            return await self._machine.aperform(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the machine decides what to make of it
            return error
