"""Middleware for any WSGI application (PEP 3333)."""

from __future__ import annotations

from .web import Incoming, Site, Visit
from .web.page import PAGE_HEADERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Self
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flagstaff import AsyncClient, BoundFlags, Client, TokenOverride

__all__ = ["ENVIRON_KEY", "FlagstaffMiddleware", "answering", "flags_of"]

ENVIRON_KEY = "flagstaff.visit"


class FlagstaffMiddleware:
    """Gives every request its flags: ``flags_of(environ).enabled("new-checkout")``.

        app = FlagstaffMiddleware(app, client, context_loader=lambda environ: {"path": environ["PATH_INFO"]})

    An anonymous visitor gets a stable id in a cookie when flags are first asked for; override tokens count
    where the client has an ``override_secret``. Nothing is ever raised into the application.
    """

    def __init__(
        self,
        app: WSGIApplication,
        client: Client | AsyncClient,
        *,
        context_loader: Callable[[WSGIEnvironment], Any] | None = None,
        visitor_cookie: str | None = "flagstaff_visitor",
        visitor_secret: str | Sequence[str] | None = None,
        consent: Callable[[WSGIEnvironment], bool] | None = None,
        secure_cookies: bool | None = None,
        debug: bool = False,
    ) -> None:
        """The options are those of every web integration; ConfigError names the one that can't work."""
        self.app: WSGIApplication = app
        self.site: Site = Site(
            client,
            context_loader=context_loader,
            visitor_cookie=visitor_cookie,
            visitor_secret=visitor_secret,
            consent=consent,
            secure_cookies=secure_cookies,
            debug=debug,
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        visit = environ[ENVIRON_KEY] = Visit(self.site, lambda: Incoming.from_environ(environ))
        return answering(self.app, visit, environ, start_response)


def flags_of(environ: WSGIEnvironment) -> BoundFlags:
    """A request's flags. LookupError where the middleware did not see the request."""
    visit = environ.get(ENVIRON_KEY)
    if visit is None:
        raise LookupError("this request did not come through FlagstaffMiddleware")
    flags: BoundFlags = visit.flags
    return flags


def answering(
    app: WSGIApplication, visit: Visit, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """The application's response to a visit, under what the visit forces."""

    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        return start_response(status, visit.respond(headers), *error)

    if visit.wants_page:
        page = visit.page()
        start("200 OK", [*PAGE_HEADERS, ("Content-Length", str(len(page)))])
        return [page]
    forced = visit.forced
    if forced is None:
        return app(environ, start)
    with forced:
        body = app(environ, start)
    return _ForcedBody(body, forced)


class _ForcedBody:
    """A response's body, each part of which is made under the override.

    It is put in force part by part: a server that never finishes or closes a body would otherwise leave it in
    its thread, for whoever comes next.
    """

    def __init__(self, body: Iterable[bytes], forced: TokenOverride) -> None:
        self._body = body
        self._forced = forced
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        with self._forced:
            if self._parts is None:
                self._parts = iter(self._body)
            return next(self._parts)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with self._forced:
                close()
