"""gunicorn's configuration of a site whose workers send their events before they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagstaff.integrations.gunicorn import closing

if TYPE_CHECKING:
    from flagstaff import Client


def client() -> Client:
    from tests.life.app import client

    return client


worker_exit = closing(client)
