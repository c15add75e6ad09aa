"""Answers whose body goes on: read piece by piece, given up when it falls silent, ended from outside."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from flagstaff.net.message import TransportError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, Iterator, Mapping
    from contextlib import AsyncExitStack, ExitStack

    from flagstaff.net.exchange import Exchange, Patience

__all__ = ["AsyncStream", "Stream"]


class Stream:
    """An open answer, read by one thread of the process that opened it."""

    def __init__(self, context: ExitStack, answer: Any, exchange: Exchange, patience: Patience) -> None:
        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self._context = context
        self._answer = answer
        self._exchange = exchange
        self._patience = patience
        self._process = os.getpid()
        self._chunks: Iterator[bytes] = iter(()) if answer.is_stream_consumed else answer.iter_raw()

    @property
    def usable(self) -> bool:
        """Whether it is this process's: a child shares its parent's sockets and must not touch them."""
        return self._process == os.getpid()

    def read(self, seconds: float) -> bytes:
        """The next bytes, none at the end. TransportError ``timeout`` when there are none for that long."""
        self._patience.renew(seconds)
        try:
            return next(self._chunks, b"")
        except Exception as error:  # noqa: BLE001 - a client's exceptions are its own; ours has no secrets
            raise self._exchange.broken_off(error, seconds) from None

    def interrupt(self) -> None:
        """Make the read that is under way, and every later one, end at once. From any thread."""
        import socket

        with suppress(Exception):  # gone already, or a transport without a socket
            network = self._answer.extensions["network_stream"]
            network.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        with suppress(Exception):  # it is over either way
            self._context.close()


class AsyncStream:
    """The same for one task of the loop that opened it."""

    def __init__(self, context: AsyncExitStack, answer: Any, exchange: Exchange) -> None:
        import asyncio

        self.status: int = answer.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self._context = context
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._chunks: AsyncGenerator[bytes, None] | None = (
            None if answer.is_stream_consumed else answer.aiter_raw()
        )
        self._scope: asyncio.Timeout | None = None

    @property
    def usable(self) -> bool:
        """Whether it belongs to the loop that runs now."""
        import asyncio

        return self._loop is asyncio.get_running_loop()

    async def read(self, seconds: float) -> bytes:
        """As ``Stream.read``."""
        import asyncio

        if self._chunks is None:
            return b""
        try:
            async with asyncio.timeout(seconds) as self._scope:
                return await anext(self._chunks, b"")
        except Exception as error:  # noqa: BLE001 - as above
            raise self._exchange.broken_off(error, seconds) from None
        finally:
            self._scope = None

    def interrupt(self) -> None:
        """As ``Stream.interrupt``, from the loop."""
        if self._scope is not None:
            with suppress(RuntimeError):  # over in this very moment
                self._scope.reschedule(self._loop.time())

    async def close(self) -> None:
        """Hang up."""
        with suppress(Exception):  # it is over either way
            if self._chunks is not None:
                await self._chunks.aclose()  # first: what is left to the garbage collector can't be awaited
        with suppress(Exception):
            await self._context.aclose()


def open_stream(exchange: Exchange, answer: Any) -> bool:
    """Whether the answer is the last one, no redirect; TransportError where it can't be read as it comes."""
    if exchange.follows(answer):
        return False
    if answer.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise TransportError("encoding", f"{exchange.host} answered in an encoding that was not asked for")
    return True
