"""Our integrations where processes are forked: nothing is lost, nothing counted twice, nobody hangs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.client.lab import eventually
from tests.life.lab import UWSGI, Truth, environment, gunicorn, live, process, python, site, uwsgi
from tests.life.shops import CHILDREN, TASKS, VISITORS

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]

WORKERS = {
    "sync": ["-k", "sync"],
    "gthread": ["-k", "gthread", "--threads", "4"],
    "gevent": ["-k", "gevent"],
    "asgi": ["-k", "asgi"],
    "uvicorn": ["-k", "uvicorn.workers.UvicornWorker"],
}


@pytest.mark.parametrize(
    ("kind", "shop"),
    [
        ("sync", "flask_app"),
        ("gthread", "django_wsgi"),
        ("gevent", "flask_app"),
        ("gevent", "django_wsgi"),
        ("asgi", "fastapi_app"),
        ("uvicorn", "fastapi_app"),
        ("uvicorn", "django_asgi"),
    ],
)
def test_gunicorn_that_preloads(truth: Truth, kind: str, shop: str) -> None:
    for needed in ("gunicorn", shop.partition("_")[0], *({kind} & {"gevent", "uvicorn"})):
        pytest.importorskip(needed)
    if kind == "asgi" and find_spec("gunicorn.asgi") is None:
        pytest.skip("this gunicorn has no workers for ASGI")

    def command(descriptor: int) -> list[str]:
        return gunicorn(f"tests.life.shops:{shop}()", descriptor, "--preload", *WORKERS[kind])

    with site(command, truth.server) as running:
        live(running, truth, signal.SIGTERM)


@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed")
@pytest.mark.parametrize("option", ["--py-call-uwsgi-fork-hooks", "--lazy-apps"])
def test_uwsgi(truth: Truth, option: str) -> None:
    words = [option, "--module", "tests.life.shops:flask_app()"]
    with site(lambda fd: uwsgi(fd, *words), truth.server) as running:
        live(running, truth, signal.SIGTERM)


@pytest.mark.parametrize("shop", ["flask_app", "django_wsgi"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "os.fork"])
def test_children(truth: Truth, method: str, shop: str) -> None:
    pytest.importorskip(shop.partition("_")[0])
    program = "from tests.life.shop_children import main; main()"
    with process(
        *python("-W", "ignore::DeprecationWarning", "-c", program, method),
        env=environment(truth.server, SHOP=shop),
        stdout=subprocess.PIPE,
    ) as parent:
        said = _lines(parent)
        assert [next(said) for _ in range(CHILDREN)] == [b"ready\n"] * CHILDREN
        truth.publish(40)
        assert parent.wait(90) == 0

    visitors = [f"child-{child}-{number}" for child in range(CHILDREN) for number in range(2 * VISITORS)]
    with truth.inherit():
        eventually(lambda: truth.has_each_once(["parent", *visitors]))


def test_celery(truth: Truth, tmp_path: Path) -> None:
    pytest.importorskip("celery")
    for name in ("queue", "written", "control", "results"):
        (tmp_path / name).mkdir()
    env = environment(truth.server, SHOP=str(tmp_path))
    words = ["-m", "celery", "-A", "tests.life.shop_tasks", "worker"]
    words += ["--pool", "prefork", "--concurrency", "2"]
    words += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    user = "from tests.life.shop_tasks import main; main()"
    with (
        (tmp_path / "worker.log").open("wb") as log,
        process(*python(*words), env=env, stdout=log, stderr=log) as worker,
        process(*python("-c", user), env=env, stdout=subprocess.PIPE) as sender,
    ):
        assert next(_lines(sender)) == b"ready\n"
        truth.publish(40)
        assert sender.wait(90) == 0
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0

    units = [f"user-{number}" for number in range(2 * TASKS)]
    with truth.inherit():
        eventually(lambda: truth.has_each_once([*units, "watcher"]))


def _lines(started: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert started.stdout is not None
    return iter(started.stdout)
