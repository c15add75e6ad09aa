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
from starlette.responses import Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

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
from tests.integrations.web.lab import NOBODY, RULES, SECRET, asgi_serving, token_for

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
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None))
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


@pytest.fixture
def talking(client: Client) -> Iterator[str]:
    """The address of a socket that tells, at each message, what its flags and the client itself decide."""
    app = app_of(client)

    @app.websocket("/")
    async def talk(socket: WebSocket, flags: Flags) -> None:
        visitor = flags.context.targeting_key
        await socket.accept()
        async for _ in socket.iter_text():
            await asyncio.sleep(0)
            told = [flags.variant("checkout-cta"), client.variant("checkout-cta", NOBODY), visitor]
            await socket.send_json(told)

    @app.websocket("/refused")
    async def refuse(socket: WebSocket, flags: Flags) -> None:
        flags.enabled("banner")
        await socket.send_denial_response(Response("not you", 403))

    with living(app) as browser:
        yield str(browser.base_url).replace("http", "ws")


def said(socket: ClientConnection) -> Headers:
    """What the server answered to the handshake."""
    assert socket.response is not None
    return socket.response.headers


def answers(socket: ClientConnection, times: int = 1) -> list[Any]:
    told = []
    for _ in range(times):
        socket.send("go")
        told.append(json.loads(socket.recv(20)))
    return told


def test_a_websocket_has_an_id_like_any_visitor(talking: str) -> None:
    with connect(talking) as socket:
        (first,) = answers(socket)
        kept = said(socket)["set-cookie"].partition(";")[0]
    assert kept == f"flagstaff_visitor={first[2]}"

    with connect(talking, additional_headers={"Cookie": kept}) as socket:
        assert answers(socket) == [first]
        assert "set-cookie" not in said(socket)


def test_what_a_websockets_token_forces_is_forced_while_it_is_open_and_for_nobody_else(
    client: Client, talking: str
) -> None:
    token = token_for(URGENT)
    with (
        connect(talking) as other,
        connect(talking, additional_headers={"Flagstaff-Override": token}) as by_header,
        connect(talking, additional_headers={"Cookie": f"flagstaff_override={token}"}) as by_cookie,
        connect(f"{talking}/?flagstaff={token}") as by_query,
    ):
        (plain,) = answers(other)
        for _ in range(2):
            for socket in (by_header, by_cookie, by_query):
                assert [told[:2] for told in answers(socket, 2)] == [["urgent"] * 2] * 2
            assert answers(other) == [plain]
        assert "urgent" not in plain
        assert said(by_header)["cache-control"] == "private, no-store"
        assert said(by_header)["flagstaff-override"] == "checkout-cta=urgent"
        kept = said(by_query).get_all("set-cookie")
        assert any(line.startswith("flagstaff_override=1.") for line in kept)
        assert "flagstaff-override" not in said(other)
    assert client.override_token is None


def test_a_websocket_that_is_refused_gets_its_headers_too(talking: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{talking}/refused")

    assert caught.value.response.status_code == 403
    assert caught.value.response.headers["set-cookie"].startswith("flagstaff_visitor=")


def test_a_websocket_is_never_answered_with_the_page_that_shows_what_is_forced(talking: str) -> None:
    with connect(f"{talking}/?flagstaff=show") as socket:
        assert answers(socket)


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
