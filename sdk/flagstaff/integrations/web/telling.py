"""What the frameworks' own commands print about a client that has been given the time to get its rules."""

from __future__ import annotations

import json
from typing import Any

from flagstaff import ConfigError, Context
from flagstaff.overrides import parse_overrides
from flagstaff.overrides.links import lifetime_of, link_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagstaff import Client, Decision

__all__ = ["context_given", "link_for", "listing"]


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


def listing(client: Client, context: Context, *, as_json: bool) -> str:
    """Every flag and what the context gets of it, a line for each or JSON for programs."""
    decided = client.decide_all(context)
    rows = [_plain(decided[flag]) for flag in sorted(decided)]
    if as_json:
        return json.dumps(rows, indent=2)
    return "\n".join(f"{row['flag']}  {row['variant']}  {row['reason']}" for row in rows)


def _plain(decision: Decision) -> dict[str, Any]:
    names = ("flag", "enabled", "value", "variant", "rule", "experiment", "error")
    return {name: getattr(decision, name) for name in names} | {"reason": str(decision.reason)}


def link_for(client: Client, overrides: Iterable[str], expires: str, url: str | None) -> str:
    """A link to ``url`` that forces ``flag=variant`` pairs, or the bare token. ConfigError, OverrideError."""
    parsed = parse_overrides(",".join(overrides), "FLAG=VARIANT")
    wanted = {flag: str(name) for flag, name in parsed.items()}
    token = client.sign_override(wanted, lifetime_of(expires))
    return token if url is None else link_to(url, token)
