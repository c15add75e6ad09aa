"""What Starlette and FastAPI have beyond what every site has."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import BackgroundTasks, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from flagstaff import AsyncClient, Client, Context
from flagstaff.integrations.fastapi import (
    Flags,
    FlagstaffMiddleware,
    get_flags,
    lifespan_of,
    require_flag,
    template_flags,
)
from tests.client.lab import Basket
from tests.integrations.web.lab import RULES, SECRET, asgi_serving, token_for

URGENT = {"checkout-cta": "urgent"}


@pytest.fixture
def client() -> Iterator[Client]:
    with Client.from_document(RULES, override_secret=SECRET) as client:
        yield client


def app_of(client: Client | AsyncClient, **options: Any) -> FastAPI:
    app = FastAPI(**options)
    app.add_middleware(FlagstaffMiddleware, client=client)
    return app


@contextmanager
def living(app: Any) -> Iterator[httpx.Client]:
    """Serve with the lifespan from its beginning to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", ws="none", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=20) as browser:
                yield browser
        finally:
            server.should_exit = True
            thread.join(20)


def got(app: Any, path: str = "/", **headers: str) -> httpx.Response:
    with asgi_serving(app) as url:
        return httpx.get(f"{url}{path}", headers=headers, timeout=20)


# -- lifespan ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_lifespan_starts_and_closes_the_client(kind: type[Client | AsyncClient]) -> None:
    basket = Basket()
    client = kind.from_document(RULES, events=basket, flush_interval=1000)
    app = app_of(client, lifespan=lifespan_of(client))

    @app.get("/")
    async def home(flags: Flags, request: Request) -> list[Any]:
        return [flags.variant("checkout-cta"), request.app.state.flagstaff is client]

    with living(app) as browser:
        assert browser.get("/").json()[1] is True
        assert client.status().problems == ()
        assert basket.events == []

    assert len(basket.events) == 1  # closing delivers
    assert client._closed


def test_a_lifespan_of_the_applications_own_may_enter_ours() -> None:
    client, seen = AsyncClient.from_document(RULES), list[str]()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with lifespan_of(client)(app):
            seen.append(client.status().state)
            yield

    with living(app_of(client, lifespan=lifespan)) as browser:
        assert browser.get("/").status_code == 404
        assert seen == ["READY"]
    assert client._closed


# -- dependencies --------------------------------------------------------------------------------------


def test_a_route_is_for_those_who_have_the_flag(client: Client) -> None:
    app = app_of(client)

    @app.get("/404", dependencies=[require_flag("new-checkout")])
    async def hidden() -> str:
        return "new"

    @app.get("/403", dependencies=[require_flag("new-checkout", status_code=403)])
    def forbidden() -> str:
        return "new"

    with asgi_serving(app) as url, httpx.Client(base_url=url) as browser:
        assert [browser.get(f"/{code}").status_code for code in (404, 403)] == [404, 403]
        header = {"Flagstaff-Override": token_for({"new-checkout": "on"})}
        assert [browser.get(f"/{code}", headers=header).status_code for code in (404, 403)] == [200, 200]


def test_tests_replace_the_dependency(client: Client) -> None:
    app = app_of(client)

    @app.get("/")
    async def home(flags: Flags) -> bool:
        return flags.enabled("banner")

    with Client.from_document({"version": 1, "flags": {"banner": {"default": "off"}}}) as other:
        app.dependency_overrides[get_flags] = lambda: other.bind(Context())
        assert got(app).json() is False
        app.dependency_overrides.clear()
        assert got(app).json() is True


def test_the_interface_description_knows_nothing_of_flags(client: Client) -> None:
    app = app_of(client)

    @app.get("/", dependencies=[require_flag("banner")])
    async def home(flags: Flags) -> bool:
        return flags.enabled("banner")

    described = json.dumps(app.openapi())
    assert "flag" not in described.lower()
    assert app.openapi()["paths"]["/"]["get"].get("parameters") is None


