"""The oracle: a collector that stores before it answers, misbehaves as told, and remembers all of it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Collector", "Post", "collecting"]

OK, CUT, HANG = "202", "cut", "hang"  # the other behaviours are statuses: "503", "413", …
_HANG = 30.0  # seconds, if nobody ends it before


@dataclass(frozen=True)
class Post:
    """One request that came in: what was done to it, and the ids in it if they were stored."""

    behaviour: str
    ids: tuple[str, ...]


class Collector:
    """``behave`` is asked for every batch, by its number, what to do: "202", "cut" (store it, then hang up
    without an answer), "hang" (neither store nor answer), or another status."""

    def __init__(self) -> None:
        self.behave: Callable[[int], str] = lambda _: OK
        self.posts: list[Post] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.changed: set[str] = set()  # ids that came again with other content
        self.url = ""
        self.released = threading.Event()
        self._lock = threading.Lock()

    def take(self, body: bytes) -> str:
        """Store a batch, or not; what to do to its sender."""
        with self._lock:
            behaviour = self.behave(len(self.posts))
            # What is refused is not unpacked: that would cost senders in this process their time.
            events = json.loads(gzip.decompress(body)) if behaviour in (OK, CUT) else []
            self.posts.append(Post(behaviour, tuple(event["id"] for event in events)))
            for event in events:
                if self.stored.setdefault(event["id"], event) != event:
                    self.changed.add(event["id"])
        if behaviour == HANG:
            self.released.wait(_HANG)
        return behaviour

    def happened(self, *behaviours: str) -> int:
        """How many batches met one of these."""
        return sum(post.behaviour in behaviours for post in list(self.posts))

    @property
    def units(self) -> Counter[str]:
        """How often each unit was stored under different ids."""
        with self._lock:
            return Counter(event["subject"] for event in self.stored.values() if "subject" in event)

    @property
    def acknowledged_twice(self) -> int:
        """Events that were acknowledged more than once: by different processes, or after a mistake."""
        counts = Counter(id_ for post in self.posts if post.behaviour == OK for id_ in post.ids)
        return sum(count > 1 for count in counts.values())

    @property
    def reported_losses(self) -> int:
        events = list(self.stored.values())
        losses = [event for event in events if event["type"] == "flagstaff.loss"]
        return sum(loss["count"] for event in losses for loss in event["data"]["dropped"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        behaviour = self.collector.take(body)
        if behaviour in (CUT, HANG):
            self.close_connection = True
            return
        self.send_response(int(behaviour))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A sender that was killed in the middle of a request is what this is about."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on loopback."""
    collector = Collector()
    handler = type("Handler", (_Handler,), {"collector": collector})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            collector.released.set()
            server.shutdown()
            thread.join(20)
            with suppress(OSError):
                server.server_close()
