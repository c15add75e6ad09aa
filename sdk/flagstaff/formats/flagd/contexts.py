"""Whom flagd decides for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context

__all__ = ["context"]


def context(given: Mapping[str, Any]) -> Context:
    """The evaluation context that OpenFeature hands to flagd: ``targetingKey`` and attributes."""
    attributes = {name: value for name, value in given.items() if name != "targetingKey"}
    return Context(given.get("targetingKey"), attributes)
