"""Telling those who listen that there are new rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flagstaff.server.access import Access
from flagstaff.server.rules import RulesFile, Version

__all__ = ["Feed", "Listening"]

_HEARTBEAT: Final = 15.0  # seconds; clients give a silent stream up after 45
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Feed:
    """One event for each listener and version of the rules, comments in between, until it is closed.

    All of it happens on the event loop.
    """

    def __init__(self, rules: RulesFile) -> None:
        self.listeners: int = 0
        self._rules = rules
        self._news = asyncio.Event()
        self._closed = False

    def announce(self) -> None:
        """Wake all who listen: there is something new."""
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """Let everybody go."""
        self._closed = True
        self.announce()

    async def listen(self, known: str | None) -> AsyncIterator[bytes]:
        """What one listener gets; ``known`` is the tag that it has, in whichever coding it had it."""
        self.listeners += 1
        try:
            yield b"retry: 1000\n\n"
            told: Version | None = None
            while not self._closed:
                news, version = self._news, self._rules.current
                if version is told:
                    yield b":\n\n"
                else:
                    tag = known if told is None and known == version.compressed_etag else version.etag
                    yield f"event: rules\ndata: {tag}\n\n".encode()
                    told = version
                await _wait(news)
        finally:
            self.listeners -= 1


async def _wait(news: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), _HEARTBEAT)


class Listening:
    """The endpoint of a feed."""

    def __init__(self, feed: Feed, access: Access) -> None:
        self._feed = feed
        self._access = access

    async def get(self, request: Request) -> Response:
        self._access.check(request)
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type="text/event-stream")
        known = request.headers.get("last-event-id")
        return StreamingResponse(self._feed.listen(known), headers=_HEADERS, media_type="text/event-stream")
