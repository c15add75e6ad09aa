"""A WSGI application with one client, made when the module is loaded: by a master, if it preloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from flagstaff import Client, Context

client = Client(poll_interval=300.0, flush_interval=float(os.environ.get("FLAGSTAFF_FLUSH_INTERVAL", "0.2")))
assert client.wait_ready(20)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer who decides, what for this visitor, and by which rules."""
    unit = parse_qs(environ["QUERY_STRING"])["unit"][0]
    variant = client.variant("checkout-cta", Context(unit))
    size = client.value("page-size", Context(unit), default=0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {variant} {size}".encode()]
