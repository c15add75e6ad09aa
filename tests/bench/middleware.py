"""What flags cost a request: ``python -m tests.bench.middleware``, with the web extras installed.

For each framework three applications in one process take turns: one without flagstaff, one with its
middleware whose page asks for nothing, one whose page asks for 20 flags. Requests are handed to the
application as its server would, without a socket; the visitor comes back with a signed cookie. The least of
all turns counts.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, TypeAlias

from flagstaff import Client

__all__ = ["FRAMEWORKS", "measure"]

EVALUATIONS = 20
ROUNDS = 15
REQUESTS = 100
SECRET = "s" * 32
NAMES = [f"flag-{number}" for number in range(EVALUATIONS)]
RULES: dict[str, Any] = {
    "version": 1,
    "flags": {
        name: {"rules": [{"when": {"attribute": "plan", "op": "eq", "value": "pro"}, "rollout": 50}]}
        for name in NAMES
    },
}

Requests: TypeAlias = Callable[[int], None]
"""Makes so many requests, one after the other."""
Making: TypeAlias = Callable[[Client | None, bool], Any]


def asked(flags: Any) -> bytes:
    return b"%d" % sum(flags.enabled(name) for name in NAMES)


def attributes(_request: object) -> dict[str, str]:
    return {"plan": "pro"}


# -- applications --------------------------------------------------------------------------------------


def wsgi(client: Client | None, asks: bool) -> Any:
    from flagstaff.integrations.wsgi import FlagstaffMiddleware, flags_of

    def app(environ: Any, start_response: Any) -> Any:
        body = asked(flags_of(environ)) if asks else b"0"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    if client is None:
        return app
    return FlagstaffMiddleware(app, client, context_loader=attributes, visitor_secret=SECRET)


def flask(client: Client | None, asks: bool) -> Any:
    from flask import Flask

    from flagstaff.integrations.flask import Flagstaff, current_flags

    app = Flask("bench")
    app.config["SECRET_KEY"] = SECRET
    if client is not None:
        Flagstaff(app, client=client).context_loader(attributes)
    app.add_url_rule("/", view_func=lambda: asked(current_flags) if asks else b"0")
    return app.wsgi_app


def django(client: Client | None, asks: bool) -> Any:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.test import override_settings
    from django.urls import path

    if not settings.configured:
        import django as framework

        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY=SECRET, LOGGING_CONFIG=None, ROOT_URLCONF=__name__)
        framework.setup()

    def page(request: Any) -> Any:
        return HttpResponse(asked(request.flags) if asks else b"0")

    told = {"CLIENT": client, "CONTEXT_LOADER": attributes}
    middleware = [] if client is None else ["flagstaff.integrations.django.middleware.FlagstaffMiddleware"]
    urls = type("urls", (), {"urlpatterns": [path("", page)]})
    changed = override_settings(FLAGSTAFF=told, MIDDLEWARE=middleware, ROOT_URLCONF=urls)
    with changed:
        handler = WSGIHandler()

    def app(environ: Any, start_response: Any) -> Any:
        return handler(environ, start_response)

    app.settings = changed  # type: ignore[attr-defined]
    return app


def asgi(client: Client | None, asks: bool) -> Any:
    from flagstaff.integrations.asgi import FlagstaffMiddleware, flags_of

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = asked(flags_of(scope)) if asks else b"0"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    if client is None:
        return app
    return FlagstaffMiddleware(app, client, context_loader=attributes, visitor_secret=SECRET)


def starlette(client: Client | None, asks: bool) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from flagstaff.integrations.starlette import FlagstaffMiddleware, flags_of

    async def page(request: Any) -> Any:
        return PlainTextResponse(asked(flags_of(request)) if asks else b"0")

    app = Starlette(routes=[Route("/", page)])
    if client is not None:
        app.add_middleware(
            FlagstaffMiddleware, client=client, context_loader=attributes, visitor_secret=SECRET
        )
    return app


def fastapi(client: Client | None, asks: bool) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    from flagstaff.integrations.fastapi import Flags, FlagstaffMiddleware

    app = FastAPI()

    async def asking(flags: Any) -> Any:
        return PlainTextResponse(asked(flags))

    async def silent() -> Any:
        return PlainTextResponse(b"0")

    asking.__annotations__["flags"] = Flags
    app.add_api_route("/", asking if asks else silent, response_model=None)
    if client is not None:
        app.add_middleware(
            FlagstaffMiddleware, client=client, context_loader=attributes, visitor_secret=SECRET
        )
    return app


FRAMEWORKS: dict[str, tuple[Making, str]] = {
    "wsgi": (wsgi, "wsgi"),
    "flask": (flask, "wsgi"),
    "django": (django, "wsgi"),
    "asgi": (asgi, "asgi"),
    "starlette": (starlette, "asgi"),
    "fastapi": (fastapi, "asgi"),
}


# -- requests ------------------------------------------------------------------------------------------


def cookie() -> str:
    """What a visitor who was here before sends."""
    from flagstaff.integrations.web.visitors import Visitors

    visitors = Visitors("flagstaff_visitor", [SECRET])
    return visitors.written(visitors.mint(), secure=False).partition(";")[0]


def by_wsgi(app: Any, sent: str, count: int) -> None:
    from io import BytesIO
    from wsgiref.util import setup_testing_defaults

    plain: dict[str, Any] = {"HTTP_COOKIE": sent, "QUERY_STRING": "", "wsgi.errors": sys.stderr}
    setup_testing_defaults(plain)
    for _ in range(count):
        body = app({**plain, "wsgi.input": BytesIO()}, lambda *_: None)
        for _part in body:
            pass
        if hasattr(body, "close"):
            body.close()


async def by_asgi(app: Any, sent: str, count: int) -> None:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None: ...

    headers = [(b"host", b"127.0.0.1"), (b"cookie", sent.encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    for _ in range(count):
        await app({**scope, "headers": list(headers)}, receive, send)


@contextmanager
def requesting(name: str, client: Client | None, asks: bool, loop: asyncio.Runner) -> Iterator[Requests]:
    make, protocol = FRAMEWORKS[name]
    app, sent = make(client, asks), cookie()

    def requests(count: int) -> None:
        if protocol == "asgi":
            loop.run(by_asgi(app, sent, count))
        elif hasattr(app, "settings"):
            with app.settings:  # not timed apart: once for many requests
                by_wsgi(app, sent, count)
        else:
            by_wsgi(app, sent, count)

    yield requests


def measure(name: str, rounds: int = ROUNDS, count: int = REQUESTS) -> tuple[float, float, float]:
    """Microseconds for a request: without flagstaff, with it, and with 20 evaluations."""
    with Client.from_document(RULES) as client, asyncio.Runner() as loop:
        kinds = [(None, False), (client, False), (client, True)]
        makers = [requesting(name, given, asks, loop) for given, asks in kinds]
        with makers[0] as bare, makers[1] as idle, makers[2] as asking:
            contestants = (bare, idle, asking)
            times: list[list[float]] = [[] for _ in contestants]
            for _, (index, requests) in product(range(rounds + 1), enumerate(contestants)):
                start = time.perf_counter()
                requests(count)
                times[index].append((time.perf_counter() - start) / count * 1e6)
    first, second, third = (min(each[1:]) for each in times)
    return first, second, third


def main() -> None:
    names = sys.argv[1:] or list(FRAMEWORKS)
    print(f"{'':10} {'bare':>9} {'with it':>9} {'20 flags':>9}   ratio  (microseconds for a request)")
    ratios = []
    for name in names:
        bare, idle, asking = measure(name)
        ratios.append(asking / bare)
        print(f"{name:10} {bare:9.1f} {idle:9.1f} {asking:9.1f}   {asking / bare:.2f}")
    print(f"{'':10} {'median':>29}   {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
