"""Telling formats apart by what their documents look like: what ``format="auto"`` goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["format_of"]


def format_of(document: Any) -> str | None:
    """The format that a document looks to be of; None if it looks like none that is known."""
    if not isinstance(document, Mapping):
        return None
    return next((name for name, looks in _LOOKS.items() if looks(document)), None)


def _is_optimizely(document: Mapping[str, Any]) -> bool:
    if isinstance(document.get("featureFlags"), list):
        return isinstance(document.get("rollouts"), list)
    return (
        isinstance(document.get("experiments"), list) and "projectId" in document
    )  # before there were flags


def _is_unleash(document: Mapping[str, Any]) -> bool:
    events = document.get("events")
    if isinstance(events, list):
        return any(isinstance(event, Mapping) and "type" in event for event in events)
    return isinstance(document.get("features"), list)


def _is_flagsmith(document: Mapping[str, Any]) -> bool:
    if isinstance(document.get("feature_states"), list):
        return True
    return isinstance(document.get("environment"), Mapping) and isinstance(document.get("features"), Mapping)


def _is_growthbook(document: Mapping[str, Any]) -> bool:
    return isinstance(document.get("features"), Mapping) or "encryptedFeatures" in document


def _is_eppo(document: Mapping[str, Any]) -> bool:
    return _have(document, "allocations") or document.get("format") in ("SERVER", "CLIENT")


def _is_launchdarkly(document: Mapping[str, Any]) -> bool:
    flags, segments = document.get("flags"), document.get("segments")
    if isinstance(flags, Mapping) and isinstance(segments, Mapping) and "version" not in document:
        parts = (
            *flags.values(),
            *segments.values(),
        )  # each of a version; some are what is left of the deleted
        if all(isinstance(part, Mapping) and "version" in part for part in parts):
            return True
    return _have(document, "variations")


def _is_flagd(document: Mapping[str, Any]) -> bool:
    if "$evaluators" in document or str(document.get("$schema")).startswith("https://flagd.dev/"):
        return True
    return isinstance(document.get("flags"), list) or _have(document, "state")


def _is_native(document: Mapping[str, Any]) -> bool:
    return document.get("version") == 1 and "features" not in document and "events" not in document


def _have(document: Mapping[str, Any], field: str) -> bool:
    """Whether a flag has a field: one is enough, since others may be broken."""
    flags = document.get("flags")
    values = flags.values() if isinstance(flags, Mapping) else ()
    return any(isinstance(flag, Mapping) and field in flag for flag in values)


_LOOKS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "native": _is_native,
    "optimizely": _is_optimizely,
    "unleash": _is_unleash,
    "flagsmith": _is_flagsmith,
    "growthbook": _is_growthbook,
    "eppo": _is_eppo,
    "flagd": _is_flagd,
    "launchdarkly": _is_launchdarkly,
}
"""In this order: what comes first has the plainer marks."""
