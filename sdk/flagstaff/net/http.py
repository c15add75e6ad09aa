"""HTTP with a bound on everything: total time, decoded size, redirects, where the key goes."""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from threading import RLock

from flagstaff.net import guard
from flagstaff.net.exchange import Exchange, Patience
from flagstaff.net.message import Request, Response, TransportError, host_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from flagstaff.net.stream import AsyncStream, Stream

__all__ = ["AsyncHttp", "Http", "Request", "Response", "TransportError"]

# A socket's patience is real time, whatever clock the rest of the package was given.
_monotonic = time.monotonic  # noqa: TID251

# Seconds. Servers commonly hang up after five: a connection of that age may be gone in the very
# moment that it is used again.
_KEEP_ALIVE = 2.0


class _Gated:
    """What both have in common: a client of their own passes the gate that tests may have shut."""

    _given: Any

    def expect(self, url: str) -> None:
        """Say, when a client is made, where its requests will go; raises what the gate does."""
        if self._given is None:
            guard.check(host_of(url), planned=True)


class Http(_Gated):
    """Sends requests, blocking; may be shared by threads and survives a fork.

    Without a ``client`` of the caller's (anything of httpx's shape) it makes its own with the
    first request, one per process, with the environment's proxies. A client of the caller's is
    used as it is and never closed. Only a name's resolution can outlast a request's total
    deadline; with the caller's own client, also a server that drips its headers.
    """

    def __init__(self, client: Any = None) -> None:
        self._given = client
        # By process id: a child must not touch sockets that it shares with its parent, nor close them.
        self._own: dict[int, _Own] = {}
        self._closed = False

    def prepare(self) -> None:
        """Load all that the first request takes; no fork may come in between. No network."""
        _load()
        process = os.getpid()
        if self._given is None and not self._closed and process not in self._own:
            self._adopt(process, _Own(_new_client()))

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status; raises TransportError when there is none."""
        exchange = Exchange(request, _monotonic)
        with _kept_in(exchange):
            return self._exchange(exchange)

    def open(self, request: Request, silence: float) -> Stream:
        """Return an answer whose body goes on; the request's timeout is for its head alone.

        ``silence`` is the longest time in seconds that it will be waited for more of it.
        """
        from flagstaff.net.stream import Stream

        patience = Patience(silence, _monotonic)
        patience.renew(request.timeout)
        exchange = Exchange(request, _monotonic, patience)
        with _kept_in(exchange):
            context, answer = self._opened(exchange)
        return Stream(context, answer, exchange, patience)

    def _exchange(self, exchange: Exchange) -> Response:
        with self._client(exchange) as client:
            while True:
                with client.stream(**exchange.arguments()) as answer:
                    body = exchange.opened(answer)
                    if body is None:
                        continue
                    for chunk in () if answer.is_stream_consumed else answer.iter_raw():
                        exchange.check()
                        body.feed(chunk)
                    return exchange.closed(answer, body)

    def _opened(self, exchange: Exchange) -> tuple[ExitStack, Any]:
        from flagstaff.net.stream import open_stream

        while True:
            with ExitStack() as stack:
                client = stack.enter_context(self._client(exchange))
                answer = stack.enter_context(client.stream(**exchange.arguments()))
                if open_stream(exchange, answer):
                    return stack.pop_all(), answer

    def close(self) -> None:
        """Close the client of our own, once no request uses it; later ones are refused."""
        self._closed = True
        client = self._own.pop(os.getpid(), None)
        if client is not None:
            client.close()

    def _client(self, exchange: Exchange) -> AbstractContextManager[Any]:
        if self._closed:
            raise TransportError("closed", f"{exchange.host}: the client is closed")
        if self._given is not None:
            return nullcontext(self._given)
        guard.check(exchange.host)
        process = os.getpid()
        return self._own.get(process) or self._adopt(process, _Own(_new_client()))

    def _adopt(self, process: int, client: _Own) -> _Own:
        """Keep a new client unless another thread was faster."""
        kept = self._own.setdefault(process, client)
        if kept is not client:
            client.close()
        return kept


class _Own:
    """A client that is closed by whoever uses it last.

    To close a socket under a thread that waits for it frees its number for the host's next file, and TLS goes
    on to read and write by number.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._users = 0
        self._closed = False
        self._guard = RLock()  # a signal's handler may close amid a request of its own thread

    def __enter__(self) -> Any:
        with self._guard:
            self._users += 1
        return self._client

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self._users -= 1
            unused = self._closed and not self._users
        if unused:
            self._client.close()

    def close(self) -> None:
        """Close it, or have it closed."""
        with self:
            self._closed = True


