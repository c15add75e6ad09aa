"""A Celery application and, as ``python -c "from tests.life.shop_tasks import main; main()"``, its user."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from flagstaff import Client, Context
from flagstaff.integrations.celery import current_flags, install, using
from tests.integrations.celery.broker import on_disk
from tests.life.shops import TASKS

ROOT = Path(os.environ["SHOP"])
PATIENCE = 60.0

app = on_disk(ROOT, out="written", polling_interval=0.01)
client = Client(poll_interval=300.0, flush_interval=0.2)
install(app, client)
assert client.wait_ready(60)


def asked() -> tuple[int, int]:
    """Who decides, and by which rules."""
    flags = current_flags(app)
    flags.variant("checkout-cta")
    return os.getpid(), flags.value("page-size", 0)


ask: Any = app.task(shared=False)(asked)


def sent(units: list[str]) -> dict[int, int]:
    """Have tasks done for these; which processes did it, and by which rules."""
    waiting: list[Any] = []
    for unit in units:
        with using(Context(unit)):
            waiting.append(ask.delay())
    for message in (ROOT / "written").iterdir():  # else a worker may read one that is half there
        message.rename(ROOT / "queue" / message.name)
    return dict(tuple(result.get(timeout=PATIENCE, interval=0.01)) for result in waiting)


def main() -> None:
    units = [f"user-{number}" for number in range(2 * TASKS)]
    workers = sent(units[:TASKS])
    print("ready", flush=True)
    deadline = time.monotonic() + PATIENCE
    found: dict[int, int] = {}
    while len(found) < 2 or set(found) < set(workers) or set(found.values()) != {40}:
        assert time.monotonic() < deadline, (workers, found)
        found |= sent(["watcher"] * 6)
    sent(units[TASKS:])
    assert client.stats()["accepted"] == 0, "who sends tasks decides nothing"
