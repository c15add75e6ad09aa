"""What the property of a condition names.

A plain name is a trait. One that begins with ``$.`` is a JSONPath (RFC 9535) over all that the engine is
given. Of those only the ones that name a single place are read here; who uses another is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from flagstaff.formats.foreign import is_name

__all__ = ["Asked", "Properties", "steps_of"]

_STEP = re.compile(
    r"\.([A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*)"
    r"|\[\s*'([^'\\]*)'\s*\]|\[\s*\"([^\"\\]*)\"\s*\]|\[\s*(0|-?[1-9][0-9]{0,8})\s*\]"
)


class Asked(NamedTuple):
    """What another flag is asked for: ``enabled``, ``value`` or ``variant``."""

    flag: str
    field: str


def steps_of(path: str) -> list[str | int] | None:
    """The steps of a path to a single place; None where it is no such path."""
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            return None
        name = next((group for group in match.groups()[:3] if group is not None), None)
        steps.append(int(match[4]) if name is None else name)
        at = match.end()
    return steps


class Properties:
    """Finds properties in an evaluation context."""

    def __init__(self, document: Mapping[str, Any], environment: str) -> None:
        self._document = document
        self._environment = environment

    def subject(self, name: str) -> Any:
        """Where the value of a property is found."""
        if not name.startswith("$.") and name != "targeting_key" and is_name(name):
            return name
        return {"read": "flagsmith:value", "of": self.found(name)}

    def unit(self, name: str) -> Any:
        """Where the text that a property is hashed as is found."""
        return {"read": "flagsmith:unit", "of": self.found(name)}

    def asked(self, name: str) -> Asked | None:
        """The flag that a property asks for, if it asks for one."""
        steps = steps_of(name) if name.startswith("$.") else None
        if steps and len(steps) == 3 and steps[0] == "flags":
            _, flag, field = steps
            return Asked(str(flag), str(field))
        return None

    def is_understood(self, name: str) -> bool:
        """Whether it is a trait, or a path that is read."""
        return not name.startswith("$.") or steps_of(name) is not None

    def found(self, name: str) -> dict[str, Any]:
        """How a property is read: see the dialect's readers."""
        steps = steps_of(name) if name.startswith("$.") else None
        match steps or []:
            case ["identity", "identifier"]:
                return {"name": name, "identifier": True}
            case ["identity", "key"]:
                return {"name": name, "environment": self._environment}
            case ["identity", "traits", *rest] if rest:
                return {"name": name, "trait": rest}
            case ["environment" | "features" | "segments", *_] as fixed:
                return {"name": name, "value": self._fixed(fixed)}
        return {"name": name}

    def _fixed(self, steps: list[str | int]) -> Any:
        value: Any = self._document
        for step in steps:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return None
        return value if isinstance(value, str | int | float) else None