class AsyncHttp(_Gated):
    """Sends requests, awaiting; the same promises as ``Http``, and a new client for a new event loop."""

    def __init__(self, client: Any = None) -> None:
        self._given = client
        self._own: dict[asyncio.AbstractEventLoop, Any] = {}
        self._verify: Any = True
        self._closed = False

    def prepare(self) -> None:
        """Load all that the first request takes, in a thread: it would hold up a loop. No network."""
        import httpx

        _load()
        if self._given is None and self._verify is True:
            self._verify = httpx.create_ssl_context()

    async def send(self, request: Request) -> Response:
        """Return the answer, whatever its status; raises TransportError when there is none."""
        import asyncio

        exchange = Exchange(request, _monotonic)
        with _kept_in(exchange):
            async with asyncio.timeout(max(0.0, exchange.left())):
                return await self._exchange(exchange)

    async def open(self, request: Request, silence: float) -> AsyncStream:
        """As ``Http.open``."""
        import asyncio

        exchange = Exchange(request, _monotonic, Patience(silence, _monotonic))
        with _kept_in(exchange):
            async with asyncio.timeout(request.timeout):
                return await self._open(exchange)

    async def _open(self, exchange: Exchange) -> AsyncStream:
        from flagstaff.net.stream import AsyncStream, open_stream

        client = self._client(exchange)
        while True:
            async with AsyncExitStack() as stack:
                answer = await stack.enter_async_context(client.stream(**exchange.arguments()))
                if open_stream(exchange, answer):
                    return AsyncStream(stack.pop_all(), answer, exchange)

    async def close(self) -> None:
        """Close the client of our own in this loop; later requests are refused."""
        import asyncio

        self._closed = True
        client = self._own.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _exchange(self, exchange: Exchange) -> Response:
        client = self._client(exchange)
        while True:
            async with client.stream(**exchange.arguments()) as answer:
                body = exchange.opened(answer)
                if body is None:
                    continue
                if not answer.is_stream_consumed:
                    async for chunk in answer.aiter_raw():
                        body.feed(chunk)
                return exchange.closed(answer, body)

    def _client(self, exchange: Exchange) -> Any:
        import asyncio

        if self._closed:
            raise TransportError("closed", f"{exchange.host}: the client is closed")
        if self._given is not None:
            return self._given
        guard.check(exchange.host)
        loop = asyncio.get_running_loop()
        if loop not in self._own:
            # The connections of a loop that is gone can't be closed any more, only let go.
            self._own = {other: kept for other, kept in self._own.items() if not other.is_closed()}
            self._own[loop] = _new_async_client(self._verify)
        return self._own[loop]


@contextmanager
def _kept_in(exchange: Exchange) -> Iterator[None]:
    """What a client raises becomes a TransportError, which has no secrets; what it logs names no address."""
    from flagstaff.net.discretion import discreetly

    try:
        with discreetly():
            yield
    except Exception as error:  # noqa: BLE001 - a client may be the host's, and its exceptions are its own
        raise exchange.failed(error) from None


def _load() -> None:
    """Import what a request imports, down to the codec of host names."""
    import encodings.idna  # noqa: F401
    import zlib  # noqa: F401

    import httpx  # noqa: F401

    import flagstaff.net.discretion
    import flagstaff.net.sockets
    import flagstaff.net.sse
    import flagstaff.net.stream  # noqa: F401


def _new_client() -> Any:
    import httpx

    from flagstaff.net.sockets import keep_deadlines

    client = httpx.Client(cookies=_no_cookies(), limits=httpx.Limits(keepalive_expiry=_KEEP_ALIVE))
    keep_deadlines(client)
    return client


def _new_async_client(verify: Any) -> Any:
    import httpx

    limits = httpx.Limits(keepalive_expiry=_KEEP_ALIVE)
    return httpx.AsyncClient(verify=verify, cookies=_no_cookies(), limits=limits)


def _no_cookies() -> Any:
    """A jar that stays empty: what servers set would pile up over months of polling."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
