"""What a request's headers ask for: a body or a 304, plain or compressed. Pure."""

from __future__ import annotations

import re

__all__ = ["is_known", "media_type", "prefers_gzip"]

_ENTITY_TAG = re.compile(r'"[^"]*"')


def is_known(if_none_match: str, etags: tuple[str, ...]) -> bool:
    """Tell whether the sender of If-None-Match has one of these versions (RFC 9110 §13.1.2).

    The comparison is weak, as it must be here: ``W/"x"`` and ``"x"`` are the same.
    """
    return if_none_match == "*" or not set(_ENTITY_TAG.findall(if_none_match)).isdisjoint(etags)


def prefers_gzip(accept_encoding: str) -> bool:
    """Tell whether gzip is acceptable and no worse than no compression (RFC 9110 §12.5.3)."""
    weights = dict(map(_coding, accept_encoding.lower().split(",")))
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def media_type(content_type: str) -> str:
    """Strip the parameters of a Content-Type."""
    return content_type.partition(";")[0].strip().lower()


def _coding(item: str) -> tuple[str, float]:
    name, _, parameter = item.partition(";")
    key, _, weight = parameter.partition("=")
    return name.strip(), _weight(weight) if key.strip() == "q" else 1.0


def _weight(text: str) -> float:
    """Read a quality value; what can't be read is not acceptable."""
    try:
        return float(text)
    except ValueError:
        return 0.0
