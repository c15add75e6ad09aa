"""A host of the client's: an application for gunicorn, uvicorn and Celery, which notes how it was ended.

``PART`` is what a subject is told; ``bare`` is a host without a client.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from celery import Celery, signals

from flagstaff.integrations.celery import install
from tests.gauntlet.subject import client_for, emit

part: dict[str, Any] = json.loads(os.environ["PART"])
client = None if part["bare"] else client_for(part)
_EACH = 20  # events of one request
_TASKS = 400
_count = 0
_lock = threading.Lock()


def work() -> None:
    """Record what one request gives rise to."""
    global _count  # noqa: PLW0603 - a count per process, as its name says
    if client is not None:
        with _lock:
            emit(client, part, f"{part['name']}-{os.getpid()}", _EACH, _count)
            _count += _EACH


def note(what: str) -> None:
    """Leave a note that a handler of the host's was called."""
    Path(part["notes"], f"{part['name']}-{what}-{os.getpid()}").touch()


# -- gunicorn ----------------------------------------------------------------------------------------------


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    work()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


def worker_exit(server: Any, worker: Any) -> None:
    """gunicorn's hook, by ``--config``."""
    note("ended")


# -- uvicorn -----------------------------------------------------------------------------------------------


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        note("ended")
        await send({"type": "lifespan.shutdown.complete"})
        return
    work()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"done"})


# -- Celery ------------------------------------------------------------------------------------------------

_queue = str(Path(part["notes"], "queue"))
celery = Celery("host", broker="filesystem://")
celery.conf.update(
    broker_transport_options={
        "data_folder_in": _queue,
        "data_folder_out": _queue,
        "control_folder": str(Path(part["notes"], "control")),
    },
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
)
if client is not None:
    install(celery, client)
task = celery.task(work, name="work", ignore_result=True)


@signals.worker_ready.connect
def give_work(**_: object) -> None:
    note("ready")
    for _number in range(_TASKS):
        task.delay()


@signals.worker_process_shutdown.connect
def process_ended(**_: object) -> None:
    note("ended")


@signals.task_postrun.connect
def worked(**_: object) -> None:
    note("worked")
