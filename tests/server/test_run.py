from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from flagstaff.errors import ServeError
from flagstaff.server import EventStore, serve
from tests.server.lab import (
    BATCH,
    ROOT,
    child,
    command,
    environment,
    eventually,
    exposure,
    loader,
    post,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    path.write_text('{"version":1}')
    return path


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def test_ready_names_the_url_of_a_free_port(path: Path, database: Path) -> None:
    with child(path, database) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{server.url}/v1/rules").json() == {"version": 1}


def test_a_server_for_every_address_is_reached_by_the_loopback(path: Path, database: Path) -> None:
    with child(path, database, "--host", "0.0.0.0") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize("host", ["::1", "::"])
def test_ipv6_is_served(path: Path, database: Path, host: str) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with child(path, database, "--host", host) as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_a_kill_right_after_the_acknowledgement_loses_nothing(path: Path, database: Path) -> None:
    acknowledged: list[int] = []
    for round_ in range(5):
        with child(path, database) as server, httpx.Client(base_url=server.url) as client:
            for start in range(round_ * 1000, round_ * 1000 + 300, 100):
                assert post(client, [exposure(number) for number in range(start, start + 100)]).is_success
                acknowledged += range(start, start + 100)
            assert server.end(signal.SIGKILL) == -signal.SIGKILL

    with EventStore(database) as store:
        assert store.count() == len(acknowledged) == 1500


def test_a_kill_amid_posts_loses_nothing_acknowledged_and_stores_nothing_twice(
    path: Path, database: Path
) -> None:
    acknowledged = 0
    with child(path, database) as server, httpx.Client(base_url=server.url) as client:

        def push(start: int) -> int:
            try:
                answer = post(client, [exposure(number) for number in range(start, start + 50)])
            except httpx.TransportError:
                return 0
            return int(answer.json()["stored"])

        with ThreadPoolExecutor(4) as threads:
            pushes = [threads.submit(push, start) for start in range(0, 20_000, 50)]
            eventually(lambda: sum(done.done() for done in pushes) > 20)
            server.end(signal.SIGKILL)
            acknowledged = sum(done.result() for done in pushes)

    with EventStore(database) as store:
        kept = store.count()
        assert 0 < acknowledged < 20_000
        assert kept >= acknowledged
        assert kept % 50 == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(path: Path, database: Path, number: signal.Signals) -> None:
    with child(path, database) as server, httpx.Client(base_url=server.url) as client:
        assert post(client, [exposure(1)]).status_code == 202

        assert server.end(number) == 0

    assert sorted(file.name for file in database.parent.iterdir()) == ["events.db", "flags.json"]
    with EventStore(database) as store:
        assert store.count() == 1


def test_a_post_under_way_is_finished_before_the_end(path: Path, database: Path) -> None:
    body = json.dumps([exposure(1)]).encode()
    with child(path, database) as server:
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 0), timeout=20) as connection:
            lines = ["POST /v1/events HTTP/1.1", "Host: x", f"Content-Type: {BATCH}", "Expect: 100-continue"]
            head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(body)
            assert connection.recv(100).startswith(b"HTTP/1.1 202 ")
        assert server.process.wait(20) == 0


def test_a_changed_file_is_served_and_a_wrong_one_is_not(path: Path, database: Path) -> None:
    with child(path, database) as server, httpx.Client(base_url=server.url) as client:
        path.write_text('{"version":1,"project":"shop"}')
        eventually(lambda: "project" in client.get("/v1/rules").json())
        path.write_text('{"version":1,')
        eventually(lambda: client.get("/healthz").json()["status"] == "degraded")

        assert client.get("/v1/rules").json() == {"version": 1, "project": "shop"}
        path.write_text('{"version":1,"project":"other"}')
        eventually(lambda: client.get("/healthz").json()["status"] == "ok")
        assert client.get("/v1/rules").json()["project"] == "other"


def test_it_serves_beside_a_program_from_a_thread(path: Path, database: Path) -> None:
    with child(path, database, "--thread") as server:
        assert server.url.endswith(" ok")
        assert server.process.wait(20) == 0


def test_a_port_in_use_is_one_sentence(path: Path, database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        asked = command(path, database, "--port", str(port))
        done = subprocess.run(asked, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1:] == [
        f"ServeError: 127.0.0.1:{port} is in use; choose another with --port"
    ]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("127.0.0.1", 70_000, "70000 is no port; choose one from 0 to 65535 with --port"),
        ("192.0.2.1", 0, "192.0.2.1:0 is no address of this machine; choose another with --host"),
        ("no-such-host.invalid", 1, "no-such-host.invalid:1 can't be opened: "),
    ],
)
def test_an_address_that_can_not_be_served_is_named(
    path: Path, database: Path, host: str, port: int, sentence: str
) -> None:
    with pytest.raises(ServeError) as caught:
        serve(path, host, port, events=database, load=loader(path))

    assert str(caught.value).startswith(sentence)


def test_the_key_is_in_no_log(path: Path, database: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as stream,
        subprocess.Popen(
            command(path, database, "--key", "secret-key"),
            env=environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answers = [
            httpx.get(f"{url}/v1/rules", headers={"Authorization": f"Bearer {key}"})
            for key in ("secret-key", "wrong-key")
        ]
        process.terminate()
        assert process.wait(20) == 0

    assert [answer.status_code for answer in answers] == [200, 401]
    assert "secret-key" not in log.read_text()
    assert "wrong-key" not in log.read_text()
    assert "uvicorn" in log.read_text()


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_the_room_says_what_to_install(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import flagstaff.server"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "MissingExtraError: server: the server needs an extra" in done.stderr
    assert "pip install 'flagstaff[server]'" in done.stderr
