"""The web examples: the real server is started, and a browser-like client clicks through a forced variant."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import ROOT
from tests.server.lab import environment

EXAMPLES = ROOT / "examples"
SECRET = {"FLAGSTAFF_OVERRIDE_SECRET": "s" * 32}


@dataclass(frozen=True)
class Example:
    folder: Path
    serve: tuple[str, ...]
    """With ``{port}``."""
    override: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()
    """Variables of the environment."""

    @property
    def environment(self) -> dict[str, str]:
        return environment() | SECRET | {"PYTHONDONTWRITEBYTECODE": "1"} | dict(self.more)

    def link(self, url: str) -> str:
        """What the example's own command prints."""
        asked = [sys.executable, "-m", *self.override, "checkout-cta=urgent", "--url", url]
        done = subprocess.run(
            asked, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


FLASK = Example(
    EXAMPLES / "flask_shop",
    ("flask", "--app", "app", "run", "--port", "{port}"),
    ("flask", "--app", "app", "flagstaff", "override"),
)
DJANGO = Example(
    EXAMPLES / "django_shop",
    ("manage", "runserver", "--noreload", "{port}"),
    ("manage", "flagstaff_override"),
)
FASTAPI = Example(
    EXAMPLES / "fastapi_service",
    ("uvicorn", "service:app", "--port", "{port}"),
    ("flagstaff", "override"),
)


@contextmanager
def serving(example: Example) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    asked = [sys.executable, "-m", *(part.format(port=port) for part in example.serve)]
    with subprocess.Popen(
        asked,
        cwd=example.folder,
        env=example.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            yield url
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"it did not start: {process.communicate()[0]}")
        with suppress(httpx.TransportError):
            httpx.get(url, timeout=5)
            return
        time.sleep(0.05)
    pytest.fail("it never answered")


def button(page: str) -> str:
    (found,) = re.findall(r'<a class="button" href="/checkout">(.*?)</a>', page)
    return str(found)


def log_in(browser: httpx.Client) -> httpx.Response:
    page = browser.get("/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    data = {"csrfmiddlewaretoken": token[1]} if token else {}
    return browser.post("/login", data=data)


@pytest.mark.parametrize("example", [FLASK, DJANGO], ids=["flask", "django"])
def test_a_visitor_logs_in_and_a_tester_forces_a_variant(example: Example) -> None:
    with (
        serving(example) as url,
        httpx.Client(base_url=url, follow_redirects=True, timeout=20) as visitor,
        httpx.Client(base_url=url, follow_redirects=True, timeout=20) as tester,
    ):
        mine = button(visitor.get("/").text)
        assert visitor.get("/checkout").text == "The old checkout"
        page = log_in(visitor)
        assert "You will see the new checkout" in page.text
        assert visitor.get("/checkout").text == "The new checkout"
        assert {button(visitor.get("/").text) for _ in range(3)} == {mine}

        theirs = button(tester.get("/").text)
        landed = tester.get(example.link(f"{url}/"))
        assert button(landed.text) == "Buy now"
        assert landed.headers["cache-control"] == "private, no-store"
        assert button(tester.get("/").text) == "Buy now"
        assert "<td>urgent</td>" in tester.get("/?flagstaff=show").text
        assert button(visitor.get("/").text) == mine
        assert button(tester.get("/?flagstaff=clear").text) == theirs
        assert button(tester.get("/").text) == theirs


def test_the_service_answers_and_a_program_forces_a_variant() -> None:
    with serving(FASTAPI) as url, httpx.Client(base_url=url, timeout=20) as browser:
        mine = browser.get("/offer").json()
        assert mine["why"] == "SPLIT"
        assert browser.get("/offer").json() == mine
        assert browser.get("/checkout").status_code == 404
        assert browser.get("/checkout", headers={"X-User": "ada"}).json() == "The new checkout"

        token = FASTAPI.link(f"{url}/").partition("flagstaff=")[2]
        forced = browser.get("/offer", headers={"Flagstaff-Override": token})
        assert forced.json() == {"button": "Buy now", "why": "OVERRIDE"}
        assert browser.get("/offer").json() == mine
        assert browser.get("/healthz").json()["state"] == "READY"
        shown = browser.get("/offer?flagstaff=show", headers={"Flagstaff-Override": token}).text
        assert ("<td>urgent</td>" in shown, "Every flag" in shown) == (True, False)


def test_the_service_tells_whoever_debugs_it_what_every_flag_is_and_why() -> None:
    example = replace(FASTAPI, more=(("DEBUG", "1"),))
    with serving(example) as url, httpx.Client(base_url=url, timeout=20) as browser:
        landed = browser.get(example.link(f"{url}/offer"))
        assert landed.json() == {"button": "Buy now", "why": "OVERRIDE"}

        shown = browser.get("/?flagstaff=show", headers={"X-User": "ada"}).text
        assert "Rules: shop/example; revision 1; READY" in shown
        assert "forced to urgent by request" in shown
        assert "user_id exists True: true" in shown
        assert browser.get("/offer?flagstaff=clear").json()["why"] == "SPLIT"


def test_the_django_example_passes_djangos_own_checks() -> None:
    asked = [sys.executable, "-W", "error", "manage.py", "check", "--fail-level", "WARNING"]
    done = subprocess.run(
        asked, cwd=DJANGO.folder, env=DJANGO.environment, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
