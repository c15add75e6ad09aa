"""A stream that a test holds in its hand."""

from __future__ import annotations

import threading

from tests.net.badserver import Visit

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"


def told(tag: str) -> bytes:
    return f"event: rules\ndata: {tag}\n\n".encode()


class Hose:
    """Behave: greet who comes, then say to all who are there whatever the test says."""

    def __init__(self, greeting: bytes = b":\n\n") -> None:
        self.greeting = greeting
        self.listening: set[Visit] = set()
        self._lock = threading.Lock()

    def __call__(self, visit: Visit) -> None:
        visit.say(HEAD + self.greeting)
        self.listening.add(visit)
        try:
            while visit in self.listening and visit.rest(0.01):
                pass
        finally:
            self.listening.discard(visit)
        raise ConnectionError("hang up")

    def say(self, data: bytes) -> bool:
        """Say it to all; whether anybody is there."""
        for visit in list(self.listening):
            try:
                visit.say(data)
            except OSError:
                self.listening.discard(visit)
        return bool(self.listening)

    def hang_up(self) -> None:
        self.listening.clear()
