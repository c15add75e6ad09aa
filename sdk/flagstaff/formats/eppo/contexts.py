"""Whom Eppo decides for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context

__all__ = ["context"]

_SORTED = frozenset(("numericAttributes", "categoricalAttributes"))


def context(given: Mapping[str, Any]) -> Context:
    """The context of ``subjectKey`` and ``subjectAttributes``; those that are sorted by kind are merged."""
    attributes = given.get("subjectAttributes")
    merged: dict[str, Any] = {}
    if not isinstance(attributes, Mapping):
        return Context(given.get("subjectKey"), merged)
    if attributes and attributes.keys() <= _SORTED:
        for kind in ("numericAttributes", "categoricalAttributes"):
            merged.update(attributes.get(kind) or {})
    else:
        merged.update(attributes)
    return Context(given.get("subjectKey"), merged)
