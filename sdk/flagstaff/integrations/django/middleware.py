"""The middleware, for WSGI and ASGI alike: ``request.flags``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpResponse

from flagstaff.integrations.web import Incoming, Visit
from flagstaff.integrations.web.page import PAGE_HEADERS

from .conf import current_site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from flagstaff import BoundFlags, TokenOverride

__all__ = ["FlagstaffMiddleware"]


class FlagstaffMiddleware:
    """Gives every request its flags, lazily: ``request.flags``, or ``await request.aflags()``.

    The latter is for asynchronous views whose context loader asks the database (``request.user`` does). What
    is wrong with the settings is raised when the server starts.
    """

    sync_capable: bool = True
    async_capable: bool = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response: Callable[[Any], Any] = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        current_site()

    def __call__(self, request: Any) -> Any:
        """The response to a request, or what to await for it."""
        if self._is_async:
            return self._answer(request)
        visit = _begun(request)
        if visit.wants_page:
            return _finished(visit, _page(visit))
        with visit.forcing():
            response = self.get_response(request)
        return _finished(visit, response)

    async def _answer(self, request: Any) -> Any:
        visit = _begun(request)
        if visit.wants_page:
            return _finished(visit, _page(visit))
        with visit.forcing():
            response = await self.get_response(request)
        return _finished(visit, response)


def _begun(request: Any) -> Visit:
    site = current_site()
    visit = Visit(site, lambda: Incoming.from_environ(request.META, request, request.is_secure))
    visit.record = getattr(request, "flagstaff_record", None)
    request.flagstaff_visit = visit
    request.flags = visit.later_flags

    async def aflags() -> BoundFlags:
        await site.prepare(visit)
        return visit.flags

    aflags_of: Callable[[], Awaitable[BoundFlags]] = aflags
    request.aflags = aflags_of
    return visit


def _page(visit: Visit) -> HttpResponse:
    return HttpResponse(visit.page(), headers=dict(PAGE_HEADERS))


def _finished(visit: Visit, response: Any) -> Any:
    given = list(response.items())
    headers = visit.respond(given)
    if headers is not given:
        for name in {name for name, _ in given} - {name for name, _ in headers}:
            del response[name]
        for name, value in headers:
            if name == "Set-Cookie":
                response.cookies.load(value)
            elif (name, value) not in given:
                response[name] = value
    if visit.forced is not None and response.streaming:
        stream = _aforced if response.is_async else _forced
        response.streaming_content = stream(response.streaming_content, visit.forced)
    return response


def _forced(body: Iterator[bytes], forced: TokenOverride) -> Iterator[bytes]:
    """The body, each part of which is made under the override: nothing is left behind in the thread."""
    parts = iter(body)
    while True:
        with forced:
            try:
                part = next(parts)
            except StopIteration:
                return
        yield part


async def _aforced(body: AsyncIterator[bytes], forced: TokenOverride) -> AsyncIterator[bytes]:
    parts = aiter(body)
    while True:
        with forced:
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return
        yield part
