"""The routes of the development server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from flagstaff.errors import ServeError
from flagstaff.server import body, ofrep, problems
from flagstaff.server.access import Access
from flagstaff.server.cloudevents import BadEvents, Event, read_batch, read_single
from flagstaff.server.feed import Feed, Listening
from flagstaff.server.negotiate import is_known, media_type, prefers_gzip
from flagstaff.server.problems import Refused
from flagstaff.server.rules import RulesFile
from flagstaff.server.store import Added, EventStore

__all__ = ["create_app"]

_logger = logging.getLogger("flagstaff.server")

# Each may hold ten megabytes and what they parse to; storing them is one after the other anyway.
_UNPACKED_AT_ONCE = 4
_READERS = {
    "application/cloudevents-batch+json": read_batch,
    "application/cloudevents+json": read_single,
}


def create_app(
    rules: RulesFile, store: EventStore, key: str | None = None, feed: Feed | None = None
) -> Starlette:
    """Build the ASGI application: rules to fetch and to be told of, events to post, health to ask for.

    Decisions are to be had by OFREP, below ``/ofrep/v1``. With a ``key``, that and ``/v1`` answer only to
    ``Authorization: Bearer <key>`` (the former also to ``X-API-Key``) and ``/healthz`` tells everybody else
    its status alone. The caller refreshes ``rules``, closes ``store`` and, where there is
    one, tells ``feed`` of new rules.
    """
    access = Access(key)
    routes: list[BaseRoute] = [
        Route("/healthz", _Health(rules, store, access).get),
        ofrep.routes(rules, access),
        Mount(
            "/v1",
            routes=[
                Route("/rules", _Rules(rules, access).get),
                Route("/stream", Listening(feed or Feed(rules), access).get),
                Route("/events", _Events(store, access).post, methods=["POST"]),
            ],
        ),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: problems.answer})


class _Rules:
    """Sends the current rules, or says that the sender has them."""

    def __init__(self, rules: RulesFile, access: Access) -> None:
        self._rules = rules
        self._access = access

    async def get(self, request: Request) -> Response:
        self._access.check(request)
        version = self._rules.current
        compress = prefers_gzip(", ".join(request.headers.getlist("accept-encoding")))
        headers = {
            "ETag": version.compressed_etag if compress else version.etag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
        }
        asked = ", ".join(request.headers.getlist("if-none-match"))
        if is_known(asked, (version.etag, version.compressed_etag)):
            return Response(status_code=304, headers=headers)
        if compress:
            headers["Content-Encoding"] = "gzip"
        return Response(
            version.compressed if compress else version.body, headers=headers, media_type="application/json"
        )


class _Events:
    """Takes events in: 202 means that they are on disk."""

    def __init__(self, store: EventStore, access: Access) -> None:
        self._store = store
        self._access = access
        self._room = asyncio.Semaphore(_UNPACKED_AT_ONCE)
        self._fault: str | None = None

    async def post(self, request: Request) -> Response:
        self._access.check(request)
        kind = media_type(request.headers.get("content-type", ""))
        if kind not in _READERS:
            accepted = ", ".join(_READERS)
            raise Refused(415, f"the content type must be one of: {accepted}", {"Accept": accepted})
        raw = await body.receive(request)
        coding = request.headers.get("content-encoding", "").strip().lower()
        async with self._room:
            added = await run_in_threadpool(self._take, raw, coding, kind)
        return JSONResponse({"stored": added.stored, "duplicates": added.duplicates}, status_code=202)

    def _take(self, raw: bytes, coding: str, kind: str) -> Added:
        """Unpack, check and store: blocking, and so never on the event loop."""
        try:
            events = _READERS[kind](body.unpack(raw, coding))
        except BadEvents as error:
            raise Refused(400, str(error), index=error.index, field=error.field) from None
        return self._add(events)

    def _add(self, events: Sequence[Event]) -> Added:
        try:
            added = self._store.add(events)
        except ServeError as error:
            self._note(str(error))
            detail = "the events can't be stored now; send them again"
            raise Refused(503, detail, {"Retry-After": "5"}) from error
        self._note(None)
        return added

    def _note(self, fault: str | None) -> None:
        """Log when storing stops working and when it works again, not every time."""
        if (fault is None) != (self._fault is None):
            if fault is None:
                _logger.info("events are stored again")
            else:
                _logger.warning("events can't be stored: %s", fault)
        self._fault = fault


class _Health:
    """Says how the server is: always 200 while it can serve rules."""

    def __init__(self, rules: RulesFile, store: EventStore, access: Access) -> None:
        self._rules = rules
        self._store = store
        self._access = access

    async def get(self, request: Request) -> Response:
        report = await run_in_threadpool(self._report)
        if not self._access.allows(request):
            report = {"status": report["status"]}
        return JSONResponse(report, headers={"Cache-Control": "no-store"})

    def _report(self) -> dict[str, Any]:
        version, fault, events = self._rules.current, self._rules.fault, self._count()
        return {
            "status": "ok" if fault is None and events is not None else "degraded",
            "rules": {"etag": version.etag, "age": max(0.0, time.time() - version.revised), "fault": fault},
            "events": events,
        }

    def _count(self) -> int | None:
        try:
            return self._store.count()
        except ServeError:
            return None
