"""A rules server whose behaviour can be changed at any moment, and a client that polls it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flagstaff import Client
from tests.net.badserver import BadServer, Behaviour, Visit, answer, serving

__all__ = ["Misrule", "document", "good", "misruled"]


def document(revision: int, flags: int = 1) -> dict[str, Any]:
    """Rules in which every flag serves the revision: two that differ came from two versions."""
    variants = {"now": revision}
    served = {f"flag-{number}": {"variants": variants, "default": "now"} for number in range(flags)}
    return {"version": 1, "revision": revision, "flags": served}


def good(revision: int, flags: int = 1) -> Behaviour:
    return answer(
        json.dumps(document(revision, flags)).encode(), Content_Type="application/json", ETag=f'"{revision}"'
    )


class Misrule:
    """The server, what it is to do with the next requests, and how often it did it."""

    def __init__(self, directory: str) -> None:
        self.behave: Behaviour = good(1)
        self.met = 0
        self.server: BadServer
        self.directory = directory
        self._clients: list[Client] = []

    def __call__(self, visit: Visit) -> None:
        behave = self.behave
        self.met += 1
        behave(visit)

    def change(self, behaviour: Behaviour) -> None:
        """From now on behave like this; what is counted begins anew."""
        self.behave = behaviour
        self.met = 0

    def client(self, **more: Any) -> Client:
        """A client that polls the server, fast."""
        settings = {"events": None, "stream": False, "poll_interval": 0.1, "directory": self.directory}
        client = Client(self.server.url, **settings | more)
        self._clients.append(client)
        return client

    def end(self) -> None:
        for client in self._clients:
            client.close(1)


@contextmanager
def misruled() -> Iterator[Misrule]:
    """A server that begins with good rules, revision 1."""
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as directory:
        misrule = Misrule(directory)
        with serving(misrule) as misrule.server:
            try:
                yield misrule
            finally:
                misrule.end()
