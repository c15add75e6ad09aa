"""What the frameworks' own commands print about a client, and the panel that debug toolbars show."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from flagstaff import Client, ConfigError, Context

from .flags import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagstaff import Decision

__all__ = ["context_given", "listing", "panel_html", "panel_rows"]

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


def panel_rows(record: Mapping[str, Recorded] | None) -> list[dict[str, Any]]:
    """What a request has asked for, as data that JSON can hold."""
    return [
        {
            "flag": flag,
            "value": repr(each.decision.value),
            "variant": each.decision.variant,
            "reason": str(each.decision.reason),
            "rung": each.decision.metadata.get("override"),
            "count": each.count,
            "trace": str(each.explanation),
        }
        for flag, each in sorted((record or {}).items())
    ]


_HEADS = ("Flag", "Variant", "Value", "Reason", "Asked")


def panel_html(rows: Sequence[Mapping[str, Any]], context: str) -> str:
    """The panel as HTML, everything in it escaped."""
    if not rows:
        return "<p>This request asked for no flag.</p>"
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    body = "\n".join(_row(row) for row in rows)
    return (
        f"<p>For <code>{escape(context)}</code></p>\n"
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def _row(row: Mapping[str, Any]) -> str:
    reason = row["reason"] if row["rung"] is None else f"{row['reason']} ({row['rung']})"
    cells = (row["flag"], row["variant"] or "–", row["value"], reason, row["count"])
    line = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
    trace = f'<td colspan="{len(cells)}"><pre>{escape(row["trace"])}</pre></td>'
    return f"<tr>{line}</tr>\n<tr>{trace}</tr>"
