"""The page behind ``?flagstaff=show``: what is forced in this browser, until when, and how to end it."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flagstaff import TokenOverride

__all__ = ["PAGE_HEADERS", "shown"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .4rem .6rem; text-align: left }
pre { background: #f5f5f5; margin: 0; overflow: auto; padding: .6rem }
"""
_STYLED = b64encode(sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", f"default-src 'none'; style-src 'sha256-{_STYLED}'; frame-ancestors 'none'"),
    ("Cache-Control", "private, no-store"),
    ("X-Content-Type-Options", "nosniff"),
]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Forced variants</title>
<style>{style}</style>
<h1>Forced variants</h1>
{forced}
{panel}
"""


def shown(forced: TokenOverride | None, panel: str = "") -> bytes:
    """The page as HTML in UTF-8; ``panel`` is HTML for whoever debugs the site."""
    told = "<p>Nothing is forced in this browser.</p>" if forced is None else _table(forced)
    below = f"<h2>Every flag, for this visitor</h2>\n{panel}" if panel else ""
    return _PAGE.format(style=_STYLE, forced=told, panel=below).encode()


def _table(forced: TokenOverride) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(flag)}</td><td>{escape(name)}</td></tr>" for flag, name in forced.overrides.items()
    )
    until = datetime.fromtimestamp(forced.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"<table>\n<tr><th>Flag</th><th>Variant</th></tr>\n{rows}\n</table>\n"
        f'<p>Until {until}, in this browser alone. <a href="?flagstaff=clear">End it now</a></p>'
    )
