"""From end to end: a rules file, the development server, clients in several processes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flagstaff import Context
from flagstaff.server import create_app
from flagstaff.server.rules import RulesFile
from flagstaff.server.store import EventStore
from flagstaff.sources.file import load_file
from tests.client.lab import Driver, Maker, document, encoded, eventually, run
from tests.server.lab import Stage, staged

KEY = "sdk-1"
UNITS = [f"user-{number}" for number in range(120)]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as it:
        yield it


@dataclass
class Shop:
    """The server, its file and its store."""

    url: str
    path: Path
    rules: RulesFile
    store: EventStore

    def change(self, **changes: object) -> None:
        self.path.write_bytes(encoded(document(**changes)))
        assert self.rules.refresh()


@pytest.fixture
def shop(stage: Stage, tmp_path: Path) -> Iterator[Shop]:
    path = tmp_path / "flags.json"
    path.write_bytes(encoded(document()))
    rules = RulesFile(path, lambda: load_file(path))
    with EventStore(tmp_path / "events.db") as store:
        stage.app = create_app(rules, store, KEY)
        yield Shop(stage.url, path, rules, store)


@pytest.fixture
def driver(shop: Shop, make: Maker) -> Driver:
    made = make(shop.url, key=KEY, poll_interval=0.1)
    assert made.wait_ready()
    return made


def test_every_exposure_arrives_once(shop: Shop, driver: Driver) -> None:
    variants = {unit: driver.flags.variant("checkout-cta", Context(unit)) for unit in UNITS * 2}
    driver.flags.track("order-placed", Context("user-1"), value=49.9)
    driver.flags.track("order-placed")
    assert driver.flush()

    counted = {row.variant: (row.count, row.units) for row in shop.store.exposures()}
    assert counted == {
        variant: (list(variants.values()).count(variant),) * 2 for variant in ("control", "urgent")
    }
    assert shop.store.count() == len(UNITS) + 2
    assert [(row.event, row.count) for row in shop.store.tracks()] == [("order-placed", 2)]
    assert [gap.missing for gap in shop.store.gaps()] == [0]
    assert driver.flags.stats()["delivered"] == len(UNITS) + 2


def test_two_clients_that_meet_the_same_units_count_once(shop: Shop, make: Maker) -> None:
    for _ in range(2):
        driver = make(shop.url, key=KEY)
        assert driver.wait_ready()
        for unit in UNITS:
            driver.flags.variant("checkout-cta", Context(unit))
        assert driver.flush()
        assert driver.flags.stats()["delivered"] == len(UNITS)

    assert sum(row.count for row in shop.store.exposures()) == len(UNITS)


def test_a_change_of_the_file_reaches_the_client(shop: Shop, driver: Driver) -> None:
    told: list[frozenset[str]] = []
    driver.flags.on_change(told.append)

    shop.change(flags={"banner": {"default": "off"}}, experiments={})

    eventually(lambda: told)
    assert driver.flags.decide_all(Context("user-1")).keys() == {"banner"}
    assert not driver.flags.enabled("banner")


def test_a_wrong_key_is_told(shop: Shop, make: Maker, eager: None) -> None:
    driver = make(shop.url, key="sdk-2", poll_interval=0.1)
    driver.flags.track("order-placed")
    assert not driver.flush(0.1)
    host = shop.url.removeprefix("http://")

    eventually(lambda: len(driver.flags.status().problems) == 2)

    assert driver.flags.status().problems == (
        f"{host} answered 401: the key is refused",
        f"{host} answered 401 (is the key right?)",
    )
    assert shop.store.count() == 0


def test_losses_are_reported_to_the_server(shop: Shop, driver: Driver) -> None:
    for _ in range(3):
        driver.flags.track("bad", value=float("nan"))
    driver.flags.track("good")
    assert driver.flush()

    eventually(shop.store.losses)
    assert [(row.reason, row.count) for row in shop.store.losses()] == [("not_encodable", 3)]


_PROGRAM = """
    import asyncio, json, sys
    from flagstaff import AsyncClient, Client, Context

    kind, url, units = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

    def expose(client):
        variants = [client.variant("checkout-cta", Context(unit)) for unit in units]
        print(json.dumps(variants))

    async def asynchronous():
        async with AsyncClient(url, key="sdk-1") as client:
            assert await client.wait_ready(20)
            expose(client)
            assert await client.flush(20)

    if kind == "async":
        asyncio.run(asynchronous())
    else:
        with Client(url, key="sdk-1") as client:
            assert client.wait_ready(20)
            expose(client)
            assert client.flush(20)
"""


def test_processes_agree_on_variants_and_on_the_names_of_exposures(shop: Shop) -> None:
    answers = {
        run(_PROGRAM, kind, shop.url, json.dumps(UNITS), PYTHONHASHSEED=seed)
        for kind, seed in [("client", "1"), ("client", "2"), ("async", "3")]
    }

    assert len(answers) == 1  # everybody gets the same variant everywhere …
    assert shop.store.count() == len(UNITS)  # … and whoever meets it again makes the same event
    assert len(shop.store.gaps()) == 3


# -- events that outlive their process -----------------------------------------------------------------


def test_what_a_killed_process_could_not_send_the_next_one_sends(
    shop: Shop, make: Maker, tmp_path: Path
) -> None:
    run(
        """
        import os, sys
        from flagstaff import Client, Context
        client = Client.from_file(sys.argv[1], key="sdk-1", events=sys.argv[2], flush_interval=3600,
                                  durability="process", directory=sys.argv[3])
        for number in range(10):
            client.variant("checkout-cta", Context(f"user-{number}"))
        os._exit(0)
        """,
        str(shop.path),
        shop.url,
        str(tmp_path / "state"),
    )
    assert shop.store.count() == 0

    directory = tmp_path / "state"
    make.from_document(
        key=KEY, events=shop.url, flush_interval=0.05, durability="process", directory=directory
    )

    eventually(lambda: shop.store.count() == 10)
    assert {row.experiment for row in shop.store.exposures()} == {"cta-wording"}