def test_without_the_middleware_it_says_so() -> None:
    app = FastAPI()

    @app.get("/")
    async def home(flags: Flags) -> bool:
        return flags.enabled("banner")

    transport = httpx.ASGITransport(app)

    async def visit() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as browser:
            await browser.get("/")

    with pytest.raises(LookupError, match="did not come through FlagstaffMiddleware"):
        asyncio.run(visit())


# -- while a request lasts -----------------------------------------------------------------------------


def test_background_tasks_of_a_request_are_part_of_it(client: Client) -> None:
    app, seen = app_of(client), list[str | None]()

    def afterwards() -> None:
        seen.append(client.variant("checkout-cta"))

    @app.get("/")
    def home(tasks: BackgroundTasks) -> None:
        tasks.add_task(afterwards)

    with asgi_serving(app) as url, httpx.Client(base_url=url) as browser:
        browser.get("/", headers={"Flagstaff-Override": token_for(URGENT)})
        browser.get("/")

    assert seen == ["urgent", "control"]


def test_a_task_that_outlives_its_request_goes_back_to_the_rules(client: Client) -> None:
    app, go_on, seen = app_of(client), asyncio.Event(), list[str | None]()
    tasks: set[asyncio.Task[None]] = set()

    async def outlive() -> None:
        seen.append(client.variant("checkout-cta"))
        await go_on.wait()
        seen.append(client.variant("checkout-cta"))

    @app.get("/begin")
    async def begin() -> None:
        tasks.add(asyncio.create_task(outlive()))
        await asyncio.sleep(0)

    @app.get("/end")
    async def end() -> None:
        go_on.set()
        await asyncio.gather(*tasks)

    with asgi_serving(app) as url, httpx.Client(base_url=url) as browser:
        browser.get("/begin", headers={"Flagstaff-Override": token_for(URGENT)})
        browser.get("/end")

    assert seen == ["urgent", "control"]


def test_a_websocket_has_flags_an_id_and_overrides(client: Client) -> None:
    app = app_of(client)

    @app.websocket("/")
    async def talk(socket: WebSocket, flags: Flags) -> None:
        visitor = flags.context.targeting_key
        await socket.accept()
        while await socket.receive_text() != "end":
            await socket.send_json([flags.variant("checkout-cta"), visitor])
        await socket.close()

    incoming = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "go"},
        {"type": "websocket.receive", "text": "end"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    token = token_for(URGENT).encode()
    scope = {"type": "websocket", "scheme": "ws", "path": "/", "query_string": b"", "subprotocols": []}
    asyncio.run(app({**scope, "headers": [(b"flagstaff-override", token)]}, receive, send))
    accepted, answer, _ = sent
    headers = dict(accepted["headers"])

    assert json.loads(answer["text"])[0] == "urgent"
    assert headers[b"set-cookie"].startswith(b"flagstaff_visitor=")
    assert headers[b"cache-control"] == b"private, no-store"
    assert client.override_token is None


def test_whatever_is_no_request_passes_through(client: Client) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def send(_: Any) -> None: ...

    scope = {"type": "lifespan"}
    asyncio.run(FlagstaffMiddleware(app, client)(scope, lambda: None, send))  # type: ignore[arg-type, return-value]
    assert seen == [scope]
    assert seen[0] is scope


# -- templates -----------------------------------------------------------------------------------------


def test_templates_ask_for_flags(client: Client, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{% if flag('banner') %}{{ variant('checkout-cta') }}{% endif %}")
    templates = Jinja2Templates(tmp_path, context_processors=[template_flags])
    app = Starlette(routes=[Route("/", lambda request: templates.TemplateResponse(request, "page.html"))])
    app.add_middleware(FlagstaffMiddleware, client=client)

    assert got(app).text in ("control", "calm")
    assert got(app, **{"Flagstaff-Override": token_for(URGENT)}).text == "urgent"
