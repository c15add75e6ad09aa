"""Both ways to send a request, behind one face; made once, for a new client reads all certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from flagstaff.net.http import AsyncHttp, Http, Request, Response
from tests.net.badserver import answer, serving

Send = Callable[[Request], Response]


@pytest.fixture(scope="session")
def blocking() -> Iterator[Send]:
    http = Http()
    with serving(answer()) as server:
        http.send(Request("GET", server.url))
    yield http.send
    http.close()


@pytest.fixture(scope="session")
def awaiting() -> Iterator[Send]:
    http = AsyncHttp()
    with asyncio.Runner() as runner:
        with serving(answer()) as server:
            runner.run(http.send(Request("GET", server.url)))
        yield lambda request: runner.run(http.send(request))
        runner.run(http.close())


@pytest.fixture(params=["blocking", "awaiting"])
def send(request: pytest.FixtureRequest) -> Send:
    chosen: Send = request.getfixturevalue(request.param)
    return chosen
