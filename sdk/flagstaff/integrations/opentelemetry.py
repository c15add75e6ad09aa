"""OpenTelemetry: an event for every evaluation, metrics of the delivery, and no traces of our own requests.

    end = instrument(client)

Names are those of the semantic conventions 1.44 for feature flags. Only the API is needed: without an SDK
nothing is collected, and evaluation stays what it was.
"""

from __future__ import annotations

import inspect
import json
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry._logs import Logger, LoggerProvider, get_logger
from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from flagstaff import AsyncClient, Client, Context, Decision, Reason
from flagstaff.core.context import as_context

__all__ = ["EVENT", "instrument"]

EVENT = "feature_flag.evaluation"
"""The name of the event."""

_SCOPE = "flagstaff"
_LONGEST = 256  # characters of a value or a unit
_SUPPRESS = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")

_REASONS = {
    Reason.STATIC: "static",
    Reason.TARGETING_MATCH: "targeting_match",
    Reason.SPLIT: "split",
    Reason.DEFAULT: "default",
    Reason.DISABLED: "disabled",
    Reason.STALE: "stale",
    Reason.OVERRIDE: "targeting_match",
    Reason.PREREQUISITE_FAILED: "default",
    Reason.HOLDOUT: "split",
}
_ERRORS = {
    Reason.FLAG_NOT_FOUND: "flag_not_found",
    Reason.NOT_READY: "provider_not_ready",
    Reason.TARGETING_KEY_MISSING: "targeting_key_missing",
    Reason.TYPE_MISMATCH: "type_mismatch",
    Reason.MALFORMED: "parse_error",
    Reason.GENERAL: "general",
}


