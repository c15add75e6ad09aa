"""A Celery application whose queue is a folder: no broker has to be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import Celery


def on_disk(root: Path, *, out: str = "queue", **transport: Any) -> Celery:
    """What it sends is put in the folder ``out``, and it takes what is in ``queue``."""
    app = Celery("shop", broker="filesystem://", backend=f"file://{root / 'results'}")
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(root / "queue"),
            "data_folder_out": str(root / out),
            "control_folder": str(root / "control"),
            **transport,
        },
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app
