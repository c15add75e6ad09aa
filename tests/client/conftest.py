from __future__ import annotations

import random
import threading
from collections.abc import Iterator

import pytest

from flagstaff import AsyncClient, Client
from tests.client.lab import Maker, Server, eventually, scripted


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("flagstaff-")]


@pytest.fixture(autouse=True)
def _no_thread_is_left_over() -> Iterator[None]:
    yield
    eventually(lambda: not _threads())


@pytest.fixture(params=[Client, AsyncClient], ids=["client", "async"])
def kind(request: pytest.FixtureRequest) -> type[Client | AsyncClient]:
    """Either client: whatever is promised of one holds for the other."""
    chosen: type[Client | AsyncClient] = request.param
    return chosen


@pytest.fixture
def server() -> Iterator[Server]:
    with scripted() as it:
        yield it


@pytest.fixture
def make(kind: type[Client | AsyncClient]) -> Iterator[Maker]:
    """What makes clients; ask for ``server`` before it, so that the server outlives them."""
    maker = Maker(kind)
    yield maker
    maker.close()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw such that jitter is next to nothing and the first retries come within milliseconds."""
    monkeypatch.setattr(random, "random", lambda: 0.01)