def instrument(
    client: Client | AsyncClient,
    *,
    values: bool = False,
    context_id: Callable[[str], str] | None = str,
    spans: bool = False,
    logger_provider: LoggerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Callable[[], None]:
    """Report what a client does to OpenTelemetry; returns a function that ends it.

    ``values``
        Give a variant's value, too; it is cut at 256 characters. A decision without a variant has it always.
    ``context_id``
        What makes a unit fit to be seen, such as a hash; None leaves it out.
    ``spans``
        Note on the current span which variant each flag had: ``flagstaff.flag.<key>``.
    ``logger_provider``, ``meter_provider``
        Left out, the global ones.

    A peek (``exposure=False``), ``decide_all`` and ``explain`` are no evaluations. A client that isn't
    instrumented pays nothing.
    """
    logger = get_logger(_SCOPE, logger_provider=logger_provider)
    reporter = _Reporter(client, logger, values=values, context_id=context_id, spans=spans)
    step_aside = client.intercept(getters=reporter.reporting, requests=_untraced)
    measured = _Measured(client, metrics.get_meter(_SCOPE, meter_provider=meter_provider))

    def end() -> None:
        measured.end()
        step_aside()

    return end


# -- evaluations -----------------------------------------------------------------------------------------


class _Reporter:
    """Tells OpenTelemetry of decisions."""

    def __init__(
        self,
        client: Client | AsyncClient,
        logger: Logger,
        *,
        values: bool,
        context_id: Callable[[str], str] | None,
        spans: bool,
    ) -> None:
        self._client = client
        self._decide = client.decide  # as it was before
        self._logger = logger
        self._values = values
        self._context_id = context_id
        self._spans = spans
        self._edition: object = None  # those rules that `_shared` is about
        self._shared: dict[str, Any] = {}

    def _common(self) -> dict[str, Any]:
        """What all events have in common for as long as the rules stay."""
        edition = self._client.edition
        if edition != self._edition or not self._shared:
            project, environment, revision = edition
            shared = {"feature_flag.provider.name": "flagstaff"}
            if project is not None:
                shared["feature_flag.set.id"] = f"{project}/{environment}"
            if revision is not None:
                shared["feature_flag.version"] = revision
            self._edition, self._shared = edition, shared
        return self._shared

    def reporting(self, getter: Callable[..., Any]) -> Callable[..., Any]:
        """The getter, which tells what was decided."""

        def asked(
            flag: str,
            context: Any = _ANONYMOUS,
            *rest: Any,
            exposure: bool = True,
            **named: Any,
        ) -> Any:
            found = getter(flag, context, *rest, exposure=exposure, **named)
            if exposure:
                self._report(flag, context, found, rest[0] if rest else named.get("default"))
            return found

        return asked

    def _report(self, flag: str, context: Any, found: Any, default: Any) -> None:
        try:
            span = trace.get_current_span() if self._spans else trace.INVALID_SPAN
            listening = self._logger.enabled(event_name=EVENT)
            if not listening and not span.is_recording():
                return
            if isinstance(found, Decision):
                decision = found
            else:
                typed = None if isinstance(found, bool) and not isinstance(default, bool) else default
                decision = self._decide(flag, context, typed, exposure=False)
            if listening:
                self._emit(decision, as_context(context))
            if span.is_recording():
                span.set_attribute(f"flagstaff.flag.{decision.flag}", decision.variant or "")
        except Exception:  # noqa: BLE001, S110 - evaluation never raises, whatever an exporter or a context does
            pass

    def _emit(self, decision: Decision, context: Context) -> None:
        error = _ERRORS.get(decision.reason)
        attributes = {
            **self._common(),
            "feature_flag.key": decision.flag,
            "feature_flag.result.reason": "error" if error else _REASONS[decision.reason],
        }
        if decision.variant is not None:
            attributes["feature_flag.result.variant"] = decision.variant
        if self._values or decision.variant is None:
            attributes["feature_flag.result.value"] = _shown(decision.value)
        if error is not None:
            attributes["error.type"] = error
            attributes["feature_flag.error.message"] = decision.error or ""
        if self._context_id is not None and context.targeting_key is not None:
            attributes["feature_flag.context.id"] = self._context_id(str(context.targeting_key))[:_LONGEST]
        self._logger.emit(timestamp=time.time_ns(), event_name=EVENT, attributes=attributes)


_ANONYMOUS = Context()


def _shown(value: Any) -> bool | int | float | str:
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return text[:_LONGEST]


# -- our own requests ------------------------------------------------------------------------------------


def _untraced(request: Callable[..., Any]) -> Callable[..., Any]:
    """The same, out of sight of whatever instruments HTTP clients: telling must not be told of."""
    if inspect.iscoroutinefunction(request):

        async def awaited(*args: Any, **named: Any) -> Any:
            token = otel_context.attach(_suppressing())
            try:
                return await request(*args, **named)
            finally:
                otel_context.detach(token)

        return awaited

    def called(*args: Any, **named: Any) -> Any:
        token = otel_context.attach(_suppressing())
        try:
            return request(*args, **named)
        finally:
            otel_context.detach(token)

    return called


def _suppressing() -> otel_context.Context:
    made = otel_context.get_current()
    for name in _SUPPRESS:
        key = getattr(otel_context, name, None)  # where instrumentations look, by agreement only
        if key is not None:
            made = otel_context.set_value(key, True, made)
    return made


# -- the delivery ----------------------------------------------------------------------------------------


class _Measured:
    """Metrics of a client's events and rules, for as long as there is the client."""

    def __init__(self, client: Client | AsyncClient, meter: Meter) -> None:
        self._client: weakref.ref[Client | AsyncClient] | None = weakref.ref(client)
        meter.create_observable_up_down_counter(
            "flagstaff.events.queue.size", [self._pending], "{event}", "Events that wait for their delivery"
        )
        meter.create_observable_counter(
            "flagstaff.events.processed",
            [self._processed],
            "{event}",
            "Events that were delivered, or dropped for the reason in error.type",
        )
        meter.create_observable_gauge(
            "flagstaff.rules.age", [self._age], "s", "How long ago the rules were known to be current"
        )

    def end(self) -> None:
        self._client = None

    def _found(self) -> Client | AsyncClient | None:
        return None if self._client is None else self._client()

    def _pending(self, _options: CallbackOptions) -> Iterable[Observation]:
        client = self._found()
        if client is not None:
            yield Observation(client.stats()["pending"])

    def _processed(self, _options: CallbackOptions) -> Iterable[Observation]:
        client = self._found()
        if client is not None:
            stats = client.stats()
            yield Observation(stats["delivered"])
            for reason, count in stats["dropped"].items():
                yield Observation(count, {"error.type": reason})

    def _age(self, _options: CallbackOptions) -> Iterable[Observation]:
        client = self._found()
        age = None if client is None else client.status().age
        if age is not None:
            yield Observation(age)
