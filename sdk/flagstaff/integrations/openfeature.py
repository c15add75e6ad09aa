"""OpenFeature: a provider, for code that asks for flags through the vendor-neutral API.

from openfeature import api

api.set_provider_and_wait(FlagstaffProvider(client))
api.get_client().get_boolean_value("new-checkout", False, EvaluationContext("user-42"))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.flag_evaluation import Reason as OpenFeatureReason
from openfeature.hook import Hook
from openfeature.provider import FeatureProvider, Metadata
from openfeature.track import TrackingEventDetails

from flagstaff import AsyncClient, Client, Context, Decision, Reason

__all__ = ["FlagstaffProvider"]

T = TypeVar("T")
Emit: TypeAlias = Callable[[FeatureProvider, ProviderEvent, ProviderEventDetails], None]

_LOOK = 0.05  # seconds between two looks at a client that can't be waited for here
_FLUSH = 2.0  # seconds

_REASONS = {
    Reason.STATIC: OpenFeatureReason.STATIC,
    Reason.TARGETING_MATCH: OpenFeatureReason.TARGETING_MATCH,
    Reason.SPLIT: OpenFeatureReason.SPLIT,
    Reason.DEFAULT: OpenFeatureReason.DEFAULT,
    Reason.DISABLED: OpenFeatureReason.DISABLED,
    Reason.STALE: OpenFeatureReason.STALE,
    Reason.OVERRIDE: OpenFeatureReason.TARGETING_MATCH,
    Reason.PREREQUISITE_FAILED: OpenFeatureReason.DEFAULT,
    Reason.HOLDOUT: OpenFeatureReason.SPLIT,
}
_ERRORS = {
    Reason.FLAG_NOT_FOUND: ErrorCode.FLAG_NOT_FOUND,
    Reason.NOT_READY: ErrorCode.PROVIDER_NOT_READY,
    Reason.TARGETING_KEY_MISSING: ErrorCode.TARGETING_KEY_MISSING,
    Reason.TYPE_MISMATCH: ErrorCode.TYPE_MISMATCH,
    Reason.MALFORMED: ErrorCode.PARSE_ERROR,
    Reason.GENERAL: ErrorCode.GENERAL,
}


class FlagstaffProvider:
    """Resolves flags by a client's rules, and tells of what happens to them.

    ``client`` stays the caller's: shutting the provider down delivers what waits and closes nothing.
    ``timeout`` is the number of seconds that ``initialize`` waits for rules; if there are none by then it
    raises ProviderNotReadyError, and READY follows when they come.

    A reason that OpenFeature doesn't have becomes the nearest that it has, and the flag metadata's
    ``reason`` names it; ``experiment`` there names the experiment that served.
    """

    def __init__(self, client: Client | AsyncClient, *, timeout: float = 5.0) -> None:
        self._client = client
        self._timeout = timeout
        self._lock = threading.RLock()
        self._told: str | None = None  # the state that OpenFeature knows of; None while it doesn't listen
        self._untold = False  # whether it was another when `initialize` ended
        self._endings: list[Callable[[], None]] = []
        self._emit: Emit | None = None

    def get_metadata(self) -> Metadata:
        """Our name."""
        return Metadata("flagstaff")

    def get_provider_hooks(self) -> list[Hook]:
        """None."""
        return []

    # -- life -----------------------------------------------------------------------------------------

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - the protocol's
        """Wait for rules, ``timeout`` seconds at most; ProviderNotReadyError if there are none by then."""
        with self._lock:
            self._unsubscribe()
            self._endings = [
                self._client.on_state(self._state_changed),
                self._client.on_change(self._rules_changed),
            ]
        self._wait()
        with self._lock:
            state = self._client.status().state
            ready = state != "NOT_READY"
            # OpenFeature emits the event for how this ends by itself, and then may not have heard it all.
            self._told = "READY" if ready else "NOT_READY"
            self._untold = state != self._told
        if not ready:
            raise ProviderNotReadyError(f"no rules have arrived within {self._timeout:g} s")

    def shutdown(self) -> None:
        """Deliver what waits and stop listening; the client stays open. Doing it twice does nothing more."""
        with self._lock:
            self._unsubscribe()
        if isinstance(self._client, Client):
            self._client.flush(_FLUSH)

    def _unsubscribe(self) -> None:
        for end in self._endings:
            end()
        self._endings = []
        self._told, self._untold = None, False

    def _wait(self) -> None:
        if isinstance(self._client, Client):
            self._client.wait_ready(self._timeout)
            return
        pause = threading.Event()  # an AsyncClient's rules arrive in its own loop
        for _ in range(0 if _in_a_loop() else int(self._timeout / _LOOK)):
            if self._client.status().ready:
                return
            pause.wait(_LOOK)

    # -- events ---------------------------------------------------------------------------------------

    def attach(self, on_emit: Emit) -> None:
        """Tell ``on_emit`` of every event, from now on."""
        self._emit = on_emit

    def detach(self) -> None:
        """Tell nobody any more."""
        self._emit = None

    def _tell(self, event: ProviderEvent, details: ProviderEventDetails) -> None:
        emit = self._emit
        if emit is not None:
            emit(self, event, details)

    def _state_changed(self, state: str) -> None:
        """Emit what has become of the rules, unless ``initialize`` is under way and will say so."""
        with self._lock:
            if self._told is None or state == self._told:
                return
            self._told = state
        if state == "READY":
            self._tell(ProviderEvent.PROVIDER_READY, ProviderEventDetails())
        elif state == "STALE":
            message = "; ".join(self._client.status().problems)
            self._tell(ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=message))

    def _rules_changed(self, flags: frozenset[str]) -> None:
        if self._told in ("READY", "STALE"):  # before that, READY says it all
            details = ProviderEventDetails(flags_changed=sorted(flags))
            self._tell(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)

    # -- flags ----------------------------------------------------------------------------------------

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """The value of a flag whose variants are True and False."""
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """The value of a flag whose variants are texts."""
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """The value of a flag whose variants are whole numbers."""
        return self._resolve(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """The value of a flag whose variants are numbers; a whole one is given as a float."""
        details = self._resolve(flag_key, float(default_value), evaluation_context)
        if details.error_code is None:
            details.value = float(details.value)
        return details

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """The value of a flag whose variants are objects or arrays, whichever the default is."""
        context = _context(evaluation_context)
        decision = self._client.decide(flag_key, context, exposure=False)
        if decision.variant is not None and not isinstance(decision.value, dict | list):
            kind = type(decision.value).__name__
            message = f"variant {decision.variant} is of type {kind}, and neither an object nor an array"
            return _failed(default_value, ErrorCode.TYPE_MISMATCH, message, decision)
        if decision.experiment is not None:
            decision = self._client.decide(flag_key, context)  # now that its value is wanted
        return self._details(decision, default_value)

    # Deciding neither waits nor does I/O: there is nothing to await.

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """As ``resolve_boolean_details``."""
        return self.resolve_boolean_details(flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """As ``resolve_string_details``."""
        return self.resolve_string_details(flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """As ``resolve_integer_details``."""
        return self.resolve_integer_details(flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """As ``resolve_float_details``."""
        return self.resolve_float_details(flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """As ``resolve_object_details``."""
        return self.resolve_object_details(flag_key, default_value, evaluation_context)

    def _resolve(self, key: str, default: T, given: EvaluationContext | None) -> FlagResolutionDetails[T]:
        return self._details(self._client.decide(key, _context(given), default), default)

    def _details(self, decision: Decision, default: T) -> FlagResolutionDetails[T]:
        if self._untold:
            self._untold = False
            self._state_changed(self._client.status().state)
        code = _ERRORS.get(decision.reason)
        if code is not None:
            return _failed(default, code, decision.error, decision)
        return FlagResolutionDetails(
            value=default if decision.variant is None else decision.value,
            variant=decision.variant,
            reason=_REASONS[decision.reason],
            flag_metadata=_metadata(decision),
        )

    # -- tracking -------------------------------------------------------------------------------------

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Report that something happened to the context's unit."""
        details = tracking_event_details or TrackingEventDetails()
        properties: dict[str, Any] = {str(name): item for name, item in details.attributes.items()}
        value: Any = properties.pop("value", None) if details.value is None else details.value
        properties.pop("value", None)
        self._client.track(tracking_event_name, _context(evaluation_context), value=value, **properties)


def _context(given: EvaluationContext | None) -> Context:
    return Context() if given is None else Context(given.targeting_key, given.attributes)


def _failed(default: T, code: ErrorCode, message: str | None, decision: Decision) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(
        value=default,
        error_code=code,
        error_message=message,
        reason=OpenFeatureReason.ERROR,
        flag_metadata=_metadata(decision),
    )


def _metadata(decision: Decision) -> dict[str, bool | int | float | str]:
    """What OpenFeature can carry of a decision's metadata, and what it has no other place for."""
    found = {
        name: item for name, item in decision.metadata.items() if isinstance(item, bool | int | float | str)
    }
    reason = decision.reason
    if reason in _REASONS and str(_REASONS[reason]) != str(reason):
        found["reason"] = str(reason)
    if decision.experiment is not None:
        found["experiment"] = decision.experiment
    return found


def _in_a_loop() -> bool:
    """Whether this thread runs an event loop, which waiting would hold up."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
