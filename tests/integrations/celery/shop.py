"""An application of Celery's, for a worker in a process of its own; ``SHOP`` is where its things are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flagstaff import Client
from flagstaff.integrations.celery import current_flags, install
from tests.integrations.celery.broker import on_disk

ROOT = Path(os.environ["SHOP"])
SECRET = "s" * 32

app = on_disk(ROOT)
client = Client.from_file(
    ROOT / "flags.json",
    events=os.environ["COLLECTOR"],
    override_secret=SECRET,
    directory=ROOT / "state",
    flush_interval=600.0,  # only a process that ends will send
)
end = install(app, client)


@app.task(shared=False)  # else every other application would have it, too
def ask(flag: str) -> dict[str, Any]:
    flags = current_flags(app)
    decision = flags.decide(flag)
    return {
        "variant": decision.variant,
        "reason": str(decision.reason),
        "key": flags.context.targeting_key,
        "attributes": dict(flags.context.attributes),
        "process": os.getpid(),
    }


@app.task(shared=False)
def pass_on(flag: str) -> str:
    found: str = ask.delay(flag).id
    return found


@app.task(shared=False, bind=True, max_retries=1)
def try_again(self: Any, flag: str) -> dict[str, Any]:
    if not self.request.retries:
        raise self.retry(countdown=0)
    found: dict[str, Any] = ask.run(flag)
    return found
