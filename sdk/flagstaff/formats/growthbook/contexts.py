"""A user of GrowthBook's SDKs as a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.core.context import Context
from flagstaff.formats.javascript import text

__all__ = ["EXTRA", "STICKY", "Session", "context"]

EXTRA = "$growthbook"
"""The attribute for what is no attribute: what a person forces, and the address that may force something."""

STICKY = "stickyBucketAssignmentDocs"
"""What somebody was given before, by attribute and value: ``{"id||42": {"assignments": {…}}}``."""

_FIELDS = ("url", "forcedVariations", "qaMode", "enabled")


class Session(dict[str, Any]):
    """What came with the attributes, and they too. It is looked up by identity: its like is not hashable."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # a dict has none


def context(given: Mapping[str, Any]) -> Context:
    """The context of ``{"attributes", "url"?, "forcedVariations"?, "qaMode"?, "enabled"?}``.

    With ``stickyBucketAssignmentDocs``, which may be empty, buckets are sticky: a list of documents, or a
    mapping of them by their keys.
    """
    attributes = dict(given.get("attributes") or {})
    key = attributes.get("id")
    session = Session((name, given[name]) for name in _FIELDS if name in given)
    if given.get(STICKY) is not None:
        session |= {STICKY: _by_key(given[STICKY]), "attributes": given.get("attributes") or {}}
    if session:
        attributes[EXTRA] = session
    plain = isinstance(key, str | int) and not isinstance(key, bool)
    return Context(key if plain else None, attributes)


def _by_key(given: Any) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    listed = given if isinstance(given, list | tuple) else ()
    return {
        f"{text(doc.get('attributeName'))}||{text(doc.get('attributeValue'))}": doc
        for doc in listed
        if isinstance(doc, Mapping)
    }
