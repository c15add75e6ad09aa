"""The page behind ``?flagstaff=show``: what is forced in this browser, until when, and how to end it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagstaff import TokenOverride

__all__ = ["PAGE_HEADERS", "shown"]

PAGE_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "private, no-store"),
    ("X-Content-Type-Options", "nosniff"),
]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Forced variants</title>
<h1>Forced variants</h1>
{0}
"""


def shown(forced: TokenOverride | None) -> bytes:
    """The page as HTML in UTF-8."""
    if forced is None:
        return _PAGE.format("<p>Nothing is forced in this browser.</p>").encode()
    rows = "\n".join(
        f"<tr><td>{escape(flag)}</td><td>{escape(name)}</td></tr>" for flag, name in forced.overrides.items()
    )
    until = datetime.fromtimestamp(forced.expires, UTC).isoformat(sep=" ")
    body = (
        f"<table>\n<tr><th>Flag</th><th>Variant</th></tr>\n{rows}\n</table>\n"
        f'<p>Until {until}, in this browser alone. <a href="?flagstaff=clear">End it now</a></p>'
    )
    return _PAGE.format(body).encode()
