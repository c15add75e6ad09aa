"""The site of the lab, built with each framework: a client in, a served address out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeAlias

from flagstaff import Client
from tests.integrations.web.fastapi_site import fastapi
from tests.integrations.web.lab import (
    NOBODY,
    PUBLIC,
    asgi_serving,
    dumped,
    parts,
    told,
    user_of,
    wsgi_serving,
)

Serving: TypeAlias = Callable[..., AbstractContextManager[str]]


@contextmanager
def wsgi(client: Client, **options: Any) -> Iterator[str]:
    from flagstaff.integrations.wsgi import FlagstaffMiddleware, flags_of

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        flags = partial(flags_of, environ)
        headers = [("Content-Type", "text/plain")]
        if path == "/public":
            headers += [("Cache-Control", PUBLIC), ("Vary", "Accept-Encoding"), ("Surrogate-Control", "x")]
        if path == "/fails":
            flags().enabled("banner")
            raise ZeroDivisionError
        body: Any = [b"plain"]
        if path in ("/", "/public"):
            body = [dumped(told(flags()))]
        elif path == "/direct":
            body = [str(client.variant("checkout-cta", NOBODY)).encode()]
        elif path == "/stream":
            body = parts(client, lambda: "")
        elif path == "/late":
            body = parts(client, lambda: flags().context.targeting_key)
        start_response("200 OK", headers)
        return body

    loader = options.pop("context_loader", lambda environ: user_of(environ["QUERY_STRING"]))
    with wsgi_serving(FlagstaffMiddleware(app, client, context_loader=loader, **options)) as url:
        yield url


@contextmanager
def asgi(client: Client, **options: Any) -> Iterator[str]:
    from flagstaff.integrations.asgi import FlagstaffMiddleware, aflags_of, flags_of

    async def load(scope: Any) -> Any:
        return user_of(scope["query_string"].decode())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        headers = [(b"content-type", b"text/plain")]
        if path == "/public":
            headers += [
                (b"cache-control", PUBLIC.encode()),
                (b"vary", b"Accept-Encoding"),
                (b"surrogate-control", b"x"),
            ]
        if path == "/fails":
            (await aflags_of(scope)).enabled("banner")
            raise ZeroDivisionError
        body: AsyncIterator[bytes] = _one(b"plain")
        if path in ("/", "/public"):
            body = _one(dumped(told(await aflags_of(scope))))
        elif path == "/direct":
            body = _one(str(client.variant("checkout-cta", NOBODY)).encode())
        elif path == "/stream":
            body = _all(parts(client, lambda: ""))
        elif path == "/late":
            body = _all(parts(client, lambda: flags_of(scope).context.targeting_key))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for part in body:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    loader = options.pop("context_loader", load)
    with asgi_serving(FlagstaffMiddleware(app, client, context_loader=loader, **options)) as url:
        yield url


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _all(body: Iterator[bytes]) -> AsyncIterator[bytes]:
    for part in body:
        yield part


@contextmanager
def flask(client: Client, **options: Any) -> Iterator[str]:
    import flask as framework

    from flagstaff.integrations.flask import Flagstaff, current_flags

    app = framework.Flask("shop")
    secret = options.pop("visitor_secret", "a secret of the app")
    keys = [secret] if isinstance(secret, str) else secret
    app.config.update(SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=keys[1:])
    app.config.update({f"FLAGSTAFF_{name.upper()}": value for name, value in options.items()})
    extension = Flagstaff(client=client)
    extension.context_loader(lambda request: user_of(request.query_string.decode()))
    extension.init_app(app)

    def reply(path: str = "") -> Any:
        headers = {"Content-Type": "text/plain"}
        if path == "public":
            headers |= {"Cache-Control": PUBLIC, "Vary": "Accept-Encoding", "Surrogate-Control": "x"}
        if path == "fails":
            current_flags.enabled("banner")
            raise ZeroDivisionError
        body: Any = b"plain"
        if path in ("", "public"):
            body = dumped(told(current_flags))
        elif path == "direct":
            body = str(client.variant("checkout-cta", NOBODY))
        elif path == "stream":
            body = parts(client, lambda: "")
        elif path == "late":
            late = parts(client, lambda: current_flags.context.targeting_key)
            body = framework.stream_with_context(_not_yet(late))
        return framework.Response(body, headers=headers)

    app.add_url_rule("/", view_func=reply, endpoint="root")
    app.add_url_rule("/<path:path>", view_func=reply, endpoint="rest")
    with wsgi_serving(app) as url:
        yield url


def _not_yet(body: Iterator[bytes]) -> Iterator[bytes]:
    """Flask starts a generator before the response begins: only what comes after this is late."""
    yield b"0 0 0\n"[:0]
    yield from body


@contextmanager
def django(client: Client, *, kind: str = "wsgi", **options: Any) -> Iterator[str]:
    from django.test import override_settings

    from tests.integrations.django import project

    secret = options.pop("visitor_secret", "a secret of the project")
    keys = [secret] if isinstance(secret, str) else secret
    told = {"CLIENT": client, "CONTEXT_LOADER": "tests.integrations.django.project.load"}
    told |= {name.upper(): value for name, value in options.items()}
    serving, urls = (wsgi_serving, project) if kind == "wsgi" else (asgi_serving, project.Awaiting)
    with (
        override_settings(
            SECRET_KEY=keys[0], SECRET_KEY_FALLBACKS=keys[1:], FLAGSTAFF=told, ROOT_URLCONF=urls
        ),
        serving(project.application(kind)) as url,
    ):
        yield url


@contextmanager
def starlette(client: Client, **options: Any) -> Iterator[str]:
    from starlette.applications import Starlette
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    from flagstaff.integrations.starlette import FlagstaffMiddleware, aflags_of, flags_of

    async def load(connection: Any) -> Any:
        return user_of(connection.url.query)

    async def reply(request: Any) -> Any:
        path = request.url.path
        headers = {"Content-Type": "text/plain"}
        if path == "/public":
            headers |= {"Cache-Control": PUBLIC, "Vary": "Accept-Encoding", "Surrogate-Control": "x"}
        if path == "/fails":
            (await aflags_of(request)).enabled("banner")
            raise ZeroDivisionError
        if path == "/stream":
            return StreamingResponse(parts(client, lambda: ""), headers=headers)
        if path == "/late":
            late = parts(client, lambda: flags_of(request).context.targeting_key)
            return StreamingResponse(late, headers=headers)
        body: Any = b"plain"
        if path in ("/", "/public"):
            body = dumped(told(await aflags_of(request)))
        elif path == "/direct":
            body = str(client.variant("checkout-cta", NOBODY))
        return Response(body, headers=headers)

    app = Starlette(routes=[Route("/{path:path}", reply)])
    loader = options.pop("context_loader", load)
    app.add_middleware(FlagstaffMiddleware, client=client, context_loader=loader, **options)
    with asgi_serving(app) as url:
        yield url


SITES: dict[str, Serving] = {
    "wsgi": wsgi,
    "asgi": asgi,
    "flask": flask,
    "django": django,
    "django-asgi": partial(django, kind="asgi"),
    "starlette": starlette,
    "fastapi": fastapi,
}
