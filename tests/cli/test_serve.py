from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from flagstaff import Client, Context
from flagstaff.cli.serve import _is_loopback
from tests.cli.lab import SHOP, answer, command, environment, run, write


@dataclass
class Served:
    process: subprocess.Popen[str]
    said: list[str]

    @property
    def url(self) -> str:
        return next(word for line in self.said for word in line.split() if word.startswith("http://"))


@contextmanager
def serving(directory: Path, *options: str, until: str = "Ctrl-C", **extra: str) -> Iterator[Served]:
    """Run the command in a folder; give it when it has said that it is up."""
    with subprocess.Popen(
        command("serve", "--port", "0", *options),
        cwd=directory,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said: list[str] = []
        try:
            for line in process.stdout:
                said.append(line)
                if line.startswith(until):
                    break
            yield Served(process, said)
        finally:
            process.kill()


def test_a_client_finds_its_rules_and_its_events_arrive(tmp_path: Path, shop: str) -> None:
    with serving(tmp_path, "flags.json") as served:
        with Client(served.url) as client:
            assert client.wait_ready(20)
            for number in range(40):
                client.variant("checkout-cta", Context(f"user-{number}"))
            client.track("order-placed", Context("user-1"), value=49.9)
            assert client.flush(20)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0

    told = answer("exposures", str(tmp_path / "flagstaff-events.db"))
    assert {row["flag"] for row in told["exposures"]} == {"checkout-cta"}
    assert [row["event"] for row in told["tracks"]] == ["order-placed"]
    assert served.said[0] == f"Serving flags.json at {served.url}\n"
    assert any(f"FLAGSTAFF_URL={served.url}" in line for line in served.said)


def test_it_tells_programs_where_it_is(tmp_path: Path, shop: str) -> None:
    with serving(tmp_path, "flags.json", "--json", "--events", "e.db", until="}") as served:
        told: dict[str, Any] = json.loads("".join(served.said))

        assert httpx.get(f"{told['url']}/v1/rules").status_code == 200
        assert told == {"url": told["url"], "rules": "flags.json", "events": "e.db", "key": False}
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(20) == 0
    assert (tmp_path / "e.db").exists()


def test_a_changed_file_is_told_of_on_stderr(tmp_path: Path, shop: str) -> None:
    with serving(tmp_path, "flags.json") as served:
        write(tmp_path, {**SHOP, "revision": 2})
        assert served.process.stderr is not None

        assert "serving a new version" in served.process.stderr.readline()


def test_what_is_wrong_with_a_changed_file_is_told_without_control_characters(
    tmp_path: Path, shop: str
) -> None:
    with serving(tmp_path, "flags.json") as served:
        write(tmp_path, {"version": 1, "flags": {"a": {"x\x1b[2J": 1}}})
        assert served.process.stderr is not None
        told = [served.process.stderr.readline(), served.process.stderr.readline()]

    assert "the last good version is still served" in told[0]
    assert r"flags.a.x\x1b[2J: no such field" in told[1]


@pytest.mark.parametrize("how", ["option", "variable"])
def test_a_key_is_asked_for_and_never_said(tmp_path: Path, shop: str, how: str) -> None:
    options, extra = (["--key", "sdk-123"], {}) if how == "option" else ([], {"FLAGSTAFF_KEY": "sdk-123"})
    with serving(tmp_path, "flags.json", "--host", "0.0.0.0", *options, **extra) as served:
        url = f"{served.url}/v1/rules"

        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer sdk-123"}).status_code == 200
        served.process.send_signal(signal.SIGINT)
        said, complained = served.process.communicate(timeout=20)

    assert served.process.returncode == 0
    assert "sdk-123" not in "".join(served.said) + said + complained
    assert "Warning" not in complained


def test_it_warns_where_anybody_may_come_in(tmp_path: Path, shop: str) -> None:
    with serving(tmp_path, "flags.json", "--host", "0.0.0.0") as served:
        assert served.process.stderr is not None

        assert served.process.stderr.readline() == (
            "Warning: anybody who can reach 0.0.0.0 can read these rules and send events; set a key\n"
        )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
        ("flags.example.com", False),
    ],
)
def test_which_hosts_are_this_machine_s_alone(host: str, loopback: bool) -> None:
    assert _is_loopback(host) is loopback


def refused(*options: str, key: str = "") -> str:
    done = run("serve", *options, FLAGSTAFF_KEY=key)
    assert (done.returncode, done.stdout) == (2, b"")
    return done.stderr.decode()


def test_a_port_in_use_is_one_sentence(tmp_path: Path, shop: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        message = refused(shop, "--port", port, "--events", str(tmp_path / "e.db"))

    assert message == f"Error: 127.0.0.1:{port} is in use; choose another with --port\n"


def test_wrong_rules_are_told_in_full(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "flags": {"a": {"default": "x"}}})

    message = refused(path, "--events", str(tmp_path / "e.db"))

    assert message.startswith(f"Error: {path}: 1 problem\n")
    assert "flags.a.default" in message


@pytest.mark.parametrize("key", ["two words", "line\nend"])
def test_a_key_that_no_client_could_send_is_refused_without_being_said(shop: str, key: str) -> None:
    message = refused(shop, key=key)

    assert message.startswith("Error: key: must be printable ASCII")
    assert key not in message


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_its_extra_it_says_what_to_install(shop: str, missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[1:] = ['serve', {shop!r}]; "
        "from flagstaff.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'flagstaff[server]'" in done.stderr
