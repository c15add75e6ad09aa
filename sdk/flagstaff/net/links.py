"""Where an answer goes on: its ``Link`` header (RFC 8288)."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["next_page"]

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[A-Za-z0-9*_-]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s\",;]*))?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)


def next_page(headers: Mapping[str, str]) -> str | None:
    """The address of the next page, which may be relative; None on the last one."""
    for address, told in _LINK.findall(headers.get("link", "")):
        relation = _RELATION.search(told)
        if relation is not None and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(address)
    return None
