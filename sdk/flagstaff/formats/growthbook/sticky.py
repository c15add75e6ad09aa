"""GrowthBook's sticky buckets: who was given a variation before keeps it.

What was given is in documents that the caller has, one for each attribute that units are drawn by. With them
an experiment may also draw by a second attribute, for those who lack the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flagstaff.formats.javascript import text, truthy

from .contexts import STICKY

__all__ = ["Sticky", "is_sticky", "sticky_of"]


class Sticky(NamedTuple):
    """How an experiment's assignments are found, and the keys of its variations."""

    experiment: str
    version: str
    blocked: frozenset[str]
    """Assignments of older versions that keep their units out."""
    attribute: str
    fallback: str
    """Another attribute to look by; without one of its own, a rule looks by the id."""
    draws_fallback: bool
    keys: tuple[Any, ...]

    def assigned(self, session: Mapping[str, Any]) -> int | None:
        """The variation that was given, by its index; -1 for those who are kept out, None for all others."""
        attributes = session["attributes"]
        units = (self.attribute, self.fallback) if self.draws_fallback else (self.attribute,)
        if not any(truthy(attributes.get(name)) for name in units):
            return None
        other = attributes.get(self.fallback)
        given = _assignments(session[STICKY], self.fallback, other) if truthy(other) else {}
        given |= _assignments(session[STICKY], self.attribute, attributes.get(self.attribute))
        if not self.blocked.isdisjoint(given):
            return -1
        key = given.get(f"{self.experiment}__{self.version}")
        return self.keys.index(key) if isinstance(key, str) and key in self.keys else None


def is_sticky(session: Any) -> bool:
    """Whether there are documents."""
    return isinstance(session, Mapping) and isinstance(session.get(STICKY), Mapping)


def sticky_of(operand: Any) -> Sticky | None:
    """From what stands in a document. ValueError."""
    match operand:
        case None:
            return None
        case {
            "experiment": str() as experiment,
            "version": str() as version,
            "blocked": list() as blocked,
            "attribute": str() as attribute,
            "fallback": str() | None as fallback,
            "keys": list() as keys,
        } if all(isinstance(each, str) for each in blocked):
            known = frozenset(blocked), attribute, fallback or "id", fallback is not None, tuple(keys)
            return Sticky(experiment, version, *known)
        case _:
            raise ValueError("must be how an experiment's assignments are found")


def _assignments(documents: Mapping[str, Any], attribute: str, value: Any) -> dict[Any, Any]:
    document = documents.get(f"{attribute}||{text(value) if truthy(value) else ''}")
    found = document.get("assignments") if isinstance(document, Mapping) else None
    return {**found} if isinstance(found, Mapping) else {}
