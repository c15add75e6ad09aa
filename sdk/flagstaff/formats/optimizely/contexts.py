"""A user of Optimizely's SDKs as a context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagstaff.core.context import Context

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXTRA", "context"]

EXTRA = "$optimizely"
"""The attribute for what is no attribute: the segments that the user is known to be in."""


def context(user: Mapping[str, Any]) -> Context:
    """The context of a user ``{"user_id", "attributes"?, "qualified_segments"?}``."""
    attributes = dict(user.get("attributes") or {})
    segments = user.get("qualified_segments")
    if segments is not None:
        attributes[EXTRA] = {"qualified_segments": list(segments)}
    return Context(user.get("user_id"), attributes)
