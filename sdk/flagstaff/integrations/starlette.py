"""Starlette: a middleware, a lifespan, and flags for templates.

    client = AsyncClient("https://flags.example.com", key="sdk-...")
    app = Starlette(routes=routes, lifespan=lifespan_of(client))
    app.add_middleware(FlagstaffMiddleware, client=client, context_loader=load)

In an endpoint: ``flags_of(request)``.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection

from flagstaff import AsyncClient

from . import asgi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Any

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from flagstaff import BoundFlags, Client

__all__ = ["FlagstaffMiddleware", "aflags_of", "flags_of", "lifespan_of", "template_flags"]


class FlagstaffMiddleware(asgi.FlagstaffMiddleware):
    """Gives every request and websocket its flags; pure ASGI, which leaves streams and context variables be.

    ``context_loader`` and ``consent`` get an ``HTTPConnection``: headers, cookies, query, not the body.
    """

    def __init__(
        self,
        app: ASGIApp,
        client: Client | AsyncClient,
        *,
        context_loader: Callable[[HTTPConnection], Any] | None = None,
        visitor_cookie: str | None = "flagstaff_visitor",
        visitor_secret: str | Sequence[str] | None = None,
        consent: Callable[[HTTPConnection], bool] | None = None,
        secure_cookies: bool | None = None,
        debug: bool = False,
    ) -> None:
        """The options are those of every web integration; ConfigError names the one that can't work."""
        super().__init__(
            app,
            client,
            context_loader=context_loader,
            visitor_cookie=visitor_cookie,
            visitor_secret=visitor_secret,
            consent=consent,
            secure_cookies=secure_cookies,
            debug=debug,
        )

    def request_of(self, scope: asgi.Scope) -> Any:
        """What the loader is called with."""
        return HTTPConnection(scope)


def flags_of(connection: HTTPConnection) -> BoundFlags:
    """A request's flags. LookupError where the middleware did not see the request."""
    return asgi.flags_of(connection.scope)


async def aflags_of(connection: HTTPConnection) -> BoundFlags:
    """The same, awaiting a context loader that has to be awaited."""
    return await asgi.aflags_of(connection.scope)


def lifespan_of(
    client: Client | AsyncClient, *, wait: float = 2.0
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that starts a client, waits ``wait`` seconds at most for rules, and closes it at the end.

    The client is ``app.state.flagstaff``. An application with a lifespan of its own enters this one in it:
    ``async with lifespan_of(client)(app): yield``.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.state.flagstaff = client
        if isinstance(client, AsyncClient):
            async with client:
                await client.wait_ready(wait)
                yield
            return
        await asyncio.to_thread(client.wait_ready, wait)
        try:
            yield
        finally:
            await asyncio.to_thread(client.close)

    return lifespan


def template_flags(request: Request) -> dict[str, Any]:
    """A context processor for ``Jinja2Templates`` that gives templates ``flag`` and ``variant``."""
    return {
        "flag": lambda name, default=False: flags_of(request).enabled(name, default),
        "variant": lambda name: flags_of(request).variant(name),
    }
