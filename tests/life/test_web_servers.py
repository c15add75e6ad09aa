"""Web servers that fork: every worker follows the rules and every exposure arrives, once."""

from __future__ import annotations

import os
import signal

import pytest

from tests.life.lab import UWSGI, Truth, gunicorn, live, site, uwsgi, visited

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.slow,
]

APPLICATION = "tests.life.app:application"


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("preload", [True, False], ids=["preload", "each"])
def test_gunicorn(truth: Truth, kind: str, preload: bool) -> None:
    pytest.importorskip("gunicorn")
    if kind == "gevent":
        pytest.importorskip("gevent")
    options = [
        "-k",
        kind,
        *(["--threads", "4"] if kind == "gthread" else []),
        *(["--preload"] if preload else []),
    ]

    with site(lambda fd: gunicorn(APPLICATION, fd, *options), truth.server) as running:
        live(running, truth, signal.SIGTERM)


def test_gunicorns_workers_may_send_their_events_before_they_end(truth: Truth) -> None:
    pytest.importorskip("gunicorn")
    options = ["--config", "python:tests.life.gunicorn_conf"]
    patience = {"FLAGSTAFF_FLUSH_INTERVAL": "3600"}

    with site(lambda fd: gunicorn(APPLICATION, fd, *options), truth.server, **patience) as running:
        units = [f"user-{number}" for number in range(60)]
        visited(running, units)
        assert truth.events == []
        running.master.send_signal(signal.SIGTERM)
        assert running.master.wait(20) == 0

    assert truth.has_each_once([*units, "watcher"])


@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed")
def test_uwsgi(truth: Truth) -> None:
    with site(lambda fd: uwsgi(fd, "--lazy-apps", "--module", "tests.life.app"), truth.server) as running:
        live(running, truth, signal.SIGTERM)
