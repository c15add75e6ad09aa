"""The stream of the development server: who listens is told of new rules, and let go at the end."""

from __future__ import annotations

import json
import resource
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from flagstaff import Client
from tests.client.lab import numbered
from tests.server.lab import Child, child, eventually

MANY = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "flags.json"
    made.write_text(json.dumps(numbered(1)))
    return made


@pytest.fixture
def server(path: Path, tmp_path: Path) -> Iterator[Child]:
    with child(path, tmp_path / "events.db") as made:
        yield made


def etag(server: Child) -> str:
    plain = {"Accept-Encoding": "identity"}
    return httpx.get(f"{server.url}/v1/rules", headers=plain, timeout=60).headers["etag"]


@contextmanager
def listener(server: Child, known: str | None = None) -> Iterator[Iterator[str]]:
    headers = {} if known is None else {"Last-Event-ID": known}
    with httpx.stream("GET", f"{server.url}/v1/stream", headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield answer.iter_lines()


def next_tag(lines: Iterator[str]) -> str:
    return next(line for line in lines if line.startswith("data:")).removeprefix("data: ")


def test_the_newest_tag_is_told_at_once_and_when_it_changes(server: Child, path: Path) -> None:
    with listener(server) as lines:
        assert next_tag(lines) == etag(server)
        path.write_text(json.dumps(numbered(2)))
        told = next_tag(lines)

        assert told == etag(server)


def test_who_has_the_compressed_form_is_told_its_tag(server: Child) -> None:
    known = httpx.get(f"{server.url}/v1/rules").headers["etag"]
    assert known != etag(server)

    with listener(server, known) as lines:
        assert next_tag(lines) == known
    with listener(server, '"older"') as lines:
        assert next_tag(lines) == etag(server)


def test_the_head_alone_ends(server: Child) -> None:
    answer = httpx.head(f"{server.url}/v1/stream")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_stream_needs_the_key_too(path: Path, tmp_path: Path) -> None:
    with child(path, tmp_path / "events.db", "--key", "sdk-1") as server:
        assert httpx.get(f"{server.url}/v1/stream").status_code == 401


def test_clients_listen(server: Child, path: Path) -> None:
    with Client(server.url, events=None, poll_interval=300) as client:
        assert client.wait_ready(20)
        path.write_text(json.dumps(numbered(2)))

        eventually(lambda: client.value("first", default=0) == 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_listeners_do_not_keep_the_server_from_stopping(server: Child, number: signal.Signals) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener(server)) for _ in range(20)]
        for lines in listeners:
            next_tag(lines)
        begun = time.monotonic()

        assert server.end(number) == 0
        assert time.monotonic() - begun < 4.0  # less than the grace that open requests have
        assert all("data: x" not in line for lines in listeners for line in lines)


@pytest.fixture
def descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("this machine allows no thousand connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_listen(server: Child, path: Path, descriptors: None) -> None:
    place = urlsplit(server.url)
    request = f"GET /v1/stream HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
    heard: dict[socket.socket, bytes] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(MANY):
            connection = stack.enter_context(socket.create_connection((place.hostname, place.port), 20))
            connection.sendall(request)
            heard[connection] = b""
            selector.register(connection, selectors.EVENT_READ)

        def listen(tag: str) -> bool:
            for key, _ in selector.select(0.05):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                heard[connection] += connection.recv(65536)
            return all(f"data: {tag}".encode() in data for data in heard.values())

        first = etag(server)
        eventually(lambda: listen(first), 60)
        path.write_text(json.dumps(numbered(2)))
        eventually(lambda: etag(server) != first)
        second = etag(server)
        eventually(lambda: listen(second), 60)

        assert server.end(signal.SIGTERM) == 0
