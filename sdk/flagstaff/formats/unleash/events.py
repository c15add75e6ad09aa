"""What Unleash streams, folded into the document that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.foreign import Unexpected, items, path_of, table

__all__ = ["folded"]


def folded(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document, or what its ``events`` come to, in their order. RulesError, Unexpected."""
    if "events" not in document:
        if "features" not in document:
            raise RulesError([Problem("features", "of a document of unleash is missing")])
        return document
    features: dict[Any, Any] = {}
    segments: dict[Any, Any] = {}
    try:
        for index, entry in enumerate(items(document["events"], "events")):
            _apply(table(entry, path_of("events", index)), features, segments, path_of("events", index))
    except Unexpected as error:
        raise RulesError([Problem(error.path, f"of a document of unleash {error.expected}")]) from None
    return {"version": 2, "features": [*features.values()], "segments": [*segments.values()]}


def _apply(event: Mapping[str, Any], features: dict[Any, Any], segments: dict[Any, Any], path: str) -> None:
    match event.get("type"):
        case "hydration":
            features.clear()
            segments.clear()
            features |= _keyed(event, "features", "name", path)
            segments |= _keyed(event, "segments", "id", path)
        case "feature-updated":
            features |= _keyed({"feature": [event.get("feature")]}, "feature", "name", path)
        case "feature-removed":
            features.pop(event.get("featureName"), None)
        case "segment-updated":
            segments |= _keyed({"segment": [event.get("segment")]}, "segment", "id", path)
        case "segment-removed":
            segments.pop(event.get("segmentId"), None)


def _keyed(event: Mapping[str, Any], field: str, key: str, path: str) -> dict[Any, Any]:
    found = {}
    for entry in items(event.get(field), path_of(path, field)):
        name = table(entry, path_of(path, field)).get(key)
        if not isinstance(name, str | int):
            raise Unexpected(path_of(path_of(path, field), key), "must be text or a number")
        found[name] = entry
    return found
