"""What type checkers see of making, waiting for and closing clients. Nothing here is run: mypy reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

import httpx

from flagstaff import AsyncClient, Client, Context, Secret, Sink, Status


class Basket:
    def send(self, events: Sequence[Mapping[str, Any]], /) -> None: ...


class AsyncBasket:
    async def send(self, events: Sequence[Mapping[str, Any]], /) -> None: ...


def every_way_to_make_one(path: Path) -> None:
    Client()
    Client("https://flags.example.com", key="sdk-1", poll_interval=30, flush_interval=0.5, format="native")
    Client("https://flags.example.com", key=Secret("sdk-1"), http_client=httpx.Client())
    assert_type(Client.from_file(path), Client)
    assert_type(Client.from_file("flags.toml", events="https://events.example.com"), Client)
    assert_type(Client.from_document({"version": 1}, events=Basket()), Client)
    assert_type(Client.from_document(b"{}", events=None), Client)
    assert_type(AsyncClient.from_file(path), AsyncClient)
    assert_type(AsyncClient.from_document(b"{}", events=AsyncBasket()), AsyncClient)


def a_sink(basket: Basket, asynchronous: AsyncBasket) -> list[Sink]:
    return [basket, asynchronous]


def a_client(client: Client, user: Context) -> None:
    with client as entered:
        assert_type(entered, Client)
    assert_type(client.wait_ready(timeout=2.0), bool)
    assert_type(client.flush(timeout=5), bool)
    client.close(timeout=2.0)
    client.track("order-placed", user, value=49.9, currency="EUR")
    client.track("order-placed")
    with client.override({"checkout-cta": "urgent"}, new_checkout=True) as nothing:
        assert_type(nothing, None)


async def an_asynchronous_client(client: AsyncClient) -> None:
    async with client as entered:
        assert_type(entered, AsyncClient)
    await client.start()
    assert_type(await client.wait_ready(timeout=2.0), bool)
    assert_type(await client.flush(timeout=5), bool)
    await client.close(timeout=2.0)
    client.track("order-placed", value=1)


def how_it_is(client: Client | AsyncClient) -> None:
    status = client.status()
    assert_type(status, Status)
    assert_type(status.state, str)
    assert_type(status.ready, bool)
    assert_type(status.revision, int | None)
    assert_type(status.flags, int)
    assert_type(status.age, float | None)
    assert_type(status.pending, int)
    assert_type(status.problems, tuple[str, ...])
    assert_type(status.to_dict(), dict[str, Any])
    assert_type(client.describe(), str)
    assert_type(client.stats()["accepted"], int)
    assert_type(client.stats()["dropped"], dict[str, int])


def listening(client: Client) -> None:
    def listener(changed: frozenset[str]) -> None: ...

    assert_type(client.on_change(listener), Callable[[], None])


def mistakes(client: Client, asynchronous: AsyncClient) -> None:
    Client(key=7)  # type: ignore[arg-type]
    Client(poll_interval="30")  # type: ignore[arg-type]
    Client(events=object())  # type: ignore[arg-type]
    Client.from_document("{}")  # type: ignore[arg-type]
    client.track("order-placed", value="49.90")  # type: ignore[arg-type]
    client.override({"checkout-cta": 3})  # type: ignore[dict-item]
    client.stats()["lost"]  # type: ignore[typeddict-item]
    with asynchronous:  # type: ignore[attr-defined]
        pass
