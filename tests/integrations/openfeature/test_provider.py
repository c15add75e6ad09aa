from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

from flagstaff import AsyncClient, Client, Reason
from flagstaff.integrations import openfeature as provider
from flagstaff.integrations.openfeature import FlagstaffProvider
from flagstaff.testing import MemoryClient, MemorySink, MemorySource
from tests.client.lab import document, encoded, eventually, scripted
from tests.net.badserver import answer

USER = EvaluationContext("user-1")


@pytest.fixture
def flags() -> MemoryClient:
    client = MemoryClient(document())
    api.set_provider_and_wait(FlagstaffProvider(client))
    return client


@pytest.fixture
def client(flags: MemoryClient) -> Any:
    return api.get_client()


# -- flags -----------------------------------------------------------------------------------------------


def test_every_type_is_resolved(client: Any) -> None:
    assert client.get_boolean_value("banner", False, USER) is True
    assert client.get_string_value("greeting", "", USER) == "Hello"
    assert client.get_integer_value("page-size", 0, USER) == 20
    assert client.get_float_value("ratio", 0.0, USER) == 0.5
    assert client.get_object_value("colours", [], USER) == ["red", ["deep"]]
    assert client.get_object_value("limits", {}, USER) == {"per": {"hour": 3}}
    assert client.get_object_value("limits", [], USER) == {"per": {"hour": 3}}


def test_every_type_is_resolved_awaiting(client: Any) -> None:
    async def ask() -> list[Any]:
        return [
            await client.get_boolean_value_async("banner", False, USER),
            await client.get_string_value_async("greeting", "", USER),
            await client.get_integer_value_async("page-size", 0, USER),
            await client.get_float_value_async("ratio", 0.0, USER),
            await client.get_object_value_async("limits", {}, USER),
        ]

    assert asyncio.run(ask()) == [True, "Hello", 20, 0.5, {"per": {"hour": 3}}]


def test_a_whole_number_is_good_enough_for_a_float(client: Any) -> None:
    details = client.get_float_details("page-size", 0.5, USER)

    assert (details.value, type(details.value), details.error_code) == (20.0, float, None)
    assert client.get_float_value("ratio", 1, USER) == 0.5


@pytest.mark.parametrize(
    ("ask", "flag", "default"),
    [
        ("boolean", "page-size", True),
        ("integer", "banner", 7),
        ("integer", "ratio", 7),
        ("float", "banner", 0.5),
        ("string", "page-size", "x"),
        ("object", "banner", {"x": 1}),
        ("object", "greeting", ["x"]),
    ],
)
def test_a_value_of_another_type_is_an_error(client: Any, ask: str, flag: str, default: Any) -> None:
    details = getattr(client, f"get_{ask}_details")(flag, default, USER)

    assert (details.value, details.error_code, details.reason) == (default, ErrorCode.TYPE_MISMATCH, "ERROR")
    assert "of type" in details.error_message


def test_every_reason_has_its_counterpart() -> None:
    assert {*provider._REASONS, *provider._ERRORS} == set(Reason)
    assert not provider._REASONS.keys() & provider._ERRORS.keys()


def test_reasons_and_what_openfeature_has_no_place_for(flags: MemoryClient, client: Any) -> None:
    split = client.get_string_details("checkout-cta", "", USER)
    assert (split.reason, split.flag_metadata) == ("SPLIT", {"experiment": "cta-wording"})

    with flags.override({"checkout-cta": "urgent"}):
        forced = client.get_string_details("checkout-cta", "", USER)
    assert (forced.value, forced.variant, forced.reason) == ("Buy now", "urgent", "TARGETING_MATCH")
    assert forced.flag_metadata == {"override": "override", "reason": "OVERRIDE"}


@pytest.mark.parametrize(
    ("flag", "context", "code"),
    [
        ("nowhere", USER, ErrorCode.FLAG_NOT_FOUND),
        ("checkout-cta", EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING),
    ],
)
def test_an_error_carries_the_callers_default(
    client: Any, flag: str, context: EvaluationContext, code: ErrorCode
) -> None:
    details = client.get_string_details(flag, "mine", context)

    assert (details.value, details.variant, details.error_code) == ("mine", None, code)
    assert details.error_message


