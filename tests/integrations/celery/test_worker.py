"""Context and override on their way through a real worker, prefork and threads."""

from __future__ import annotations

import gzip
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("celery")

from kombu import pools

from flagstaff import Context
from flagstaff.integrations.celery import using
from tests.client.lab import document, encoded, eventually, scripted
from tests.server.lab import ROOT, environment

PATIENCE = 60.0


@pytest.fixture(params=["prefork", "threads"])
def pool(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


class Shop:
    """The application in this process, and a worker in another."""

    def __init__(self, module: Any, worker: subprocess.Popen[bytes], server: Any) -> None:
        self.app, self.client, self.module = module.app, module.client, module
        self.worker = worker
        self.server = server

    def ask(self, flag: str = "checkout-cta", task: str = "ask", **options: Any) -> dict[str, Any]:
        sent = getattr(self.module, task).apply_async((flag,), **options)
        found: dict[str, Any] = sent.get(timeout=PATIENCE, interval=0.02)
        return found

    def stop(self) -> None:
        self.worker.send_signal(signal.SIGTERM)
        self.worker.wait(PATIENCE)

    def exposed(self) -> list[str]:
        return [
            event["subject"]
            for visit in self.server.posts
            for event in json.loads(gzip.decompress(visit.body))
            if event["type"] == "flagstaff.exposure"
        ]


@pytest.fixture
def shop(tmp_path: Path, pool: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "flags.json").write_bytes(encoded(document()))
    with scripted() as server:
        monkeypatch.setenv("SHOP", str(tmp_path))
        monkeypatch.setenv("COLLECTOR", server.url)
        command = [
            *(sys.executable, "-m", "celery", "-A", "tests.integrations.celery.shop", "worker"),
            *("--pool", pool, "--concurrency", "2", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        module = importlib.import_module("tests.integrations.celery.shop")
        log = (tmp_path / "worker.log").open("wb")
        with (
            log,
            subprocess.Popen(
                command, env=environment(), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            ) as worker,
        ):
            try:
                yield Shop(module, worker, server)
            finally:
                if worker.poll() is None:
                    os.killpg(worker.pid, signal.SIGKILL)
                module.end()
                module.client.close(0.1)
                module.app.close()
                pools.reset()  # type: ignore[no-untyped-call]  # they are the process's: the next application's queue is elsewhere
                sys.modules.pop("tests.integrations.celery.shop", None)


@pytest.mark.timeout(180)
def test_context_and_override_travel_with_a_task(shop: Shop) -> None:
    since = datetime(2025, 6, 1, tzinfo=UTC)
    user = Context("user-42", plan="pro", org={"id": 7}, since=since)
    with using(user):
        found = shop.ask()
        local = shop.client.variant("checkout-cta", user, exposure=False)
        assert (found["key"], found["variant"]) == ("user-42", local)
        assert found["attributes"] == {"plan": "pro", "org": {"id": 7}, "since": since.isoformat()}
        assert found["process"] != os.getpid()

        again = shop.ask(task="try_again")
        assert (again["key"], again["variant"]) == ("user-42", local)

        further = shop.app.AsyncResult(shop.ask(task="pass_on")).get(timeout=PATIENCE, interval=0.02)
        assert (further["key"], further["variant"]) == ("user-42", local)

        other = "urgent" if local == "control" else "control"
        with shop.client.override_from(shop.client.sign_override({"checkout-cta": other})):
            forced = shop.ask()
            further = shop.app.AsyncResult(shop.ask(task="pass_on")).get(timeout=PATIENCE, interval=0.02)
        assert (forced["variant"], forced["reason"]) == (other, "OVERRIDE")
        assert (further["variant"], further["reason"]) == (other, "OVERRIDE")

        assert shop.ask()["variant"] == local  # and nothing of it stays

    nobody = shop.ask()
    assert (nobody["key"], nobody["reason"]) == (None, "TARGETING_KEY_MISSING")

    forged = shop.ask(headers={"flagstaff": '{"key": "user-1", "override": "forged"}'})
    assert forged["reason"] != "OVERRIDE"

    # Only a process that ends has sent: each of the worker's, once.
    shop.stop()
    eventually(lambda: "user-42" in shop.exposed(), PATIENCE)
