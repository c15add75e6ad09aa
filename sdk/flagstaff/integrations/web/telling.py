"""What the frameworks' own commands print about a client."""

from __future__ import annotations

import json
from typing import Any

from flagstaff import Client, ConfigError, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagstaff import Decision

__all__ = ["context_given", "listing"]

_PATIENCE = 2.0  # seconds that a command waits for rules


def context_given(key: str | None, attributes: Iterable[str]) -> Context:
    """A context from ``name=value`` pairs; a value is JSON if it can be, else text. ConfigError."""
    named: dict[str, Any] = {}
    for pair in attributes:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise ConfigError("attribute", f"must read name=value, not {pair!r}")
        try:
            named[name] = json.loads(text)
        except ValueError:
            named[name] = text
    return Context(key, named)


def listing(client: Client, context: Context) -> list[dict[str, Any]]:
    """Every flag and what the context gets of it, as plain data."""
    client.wait_ready(_PATIENCE)
    decided = client.decide_all(context)
    return [_plain(decided[flag]) for flag in sorted(decided)]


def _plain(decision: Decision) -> dict[str, Any]:
    names = ("flag", "enabled", "value", "variant", "rule", "experiment", "error")
    return {name: getattr(decision, name) for name in names} | {"reason": str(decision.reason)}
