"""gunicorn: have a worker send its events before it ends. It needs no other hook, and this one is optional.

What a worker leaves unsent waits on disk for the next process. Where that disk goes with the container, say
in ``gunicorn.conf.py``:

    from flagstaff.integrations.gunicorn import closing

    def client():
        from shop.flags import client
        return client

    worker_exit = closing(client)
"""

from __future__ import annotations

import logging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flagstaff import Client

__all__ = ["closing"]

_log = logging.getLogger("flagstaff.integrations")


def closing(client: Callable[[], Client], timeout: float = 2.0) -> Callable[[Any, Any], None]:
    """A ``worker_exit`` that closes the client which ``client`` returns, within ``timeout`` seconds.

    ``client`` is called in a worker that ends; what it raises is logged, and the worker ends all the same.
    """

    def worker_exit(_server: Any, _worker: Any) -> None:
        try:
            client().close(timeout)
        except Exception as error:  # noqa: BLE001 - the host's function; the worker must end
            _log.warning("no client was closed: finding it raised %s", type(error).__name__)

    return worker_exit
