"""Whom Flagsmith decides for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context

__all__ = ["OWN", "context"]

OWN = "$flagsmith"
"""The attribute that holds what is neither the identifier nor a trait."""


def context(given: Mapping[str, Any] | None) -> Context:
    """The context of an identity, as Flagsmith's engine is given one: identifier, ``key``, ``traits``."""
    if not given:
        return Context()
    traits, key = given.get("traits"), given.get("key")
    attributes = {**traits} if isinstance(traits, Mapping) else {}
    if key:
        attributes[OWN] = {"key": key}
    return Context(given.get("identifier"), attributes)
