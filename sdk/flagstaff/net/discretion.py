"""Keeps addresses out of logs: httpx tells every request's, and some servers are sent the key in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["discreetly"]

_asking = ContextVar("flagstaff_asking", default=False)


class _Discretion(logging.Filter):
    """Shortens addresses to scheme and host, in what is logged of requests of our own; no one else's."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _asking.get() and isinstance(record.args, tuple):
            record.args = tuple(_shortened(part) for part in record.args)
        return True


def _shortened(part: object) -> object:
    scheme, host = getattr(part, "scheme", None), getattr(part, "host", None)
    return f"{scheme}://{host}/..." if isinstance(scheme, str) and isinstance(host, str) else part


_DISCRETION = _Discretion()


@contextmanager
def discreetly() -> Iterator[None]:
    """Requests that are made within are our own."""
    logging.getLogger("httpx").addFilter(_DISCRETION)  # once: who is there already is not added again
    token = _asking.set(True)
    try:
        yield
    finally:
        _asking.reset(token)
