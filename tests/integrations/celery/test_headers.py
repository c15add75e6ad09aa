from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("celery")

from celery import Celery, signals

from flagstaff import ConfigError, Context
from flagstaff.integrations.celery import HEADER, current_flags, install, using
from flagstaff.testing import MemoryClient


@pytest.fixture
def app() -> Celery:
    made = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)

    @made.task(name="ask", bind=True, shared=False)
    def ask(self: Any, flag: str) -> tuple[Any, Any]:
        flags = current_flags(made)
        return flags.context.targeting_key, flags.variant(flag)

    return made


@pytest.fixture
def client() -> MemoryClient:
    made = MemoryClient()
    made.set("cta", "urgent")
    return made


@pytest.fixture
def end(app: Celery, client: MemoryClient) -> Iterator[Any]:
    made = install(app, client)
    yield made
    made()


def sent(**headers: Any) -> Any:
    """The header that a task would get."""
    made: dict[str, Any] = dict(headers)
    signals.before_task_publish.send(sender="ask", headers=made, body=None)
    return made.get(HEADER)


def test_without_anybody_there_is_no_header(end: Any) -> None:
    assert sent() is None


def test_a_context_is_in_the_header_within_its_block_only(end: Any) -> None:
    with using(Context("user-1", plan="pro")):
        with using(Context(7)):
            assert json.loads(sent()) == {"key": 7, "attributes": {}}
        assert json.loads(sent()) == {"key": "user-1", "attributes": {"plan": "pro"}}
    assert sent() is None


@pytest.mark.parametrize("attribute", [object(), "x" * 20_000, float("nan"), {1, 2}])
def test_what_a_header_cant_hold_leaves_the_key(end: Any, attribute: Any) -> None:
    with using(Context("user-1", odd=attribute)):
        assert json.loads(sent()) == {"key": "user-1"}


@pytest.mark.parametrize("key", [object(), "x" * 20_000, float("inf")])
def test_a_key_that_is_none_leaves_nothing(end: Any, key: Any) -> None:
    with using(Context(key)):
        assert sent() is None


def test_only_chosen_attributes_travel(app: Celery, client: MemoryClient) -> None:
    end = install(app, client, attributes=["plan"])
    with using(Context("user-1", plan="pro", email="a@shop.test")):
        assert json.loads(sent()) == {"key": "user-1", "attributes": {"plan": "pro"}}
    end()


def test_a_sender_may_know_whom_it_is_for(app: Celery, client: MemoryClient) -> None:
    end = install(app, client, sender_context=lambda: Context("visitor"))
    assert json.loads(sent())["key"] == "visitor"
    with using(Context("user-1")):
        assert json.loads(sent())["key"] == "user-1"
    end()

    def nowhere() -> Context:
        raise RuntimeError("outside of a request")

    end = install(app, client, sender_context=nowhere)
    assert sent() is None
    end()


def test_an_old_header_is_replaced(end: Any) -> None:
    assert sent(**{HEADER: "old"}) is None


def test_an_eager_task_works_for_its_sender(app: Celery, end: Any) -> None:
    with using(Context("user-1")):
        assert app.tasks["ask"].apply(("cta",)).get() == ("user-1", "urgent")
    assert app.tasks["ask"].apply(("cta",)).get() == (None, "urgent")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "[]",
        "7",
        '{"key": []}',
        '{"key": "a", "attributes": 3, "override": 7}',
        "[" * 9000,
        "x" * 20_000,
        7,
    ],
)
def test_a_hostile_header_harms_no_task(app: Celery, end: Any, header: Any) -> None:
    task = SimpleNamespace(app=app, request=SimpleNamespace(**{HEADER: header}))
    signals.task_prerun.send(sender="ask", task_id="1", task=task)
    flags = current_flags(app)
    signals.task_postrun.send(sender="ask", task_id="1", task=task)

    assert flags.variant("cta") == "urgent"
    assert flags.context.targeting_key in (None, "a")
    assert flags.context.attributes == {}
    assert current_flags(app).context.targeting_key is None


def test_an_application_has_one_client(app: Celery, client: MemoryClient, end: Any) -> None:
    with pytest.raises(ConfigError, match="has a client already"):
        install(app, client)
    end()
    with pytest.raises(ConfigError, match=r"call flagstaff\.integrations\.celery\.install"):
        current_flags(app)
    with using(Context("user-1")):
        assert sent() is None


def test_a_worker_process_that_ends_delivers(app: Celery, client: MemoryClient, end: Any) -> None:
    signals.worker_process_init.send(sender=None)
    signals.worker_process_shutdown.send(sender=None, pid=1, exitcode=0)
    signals.worker_shutdown.send(sender=None)
