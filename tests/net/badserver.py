"""A server on loopback that misbehaves on purpose: raw HTTP/1.1, one scripted behaviour per request."""

from __future__ import annotations

import contextlib
import gzip
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Behaviour = Callable[["Visit"], None]


class Visit:
    """One request that came in, and the means to answer it badly."""

    def __init__(self, connection: socket.socket, head: str, body: bytes, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing
        self.head = head
        self.body = body

    @property
    def path(self) -> str:
        return self.head.split(" ", 2)[1]

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)

    def rest(self, seconds: float) -> bool:
        """Wait; False when the test is over."""
        return not self._closing.wait(seconds)


class BadServer:
    """Answers the n-th request with the n-th behaviour, the last one for ever; remembers every visit."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self.visits: list[Visit] = []
        self.connections = 0
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join(20)
        self._listener.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._closing.is_set():
                if selector.select(0.02):
                    connection, _ = self._listener.accept()
                    self.connections += 1
                    thread = threading.Thread(target=self._serve, args=(connection,))
                    self._threads.append(thread)
                    thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        with connection, contextlib.suppress(OSError):
            while (visit := self._read(connection)) is not None:
                self.visits.append(visit)
                behaviour = self._behaviours[0]
                if len(self._behaviours) > 1:
                    self._behaviours.pop(0)
                behaviour(visit)
                if behaviour in _CLOSING or getattr(behaviour, "closes", False):
                    return

    def _read(self, connection: socket.socket) -> Visit | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._receive(connection)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        visit = Visit(connection, head.decode("latin-1"), b"", self._closing)
        missing = int(visit.header("content-length") or 0)
        while len(body) < missing:
            body += self._receive(connection)
        visit.body = body
        return visit

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                return connection.recv(65536)
        return b""


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[BadServer]:
    server = BadServer(*behaviours)
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Behaviour:
    """Behave: a complete answer. Header names are written with underscores."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    def behave(visit: Visit) -> None:
        visit.say("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    return answer(status=status, Location=location)


def zipped(body: bytes) -> Behaviour:
    return answer(gzip.compress(body), Content_Encoding="gzip")


def drip(before: bytes, drop: bytes = b"x") -> Behaviour:
    """Say something, then a little every tenth of a second, for as long as anybody listens."""

    def behave(visit: Visit) -> None:
        visit.say(before)
        while visit.rest(0.1):
            visit.say(drop)

    return behave


def hang(visit: Visit) -> None:
    """Never answer."""
    while visit.rest(60):
        pass


def cut(before: bytes) -> Behaviour:
    """Say something and hang up."""

    def behave(visit: Visit) -> None:
        visit.say(before)

    behave.closes = True  # type: ignore[attr-defined]
    return behave


def endless(visit: Visit) -> None:
    """Send a body that does not end."""
    visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
    while visit.rest(0):
        visit.say(b"x" * 65536)


_CLOSING: tuple[Behaviour, ...] = (hang, endless)
