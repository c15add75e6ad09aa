"""The site of the lab with FastAPI, which reads the annotations of functions while it is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse
from starlette.requests import Request

from flagstaff import Client
from flagstaff.integrations.fastapi import Flags, FlagstaffMiddleware
from flagstaff.integrations.starlette import flags_of
from tests.integrations.web.lab import NOBODY, PUBLIC, asgi_serving, dumped, parts, told, user_of


@contextmanager
def fastapi(client: Client, **options: Any) -> Iterator[str]:
    app = FastAPI()
    text = {"Content-Type": "text/plain"}

    @app.get("/")
    async def root(flags: Flags) -> dict[str, Any]:
        return told(flags)

    @app.get("/public")
    def public(flags: Flags) -> Any:
        headers = {"Cache-Control": PUBLIC, "Vary": "Accept-Encoding", "Surrogate-Control": "x"}
        return Response(dumped(told(flags)), headers=headers)

    @app.get("/direct")
    def direct() -> Any:
        return Response(str(client.variant("checkout-cta", NOBODY)), headers=text)

    @app.get("/stream")
    def stream() -> Any:
        return StreamingResponse(parts(client, lambda: ""), headers=text)

    @app.get("/late")
    def late(request: Request) -> Any:
        return StreamingResponse(parts(client, lambda: flags_of(request).context.targeting_key), headers=text)

    @app.get("/fails")
    async def fails(flags: Flags) -> Any:
        flags.enabled("banner")
        raise ZeroDivisionError

    @app.get("/plain")
    def plain() -> Any:
        return Response("plain", headers=text)

    loader = options.pop("context_loader", lambda connection: user_of(connection.url.query))
    app.add_middleware(FlagstaffMiddleware, client=client, context_loader=loader, **options)
    with asgi_serving(app) as url:
        yield url
