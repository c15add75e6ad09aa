"""What becomes of the threads and tasks of an owner that was dropped without a word."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from flagstaff.runtime.driver import Driver

__all__ = ["AsyncLeavers", "Leavers", "at_once", "nothing"]

_PATIENCE = 2.0  # seconds for what waits to be delivered; as long as closing takes at most


def at_once() -> bool:
    """No reason to go on."""
    return True


def nothing() -> None:
    """No reason to do anything."""


class Leavers:
    """The drivers that work for an owner: each leaves by itself when its work is done.

    ``last`` has a method ``close``, which the last of them to go calls.
    """

    def __init__(self, last: Any) -> None:
        self._last = last
        self._left = 0
        self._leaving: list[tuple[Driver, Callable[[], Any], Callable[[], bool]]] = []

    def add(self, driver: Driver, goodbye: Callable[[], Any], until: Callable[[], bool] = at_once) -> None:
        """``driver`` is to go on until ``until`` holds, two seconds at most, and to go with ``goodbye``."""
        self._leaving.append((driver, goodbye, until))

    def leave(self) -> None:
        """Have all of them leave. A finaliser's: it waits for nothing."""
        if sys.is_finalizing():
            return
        self._left = len(self._leaving)
        for driver, goodbye, until in self._leaving:
            driver.retire(self._after(goodbye), until, _PATIENCE)

    def _after(self, goodbye: Callable[[], Any]) -> Callable[[], Any]:
        def leave() -> None:
            try:
                goodbye()
            finally:
                if self._is_last():
                    self._last.close()

        return leave

    def _is_last(self) -> bool:
        self._left -= 1
        return self._left == 0


class AsyncLeavers(Leavers):
    """The same where saying goodbye is awaited."""

    def _after(self, goodbye: Callable[[], Awaitable[Any] | None]) -> Callable[[], Any]:
        async def leave() -> None:
            try:
                said = goodbye()
                if said is not None:
                    await said
            finally:
                if self._is_last():
                    await self._last.close()

        return leave
