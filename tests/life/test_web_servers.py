"""Web servers that fork: every worker follows the rules and every exposure arrives, once."""

from __future__ import annotations

import os
import signal

import pytest

from tests.life.lab import UWSGI, Truth, gunicorn, live, site, uwsgi

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


@pytest.mark.skipif(UWSGI is None, reason="uWSGI is not installed")
def test_uwsgi(truth: Truth) -> None:
    with site(lambda fd: uwsgi(fd, "--lazy-apps", "--module", "tests.life.app"), truth.server) as running:
        live(running, truth, signal.SIGTERM)
