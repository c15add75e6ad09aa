"""Web servers that fork: every worker follows the rules and every exposure arrives, once."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.client.lab import eventually
from tests.life.lab import Site, Truth, python, site

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.slow,
]

WORKERS = 3
UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent))


def gunicorn(*options: str) -> list[str]:
    pytest.importorskip("gunicorn")
    words = ["-m", "gunicorn", "--workers", str(WORKERS), "--log-level", "error", "--graceful-timeout", "5"]
    return python(*words, *options, "tests.life.app:application")


def visited(running: Site, units: list[str]) -> set[str]:
    """Have every visitor served; by which workers."""
    with ThreadPoolExecutor(6) as pool:
        return {pid for pid, _, _ in pool.map(running.ask, units)}


def live(running: Site, truth: Truth, stop: signal.Signals) -> None:
    """The life of a site: visitors, new rules, more visitors, the end."""
    units = [f"user-{number}" for number in range(300)]
    visited(running, units[:150])
    truth.publish(40)
    eventually(lambda: set(running.sizes().values()) == {40})
    visited(running, units[150:])
    assert len(running.sizes(200)) > 1, "one worker did it all"

    running.master.send_signal(stop)
    assert running.master.wait(20) in {0, -stop}
    expected = [*units, "watcher"]
    with truth.inherit():
        eventually(lambda: truth.has_each_once(expected))


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [True, False], ids=["preload", "each"])
def test_gunicorn(truth: Truth, kind: str, preload: bool) -> None:
    if kind == "gevent":
        pytest.importorskip("gevent")
    options = [
        "-k",
        kind,
        *(["--threads", "4"] if kind == "gthread" else []),
        *(["--preload"] if preload else []),
    ]

    with site(lambda fd: gunicorn("--bind", f"fd://{fd}", *options), truth.server) as running:
        live(running, truth, signal.SIGTERM)


@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed")
def test_uwsgi(truth: Truth) -> None:
    def command(descriptor: int) -> list[str]:
        words = ["--http-socket", f"fd://{descriptor}", "--master", "--processes", str(WORKERS)]
        words += [
            "--enable-threads",
            "--die-on-term",
            "--need-app",
            "--disable-logging",
            "--home",
            sys.prefix,
        ]
        return [str(UWSGI), *words, "--lazy-apps", "--module", "tests.life.app"]

    with site(command, truth.server) as running:
        live(running, truth, signal.SIGTERM)
