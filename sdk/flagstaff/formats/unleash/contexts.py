"""Whom Unleash decides for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context

__all__ = ["context"]

_FIELDS = ("sessionId", "environment", "appName", "currentTime", "remoteAddress")


def context(given: Mapping[str, Any]) -> Context:
    """The context that Unleash's SDK is given: ``userId``, five more fields, ``properties``.

    As in that SDK, whatever else is there counts as a property, and a property takes the place of a field
    that isn't there.
    """
    attributes = {name: value for name, value in given.items() if name not in ("userId", "properties")}
    properties = given.get("properties")
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        if name not in _FIELDS or attributes.get(name) is None:
            attributes[name] = value
    other = attributes.pop("userId", None)
    user = given.get("userId")
    return Context(other if user is None else user, attributes)