def test_a_context_keeps_its_types() -> None:
    leaves = [
        {"attribute": ["org", "plan"], "op": "eq", "value": "pro"},
        {"attribute": "seats", "op": "ge", "value": 3},
        {"attribute": "since", "op": "before", "value": "2026-01-01T00:00:00Z"},
        {"attribute": "beta", "op": "eq", "value": True},
    ]
    rules = {"version": 1, "flags": {"x": {"rules": [{"when": {"all": leaves}, "serve": "on"}]}}}
    api.set_provider_and_wait(FlagstaffProvider(MemoryClient(rules)))
    attributes: dict[str, Any] = {
        "org": {"plan": "pro"},
        "seats": 3,
        "since": datetime(2025, 6, 1, tzinfo=UTC),
        "beta": True,
    }

    client = api.get_client()
    assert client.get_boolean_value("x", False, EvaluationContext("u", attributes))
    assert not client.get_boolean_value("x", False, EvaluationContext("u", attributes | {"seats": 2}))


def test_a_decision_of_an_experiment_is_one_exposure(flags: MemoryClient, client: Any) -> None:
    for _ in range(2):
        client.get_string_value("checkout-cta", "", USER)
    assert len(flags.exposures) == 1

    client.get_object_value("checkout-cta", {}, EvaluationContext("user-2"))  # a value that nobody saw
    assert len(flags.exposures) == 1


def test_an_object_of_an_experiment_is_one_exposure() -> None:
    flags = MemoryClient()
    flags.set("layout", {"columns": 3}, experiment="columns")
    api.set_provider_and_wait(FlagstaffProvider(flags))

    assert api.get_client().get_object_value("layout", {}, USER) == {"columns": 3}
    assert [exposure.experiment for exposure in flags.exposures] == ["columns"]


# -- tracking --------------------------------------------------------------------------------------------


def test_what_is_tracked_arrives() -> None:
    sink = MemorySink()
    with Client.from_document(document(), events=sink) as flags:
        given = FlagstaffProvider(flags)
        api.set_provider_and_wait(given)
        client = api.get_client()
        client.track("order-placed", USER, TrackingEventDetails(49.9, {"currency": "EUR"}))
        client.track("order-placed", USER, TrackingEventDetails(None, {"value": 3, "event": "x"}))
        client.track("left", USER)
        given.shutdown()
        told = [event["data"] for event in sink.of_type("flagstaff.track")]

    assert [(each["event"], each["unit"], each.get("value")) for each in told] == [
        ("order-placed", "user-1", 49.9),
        ("order-placed", "user-1", 3),
        ("left", "user-1", None),
    ]
    assert told[0]["properties"] == {"currency": "EUR"}
    assert told[1]["properties"] == {"event": "x"}


# -- life and events -------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any]]]:
    """Every event that OpenFeature emits, with what it says of flags."""
    found: list[tuple[str, Any]] = []
    handlers: list[tuple[ProviderEvent, Callable[[EventDetails], None]]] = []

    def handler_of(event: ProviderEvent) -> Callable[[EventDetails], None]:
        name = event.name.removeprefix("PROVIDER_")
        return lambda details: found.append((name, details.flags_changed))

    for event in ProviderEvent:
        handlers.append((event, handler_of(event)))
        api.add_handler(*handlers[-1])
    yield found
    for event, handler in handlers:
        api.remove_handler(event, handler)


def test_changes_are_told_with_the_flags_that_really_changed(heard: list[Any]) -> None:
    source = MemorySource(document())
    with Client(source, events=None) as flags:
        api.set_provider_and_wait(FlagstaffProvider(flags))
        eventually(lambda: ("READY", None) in heard)
        source.set("page-size", "large")
        source.set("page-size", "large")  # no change
        eventually(lambda: len(heard) >= 2 + (heard[0] != ("READY", None)))
        changed = document()
        changed["flags"]["ratio"]["variants"]["half"] = 0.25
        source.replace(changed)
        eventually(lambda: len([event for event, _ in heard if event.startswith("CONF")]) == 2)

    assert ("CONFIGURATION_CHANGED", ["page-size"]) in heard
    assert ("CONFIGURATION_CHANGED", ["page-size", "ratio"]) in heard


