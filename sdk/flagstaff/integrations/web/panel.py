"""What debug toolbars show of a request: which flags, by which rules, for whom, and why."""

from __future__ import annotations

from html import escape

from .flags import Recorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flagstaff import AsyncClient, Client, Context

__all__ = ["every_flag", "panel_data", "panel_html"]

_COUNTED = ("Flag", "Variant", "Value", "Reason", "Asked")


def panel_data(
    client: Client | AsyncClient, record: Mapping[str, Recorded] | None, whom: Callable[[], Context]
) -> dict[str, Any]:
    """What a request has asked for, as data that JSON can hold; who it is, is asked only if it did."""
    rows = [_plain(flag, each) for flag, each in sorted((record or {}).items())]
    return {"rows": rows, "context": repr(whom()) if rows else "", "rules": _rules(client)}


def _plain(flag: str, each: Recorded) -> dict[str, Any]:
    return {
        "flag": flag,
        "value": repr(each.decision.value),
        "variant": each.decision.variant,
        "reason": str(each.decision.reason),
        "rung": each.decision.metadata.get("override"),
        "count": each.count,
        "trace": str(each.explanation),
    }


def _rules(client: Client | AsyncClient) -> str:
    project, environment, revision = client.edition
    whose = "/".join(name for name in (project, environment) if name)
    which = f"revision {revision}" if revision else None
    return "; ".join(filter(None, (whose, which, str(client.status()))))


def panel_html(data: Mapping[str, Any]) -> str:
    """The panel as HTML, everything in it escaped."""
    rows = data.get("rows")
    rules = "<p>Rules: " + escape(data.get("rules", "")).replace("\n", "<br>") + "</p>"
    if not rows:
        return f"{rules}\n<p>This request asked for no flag.</p>"
    width = len(_COUNTED) if any(row["count"] for row in rows) else len(_COUNTED) - 1
    heads = "".join(f"<th>{head}</th>" for head in _COUNTED[:width])
    body = "\n".join(_row(row, width) for row in rows)
    return (
        f"{rules}\n<p>For <code>{escape(data['context'])}</code></p>\n"
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def _row(row: Mapping[str, Any], width: int) -> str:
    reason = row["reason"] if row["rung"] is None else f"{row['reason']} ({row['rung']})"
    cells = (row["flag"], row["variant"] or "–", row["value"], reason, row["count"])
    line = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells[:width])
    trace = f'<td colspan="{width}"><pre>{escape(row["trace"])}</pre></td>'
    return f"<tr>{line}</tr>\n<tr>{trace}</tr>"


def every_flag(client: Client | AsyncClient, context: Context) -> str:
    """The panel of a request that asks for every flag there is, once; no exposures."""
    explained = {flag: client.explain(flag, context) for flag in client.decide_all(context)}
    record = {flag: Recorded(each.decision, each) for flag, each in explained.items()}
    return panel_html(panel_data(client, record, lambda: context))
