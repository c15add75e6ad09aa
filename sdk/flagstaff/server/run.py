"""Running the development server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import uvicorn
from starlette.applications import Starlette

from flagstaff.errors import ServeError
from flagstaff.server.app import create_app
from flagstaff.server.feed import Feed
from flagstaff.server.rules import RulesFile, Served
from flagstaff.server.store import EventStore

__all__ = ["serve"]

_WATCH_SECONDS = 0.5
_GRACE_SECONDS = 5
# Longer than any client's polling interval, so that a poll never meets a connection just closed.
_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - translated, not bound
_BIND_PROBLEMS = {
    errno.EADDRINUSE: "is in use; choose another with --port",
    errno.EACCES: "is not open to this user; choose a port above 1023 with --port",
    errno.EADDRNOTAVAIL: "is no address of this machine; choose another with --host",
}


def serve(
    path: str | os.PathLike[str],
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    events: str | os.PathLike[str],
    load: Callable[[], Served],
    key: str | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the rules file at ``path`` and collect into the SQLite file ``events`` until SIGTERM or SIGINT.

    ``load`` reads and checks the rules file; it is called again whenever the file changes. Port 0
    takes a free port; ``ready`` is called once with the base URL when requests are answered.
    Returns after open requests are done. Raises RulesError, ServeError (no rules file, an event file
    that can't be used, an address in use) or ConfigError before anything is served.
    """
    rules = RulesFile(path, load)
    feed = Feed(rules)
    _allow_many_listeners()
    with EventStore(events) as store, _listen(host, port) as listener:
        url = _url(host, listener.getsockname()[1])
        app = create_app(rules, store, key, feed)
        server = _Server(_config(app), partial(ready or _say_nothing, url), feed)
        with _signals_stop(server):
            asyncio.run(_run(server, listener, rules, feed))


class _Server(uvicorn.Server):
    """uvicorn's server that says when it is up, and lets those who listen go when it is to stop."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], feed: Feed) -> None:
        super().__init__(config)
        self._announce = started
        self._feed = feed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        await super().shutdown(sockets)


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _run(server: uvicorn.Server, listener: socket.socket, rules: RulesFile, feed: Feed) -> None:
    watcher = asyncio.create_task(_watch(rules, feed))
    try:
        await server.serve(sockets=[listener])
    finally:
        watcher.cancel()


async def _watch(rules: RulesFile, feed: Feed) -> None:
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        if await asyncio.to_thread(rules.refresh):
            feed.announce()


def _allow_many_listeners() -> None:
    """Each holds a connection open: take as many descriptors as this process may have."""
    try:
        import resource
    except ImportError:
        return  # a system without that limit
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a wrong address is one sentence and no log."""
    if not 0 <= port <= 65535:
        raise ServeError(f"{port} is no port; choose one from 0 to 65535 with --port")
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=_BACKLOG)
    except OSError as error:
        problem = _BIND_PROBLEMS.get(error.errno or 0, f"can't be opened: {error.strerror or error}")
        raise ServeError(f"{_address(host, port)} {problem}") from error
    # Connections inherit it; without it each small answer waits 40 ms for the peer's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _say_nothing(_url: str) -> None:
    pass


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(host: str, port: int) -> str:
    """Name the server as this machine reaches it."""
    return f"http://{_address(_EVERYWHERE.get(host, host), port)}"


@contextmanager
def _signals_stop(server: uvicorn.Server) -> Iterator[None]:
    """Make SIGINT and SIGTERM an orderly return.

    uvicorn handles them while it serves and raises them again when it is done: that second time,
    and any that come before it is up, end here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
