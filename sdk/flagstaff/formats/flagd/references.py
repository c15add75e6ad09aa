"""``$evaluators``: expressions that have a name, put where ``{"$ref": name}`` stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.formats.jsonlogic.writer import DEEPEST, MOST_NODES

__all__ = ["References", "Unreadable"]

_MOST = 50 * MOST_NODES
"""Nodes of all flags together."""


class Unreadable(Exception):  # noqa: N818 - a finding, not a fault of the program
    """A targeting that flagd couldn't parse."""


class References:
    """Puts expressions where their names stand. What grows without bounds by that is unreadable."""

    def __init__(self, evaluators: Mapping[str, Any]) -> None:
        self._evaluators = evaluators
        self._left = _MOST
        self._here = 0

    def resolved(self, logic: Any) -> Any:
        """The expression without references. Unreadable."""
        self._here = min(MOST_NODES, self._left)
        before = self._here
        try:
            return self._resolved(logic, 0)
        finally:
            self._left -= before - self._here

    def _resolved(self, node: Any, depth: int) -> Any:
        self._here -= 1
        if self._here < 0 or depth > DEEPEST:
            raise Unreadable("the targeting is too large, too deep or refers to itself")
        if isinstance(node, list | tuple):
            return [self._resolved(item, depth + 1) for item in node]
        if not isinstance(node, Mapping):
            return node
        if len(node) == 1 and "$ref" in node:
            name = node["$ref"]
            if not isinstance(name, str) or name not in self._evaluators:
                raise Unreadable(f"no such evaluator: {str(name)[:100]!r}")
            return self._resolved(self._evaluators[name], depth + 1)
        return {name: self._resolved(item, depth + 1) for name, item in node.items()}
