"""The asynchronous client: the same shell, its machines driven by tasks of the running loop."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from weakref import finalize

from flagstaff.runtime.closing import aclose
from flagstaff.runtime.leaving import AsyncLeavers, nothing
from flagstaff.runtime.weak import weakly
from flagstaff.shell import Shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from flagstaff.net.http import AsyncHttp
    from flagstaff.runtime.machine import Machine
    from flagstaff.runtime.task import TaskDriver

__all__ = ["AsyncClient"]


class AsyncClient(Shell):
    """``Client`` for asyncio: evaluation is a plain call; what waits is awaited.

        async with AsyncClient("https://flags.example.com", key="sdk-...") as client:
            await client.wait_ready()
            client.enabled("new-checkout", Context("user-42", country="NL"))

    Only ``start`` (which ``async with`` calls), ``wait_ready``, ``flush`` and ``close`` are awaited.
    """

    _http: AsyncHttp

    def _open(self, http_client: Any) -> AsyncHttp:
        from flagstaff.net.http import AsyncHttp

        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._drivers: list[TaskDriver] = []
        self._sender: TaskDriver | None = None
        http = AsyncHttp(http_client)
        self._leavers = leavers = AsyncLeavers(http)
        self._finalizer = finalize(self, leavers.leave)
        self._finalizer.atexit = False  # then there is nothing to tidy up for
        return http

    def _drive(self, machine: Machine[Any, Any] | None) -> None:
        from flagstaff.runtime.task import TaskDriver

        outlet = self._outlet
        if machine is not None:
            driver = TaskDriver(machine, "flagstaff-rules", self._clock)
            self._drivers.append(driver)
            self._leavers.add(driver, partial(aclose, self._source))
        if outlet is not None:
            self._sender = TaskDriver(outlet.sender, "flagstaff-events", self._clock, self._forked)
            self._drivers.append(self._sender)
            outlet.wanted = self._sender.wake
            outlet.progressed = weakly(self._notify)
            self._leavers.add(self._sender, outlet.close, outlet.drained)

    def _watch(self, machine: Machine[Any, Any]) -> None:
        from flagstaff.runtime.task import TaskDriver

        driver = TaskDriver(machine, "flagstaff-overrides", self._clock)
        self._drivers.append(driver)
        self._leavers.add(driver, nothing)

    # -- waiting --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to fetch and to send, in tasks of the running loop. Starting twice does nothing."""
        if not self._closed:
            for driver in self._drivers:
                driver.start()

    async def wait_ready(self, timeout: float = 2.0) -> bool:  # noqa: ASYNC109 - the promise is a bound
        """Wait at most ``timeout`` seconds for rules; whether there are any."""
        await self.start()
        return await self._wait(lambda: self._rules.loaded is not None, timeout)

    async def flush(self, timeout: float = 5.0) -> bool:  # noqa: ASYNC109
        """Send what waits, for ``timeout`` seconds at most; whether all of it has left (see ``stats()``)."""
        if self._closed:
            return not self.stats()["pending"]
        await self.start()
        return await self._deliver(timeout)

    async def _deliver(self, timeout: float) -> bool:  # noqa: ASYNC109
        outlet, sender = self._outlet, self._sender
        if outlet is None or sender is None:
            return True
        mark = outlet.sender.flush(timeout)
        sender.start()
        sender.wake()
        return await self._wait(lambda: outlet.sender.flushed(mark), timeout)

    async def close(self, timeout: float = 2.0) -> None:  # noqa: ASYNC109
        """Deliver what waits and stop, within ``timeout`` seconds in all. Flags can still be asked for.

        What could not be delivered waits on disk for the next process, or, with the durability "memory", is
        counted in ``stats()`` under ``shutdown``. Closing twice does nothing.
        """
        if self._closed:
            return
        self._closed = True
        self._finalizer.detach()
        deadline = self._clock.monotonic() + timeout
        await self._deliver(timeout)
        for driver in self._drivers:
            await driver.stop(max(0.0, deadline - self._clock.monotonic()))
        await aclose(self._source)
        if self._outlet is not None:
            self._outlet.close()
        await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _wait(self, done: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109
        import asyncio

        moved = asyncio.Event()
        waiter = (asyncio.get_running_loop(), moved)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(max(0.0, timeout)):
                while not done():
                    await moved.wait()
                    moved.clear()
        except TimeoutError:
            pass
        finally:
            self._waiters.remove(waiter)
        return done()

    def _notify(self) -> None:
        for loop, moved in list(self._waiters):
            with suppress(RuntimeError):  # a loop that was closed under those who waited in it
                loop.call_soon_threadsafe(moved.set)

    # -- driving --------------------------------------------------------------------------------------

    def _forked(self) -> None:
        """In a child: what the parent recorded is the parent's."""
        if self._outlet is not None:
            self._outlet.forked()

    def _driver_faults(self) -> list[str]:
        faults = [driver.fault for driver in self._drivers if driver.fault is not None]
        if not self._closed and not all(driver.alive for driver in self._drivers):
            faults.append("the client is not started here: use `async with`, or await start()")
        return faults

    def _driver_remedy(self) -> str:
        return "Await start() in the event loop that runs, or use `async with`."