def test_an_outage_is_told_and_its_end(heard: list[Any]) -> None:
    with scripted() as server:
        server.rules = answer(encoded(document()))
        with Client(server.url, events=None, poll_interval=0.1) as flags:
            api.set_provider_and_wait(FlagstaffProvider(flags, timeout=20.0))
            client = api.get_client()
            server.rules = answer(status=503)
            eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
            assert client.get_boolean_value("banner", False) is True
            server.rules = answer(encoded(document()))
            eventually(lambda: client.get_provider_status() is ProviderStatus.READY)
            eventually(lambda: [event for event, _ in heard].count("READY") >= 2)

    names = [event for event, _ in heard]
    assert names.count("STALE") == 1
    assert "ERROR" not in names


def test_rules_that_come_late_are_told(heard: list[Any]) -> None:
    class Late(MemorySource):
        def come(self) -> None:
            super().attach(self.publish)

        def attach(self, publish: Any) -> None:
            self.publish = publish

    source = Late(document())
    with Client(source, events=None) as flags:
        with pytest.raises(ProviderNotReadyError, match=r"within 0\.01 s"):
            api.set_provider_and_wait(FlagstaffProvider(flags, timeout=0.01))
        client = api.get_client()
        assert client.get_provider_status() is ProviderStatus.ERROR
        assert client.get_boolean_details("banner", False).error_code is ErrorCode.PROVIDER_NOT_READY

        eventually(lambda: [event for event, _ in heard].count("ERROR"))
        told = [event for event, _ in heard].count("READY")  # of the provider before, which is ready at once
        source.come()
        assert client.get_provider_status() is ProviderStatus.READY
        assert client.get_boolean_value("banner", False) is True
        eventually(lambda: [event for event, _ in heard].count("READY") > told)

    assert not [event for event, _ in heard if event.startswith("CONFIGURATION")]


def test_a_shutdown_twice_does_nothing_more_and_another_start_is_possible(heard: list[Any]) -> None:
    source = MemorySource(document())
    with Client(source, events=None) as flags:
        given = FlagstaffProvider(flags)
        given.shutdown()
        api.set_provider_and_wait(given)
        given.shutdown()
        given.shutdown()
        source.set("page-size", "large")

        given.initialize(EvaluationContext())
        assert given.resolve_integer_details("page-size", 0).value == 50
        assert flags.enabled("banner")  # it is still the caller's

    assert not [event for event, _ in heard if event.startswith("CONFIGURATION")]


def test_an_asynchronous_client_does_too() -> None:
    async def use() -> tuple[Any, Any]:
        with scripted() as server:
            server.rules = answer(encoded(document()))
            async with AsyncClient(server.url, events=None) as flags:
                given = FlagstaffProvider(flags, timeout=20.0)
                await asyncio.to_thread(api.set_provider_and_wait, given)
                client = api.get_client()
                value = await client.get_string_value_async("greeting", "", USER)
                return client.get_provider_status(), value

    assert asyncio.run(use()) == (ProviderStatus.READY, "Hello")


def test_a_loop_is_not_held_up() -> None:
    async def use() -> None:
        class Silent(MemorySource):
            def attach(self, publish: Any) -> None:
                pass

        async with AsyncClient(Silent(), events=None) as flags:
            with pytest.raises(ProviderNotReadyError):
                FlagstaffProvider(flags, timeout=600.0).initialize(EvaluationContext())

    asyncio.run(use())


def test_it_is_safe_in_threads(client: Any) -> None:
    found: set[str] = set()

    def ask() -> None:
        found.update(client.get_string_value("greeting", "", USER) for _ in range(200))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"Hello"}
