from __future__ import annotations

import asyncio
import gc
import hashlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.semconv._incubating.attributes import feature_flag_attributes as conventions

from flagstaff import AsyncClient, Client, Context, Reason
from flagstaff.integrations import opentelemetry
from flagstaff.integrations.opentelemetry import EVENT, instrument
from flagstaff.testing import AsyncMemoryClient, MemoryClient, MemorySink
from tests.client.lab import document, encoded, eventually

USER = Context("user-1", email="a@shop.test")


class Logs:
    """What OpenTelemetry was told."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self))  # type: ignore[arg-type]

    def export(self, batch: Any) -> None:
        self.records.extend(getattr(record, "log_record", record) for record in batch)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 0) -> bool:  # noqa: ARG002
        return True

    @property
    def events(self) -> list[dict[str, Any]]:
        assert all(record.event_name == EVENT for record in self.records)
        return [dict(record.attributes) for record in self.records]


@pytest.fixture
def logs() -> Iterator[Logs]:
    made = Logs()
    yield made
    made.provider.shutdown()


@pytest.fixture
def flags() -> MemoryClient:
    return MemoryClient(document(revision=7))


COMMON = {
    "feature_flag.provider.name": "flagstaff",
    "feature_flag.set.id": "shop/production",
    "feature_flag.version": "7",
    "feature_flag.context.id": "user-1",
}


def test_an_evaluation_is_one_event(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider)
    assert flags.enabled("new-checkout", USER) is True
    assert flags.value("page-size", USER, default=0) == 20
    assert flags.variant("greeting", USER) == "plain"
    assert flags.decide("banner", USER).enabled

    told = [
        ("new-checkout", "on", "targeting_match"),
        ("page-size", "small", "static"),
        ("greeting", "plain", "static"),
        ("banner", "on", "static"),
    ]
    assert logs.events == [
        COMMON
        | {
            "feature_flag.key": key,
            "feature_flag.result.variant": variant,
            "feature_flag.result.reason": reason,
        }
        for key, variant, reason in told
    ]


def test_the_names_are_those_of_the_conventions(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider, values=True)
    flags.value("page-size", USER, default=0)
    flags.value("page-size", USER, default="x")

    names = {name for event in logs.events for name in event}
    assert names == {
        "error.type",
        conventions.FEATURE_FLAG_CONTEXT_ID,
        conventions.FEATURE_FLAG_ERROR_MESSAGE,
        conventions.FEATURE_FLAG_KEY,
        conventions.FEATURE_FLAG_PROVIDER_NAME,
        conventions.FEATURE_FLAG_RESULT_REASON,
        conventions.FEATURE_FLAG_RESULT_VALUE,
        conventions.FEATURE_FLAG_RESULT_VARIANT,
        conventions.FEATURE_FLAG_SET_ID,
        conventions.FEATURE_FLAG_VERSION,
    }
    reasons = {value.value for value in conventions.FeatureFlagResultReasonValues}
    assert {*opentelemetry._REASONS.values(), "error"} <= reasons
    assert {*opentelemetry._REASONS, *opentelemetry._ERRORS} == set(Reason)


def test_an_error_says_what_and_why(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider)
    assert flags.value("nowhere", USER, default=3) == 3
    assert flags.value("page-size", USER, default="x") == "x"
    assert flags.enabled("nowhere", USER, True)

    missing, mismatch, _ = logs.events
    assert missing == COMMON | {
        "feature_flag.key": "nowhere",
        "feature_flag.result.reason": "error",
        "feature_flag.result.value": 3,
        "error.type": "flag_not_found",
        "feature_flag.error.message": "the rules have no flag 'nowhere'",
    }
    assert (mismatch["error.type"], mismatch["feature_flag.result.value"]) == ("type_mismatch", "x")


def test_a_flag_of_another_type_is_enabled_without_an_error(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider)
    assert flags.enabled("greeting", USER)

    assert logs.events[0]["feature_flag.result.variant"] == "plain"


def test_values_are_given_when_asked_for_and_cut(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider, values=True)
    flags.value("limits", USER)
    flags.value("nowhere", USER, default="é" * 1000)

    first, second = logs.events
    assert first["feature_flag.result.value"] == '{"per": {"hour": 3}}'
    assert second["feature_flag.result.value"] == "é" * 256


@pytest.mark.parametrize("make", [str.upper, lambda unit: hashlib.sha256(unit.encode()).hexdigest()])
def test_a_unit_can_be_hidden(flags: MemoryClient, logs: Logs, make: Callable[[str], str]) -> None:
    instrument(flags, logger_provider=logs.provider, context_id=make)
    flags.enabled("banner", USER)

    assert logs.events[0]["feature_flag.context.id"] == make("user-1")


def test_a_unit_can_be_left_out(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider, context_id=None)
    flags.enabled("banner", USER)

    assert "feature_flag.context.id" not in logs.events[0]


def test_a_view_reports_and_a_peek_does_not(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider)
    view = flags.bind(USER)
    view.enabled("banner", exposure=False)
    view.decide_all()
    view.explain("banner")
    assert logs.events == []

    view.value("checkout-cta", default="")
    assert [event["feature_flag.key"] for event in logs.events] == ["checkout-cta"]
    assert len(flags.exposures) == 1


def test_changed_rules_change_what_events_say(flags: MemoryClient, logs: Logs) -> None:
    instrument(flags, logger_provider=logs.provider)
    flags.replace(document(revision=8, environment="test"))
    flags.enabled("banner", USER)

    assert logs.events[0]["feature_flag.version"] == "8"
    assert logs.events[0]["feature_flag.set.id"] == "shop/test"


def test_the_end_leaves_the_client_as_it_was(flags: MemoryClient, logs: Logs) -> None:
    before = {**vars(flags)}
    end = instrument(flags, logger_provider=logs.provider)
    end()
    end()
    flags.enabled("banner", USER)

    assert logs.events == []
    assert vars(flags).keys() == before.keys()
    assert "send" not in vars(flags._http)


def test_what_is_not_instrumented_knows_nothing(flags: MemoryClient, logs: Logs) -> None:
    instrument(MemoryClient(), logger_provider=logs.provider)
    flags.enabled("banner", USER)

    assert logs.events == []
    assert not {"enabled", "value", "variant", "decide"} & vars(flags).keys()


def test_telemetry_that_fails_hurts_nobody(flags: MemoryClient) -> None:
    def raising(unit: str) -> str:
        raise ValueError(unit)

    made = Logs()
    instrument(flags, logger_provider=made.provider, context_id=raising)
    hostile: Any = object()

    assert flags.enabled("banner", USER)
    assert flags.enabled("new-checkout", hostile) is False
    made.provider.shutdown()


def test_spans_carry_the_variants(flags: MemoryClient) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    instrument(flags, spans=True)
    with tracer.start_as_current_span("request") as span:
        flags.value("checkout-cta", USER, default="")
        flags.enabled("nowhere", USER)
        attributes = dict(getattr(span, "attributes", {}))

    variant = flags.variant("checkout-cta", USER, exposure=False)
    assert attributes == {"flagstaff.flag.checkout-cta": variant, "flagstaff.flag.nowhere": ""}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_an_asynchronous_client_reports_too(logs: Logs) -> None:
    flags = AsyncMemoryClient(document(revision=7))
    instrument(flags, logger_provider=logs.provider)

    async def ask() -> None:
        async with flags as client:
            client.enabled("banner", USER)

    asyncio.run(ask())
    assert len(logs.events) == 1


# -- metrics ---------------------------------------------------------------------------------------------


def measured(reader: InMemoryMetricReader) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    data: Any = reader.get_metrics_data()
    return {
        metric.name: [(point.value, dict(point.attributes)) for point in metric.data.data_points]
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_the_delivery_is_measured() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    sink = MemorySink()
    sink.fault = OSError("down")
    with Client.from_document(document(), events=sink) as flags:
        end = instrument(flags, meter_provider=provider)
        flags.value("checkout-cta", USER)
        flags.track("bad", USER, what=object())
        found = measured(reader)
        assert found["flagstaff.events.queue.size"] == [(1, {})]
        assert found["flagstaff.events.processed"] == [(0, {}), (1, {"error.type": "not_encodable"})]
        assert found["flagstaff.rules.age"][0][0] >= 0

        sink.fault = None
        assert flags.flush(20)
        assert measured(reader)["flagstaff.events.processed"][0] == (1, {})
        end()
        assert measured(reader) == {}
    provider.shutdown()


def test_metrics_hold_on_to_no_client() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    flags = MemoryClient()
    instrument(flags, meter_provider=provider)
    gone = weakref.ref(flags)
    del flags
    gc.collect()

    assert gone() is None
    assert measured(reader) == {}
    provider.shutdown()


# -- our own requests ------------------------------------------------------------------------------------


def suppressed() -> bool:
    return bool(otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY))


def test_our_own_requests_are_out_of_sight() -> None:
    seen: list[bool] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(suppressed())
        return httpx.Response(200, content=encoded(document()))

    with (
        httpx.Client(transport=httpx.MockTransport(handle)) as mine,
        Client("http://flags.test", events=None, http_client=mine, poll_interval=0.1) as flags,
    ):
        end = instrument(flags)
        eventually(lambda: True in seen)
        end()
        eventually(lambda: seen[-1] is False)
        assert not suppressed()


def test_our_own_requests_are_out_of_sight_awaiting() -> None:
    seen: list[bool] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(suppressed())
        return httpx.Response(200, content=encoded(document()))

    async def use() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as mine:
            flags = AsyncClient("http://flags.test", events=None, http_client=mine)
            instrument(flags)
            async with flags:
                assert await flags.wait_ready(20)
            assert not suppressed()

    asyncio.run(use())
    assert seen
    assert all(seen)
