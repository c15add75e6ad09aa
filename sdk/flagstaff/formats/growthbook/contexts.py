"""A user of GrowthBook's SDKs as a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context

__all__ = ["EXTRA", "Session", "context"]

EXTRA = "$growthbook"
"""The attribute for what is no attribute: what a person forces, and the address that may force something."""

_FIELDS = ("url", "forcedVariations", "qaMode", "enabled")


class Session(dict[str, Any]):
    """What came with the attributes. It is looked up by identity, so that its like need not be hashable."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a dict has none


def context(given: Mapping[str, Any]) -> Context:
    """The context of ``{"attributes", "url"?, "forcedVariations"?, "qaMode"?, "enabled"?}``."""
    attributes = dict(given.get("attributes") or {})
    key = attributes.get("id")
    session = Session((name, given[name]) for name in _FIELDS if name in given)
    if session:
        attributes[EXTRA] = session
    plain = isinstance(key, str | int) and not isinstance(key, bool)
    return Context(key if plain else None, attributes)
