"""Middleware for any ASGI application: requests and websockets; whatever else there is passes through."""

from __future__ import annotations

from .web import Incoming, Site, Visit
from .web.page import PAGE_HEADERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping, Sequence
    from typing import Any, TypeAlias

    from flagstaff import AsyncClient, BoundFlags, Client

    Scope: TypeAlias = MutableMapping[str, Any]
    Message: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    ASGIApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["SCOPE_KEY", "FlagstaffMiddleware", "aflags_of", "flags_of"]

SCOPE_KEY = "flagstaff.visit"
_WITH_HEADERS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class FlagstaffMiddleware:
    """Gives every request its flags: ``flags_of(scope).enabled("new-checkout")``.

        app = FlagstaffMiddleware(app, client, context_loader=lambda scope: {"path": scope["path"]})

    An anonymous visitor gets a stable id in a cookie when flags are first asked for; override tokens count
    where the client has an ``override_secret``. A loader that is a coroutine function is awaited by
    ``aflags_of``. Nothing is ever raised into the application.
    """

    def __init__(
        self,
        app: ASGIApplication,
        client: Client | AsyncClient,
        *,
        context_loader: Callable[[Any], Any] | None = None,
        visitor_cookie: str | None = "flagstaff_visitor",
        visitor_secret: str | Sequence[str] | None = None,
        consent: Callable[[Any], bool] | None = None,
        secure_cookies: bool | None = None,
        debug: bool = False,
    ) -> None:
        """The options are those of every web integration; ConfigError names the one that can't work."""
        self.app: ASGIApplication = app
        self.site: Site = Site(
            client,
            context_loader=context_loader,
            visitor_cookie=visitor_cookie,
            visitor_secret=visitor_secret,
            consent=consent,
            secure_cookies=secure_cookies,
            debug=debug,
        )

    def request_of(self, scope: Scope) -> Any:
        """What the loader is called with."""
        return scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        visit = Visit(self.site, lambda: Incoming.from_scope(scope, self.request_of(scope)))
        if visit.wants_page and scope["type"] == "http":
            await _send_page(visit, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] in _WITH_HEADERS:
                message = {**message, "headers": visit.respond_raw(message.get("headers") or ())}
            await send(message)

        inner = {**scope, SCOPE_KEY: visit}
        if visit.forced is None:
            await self.app(inner, receive, answer)
            return
        with visit.forced:
            await self.app(inner, receive, answer)


def flags_of(scope: Scope) -> BoundFlags:
    """A request's flags. LookupError where the middleware did not see the request."""
    return _visit_of(scope).flags


async def aflags_of(scope: Scope) -> BoundFlags:
    """The same, awaiting a context loader that has to be awaited."""
    return await _visit_of(scope).aflags()


def _visit_of(scope: Scope) -> Visit:
    visit: Visit | None = scope.get(SCOPE_KEY)
    if visit is None:
        raise LookupError("this request did not come through FlagstaffMiddleware")
    return visit


async def _send_page(visit: Visit, send: Send) -> None:
    page = await visit.apage()
    headers = [*PAGE_HEADERS, ("Content-Length", str(len(page)))]
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": visit.respond_raw(raw)})
    await send({"type": "http.response.body", "body": page})
