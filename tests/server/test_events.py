from __future__ import annotations

import gzip
import json
import logging
import socket
import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from flagstaff.server import body
from tests.server.lab import (
    BATCH,
    SINGLE,
    Lab,
    child,
    exposure,
    lab,
    post,
    post_zipped,
    staged,
    track,
    zipped,
)


def test_a_batch_is_acknowledged_with_what_became_of_it(served: Lab) -> None:
    answer = post(served.client, [exposure(1), exposure(2), exposure(1)])

    assert answer.status_code == 202
    assert answer.json() == {"stored": 2, "duplicates": 1}
    assert served.store.count() == 2


def test_a_repeated_post_stores_nothing_twice(served: Lab) -> None:
    batch = [exposure(number) for number in range(50)]

    answers = [post(served.client, batch).json() for _ in range(3)]

    assert answers == [{"stored": 50, "duplicates": 0}, *[{"stored": 0, "duplicates": 50}] * 2]
    assert served.store.count() == 50


def test_concurrent_posts_of_overlapping_batches_store_each_event_once(served: Lab) -> None:
    batches = [[exposure(number) for number in range(start, start + 60)] for start in range(0, 200, 20)] * 2

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda batch: post(served.client, batch), batches))

    assert {answer.status_code for answer in answers} == {202}
    assert sum(answer.json()["stored"] for answer in answers) == served.store.count() == 240
    assert sum(answer.json()["duplicates"] for answer in answers) == 60 * len(batches) - 240


def test_the_same_id_from_another_source_is_another_event(served: Lab) -> None:
    answer = post(served.client, [exposure(1), exposure(1, source="/flagstaff/shop/staging")])

    assert answer.json() == {"stored": 2, "duplicates": 0}


def test_an_empty_batch_is_fine(served: Lab) -> None:
    answer = post(served.client, [])

    assert (answer.status_code, answer.json()) == (202, {"stored": 0, "duplicates": 0})


def test_a_single_event_is_taken(served: Lab) -> None:
    headers = {"Content-Type": f"{SINGLE}; charset=utf-8"}

    answer = served.client.post("/v1/events", content=json.dumps(track(1)), headers=headers)

    assert (answer.status_code, answer.json()) == (202, {"stored": 1, "duplicates": 0})
    assert [row.event for row in served.store.tracks()] == ["order-placed"]


def test_a_gzip_body_is_taken(served: Lab) -> None:
    answer = post_zipped(served.client, zipped([exposure(1), exposure(2)]))

    assert answer.json() == {"stored": 2, "duplicates": 0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("specversion", None),
        ("specversion", "0.3"),
        ("id", None),
        ("id", ""),
        ("id", 7),
        ("id", "\ud800"),
        ("source", None),
        ("type", None),
        ("type", {}),
        ("subject", None),
        ("subject", 42),
        ("time", "yesterday"),
        ("time", "2026-13-01T00:00:00Z"),
        ("time", "0001-01-01T00:00:00+23:59"),
        ("time", 1_700_000_000),
        ("sequence", "-1"),
        ("sequence", "1" * 19),
        ("sequence", True),
        ("sequence", 10**18),
        ("process", 1),
        ("data", None),
        ("data", []),
        ("data.flag", None),
        ("data.experiment", 3),
        ("data.variant", ["urgent"]),
        ("data_base64", "AAAA"),
    ],
)
def test_a_bad_event_is_refused_by_place_and_field_and_nothing_of_its_batch_is_stored(
    served: Lab, field: str, value: object
) -> None:
    bad = exposure(2)
    inner = field.removeprefix("data.")
    (bad["data"] if inner != field else bad)[inner] = value

    answer = post(served.client, [exposure(1), bad, exposure(3)])

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["index"], problem["field"]) == (400, 1, field)
    assert problem["detail"].startswith(f"event 1: {field} ")
    assert served.store.count() == 0


def test_a_field_that_is_not_there_is_called_missing(served: Lab) -> None:
    event = exposure(0)
    del event["source"]

    assert post(served.client, [event]).json()["detail"] == "event 0: source is missing"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"{}",
        b"nonsense",
        b"[" * 200_000,
        b"[NaN]",
        b"\xff\xfe[]",
        "[]".encode("utf-16"),
        b"[1]",
        b"[" + b"9" * 10_000 + b"]",
        json.dumps([exposure(1)]).replace('"revision": 1', '"revision": 1e999').encode(),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_batch_is_refused(served: Lab, body: bytes) -> None:
    answer = served.client.post("/v1/events", content=body, headers={"Content-Type": BATCH})

    assert answer.status_code == 400
    assert answer.json()["status"] == 400
    assert served.store.count() == 0


def test_what_a_foreign_type_carries_is_kept(served: Lab, tmp_path: Path) -> None:
    event = exposure(1, type="com.example.thing", data=[1, {"é": None}])

    assert post(served.client, [event]).status_code == 202
    with sqlite3.connect(tmp_path / "events.db") as database:
        rows = database.execute("SELECT type, data, flag FROM events").fetchall()
    database.close()
    assert [(kind, json.loads(data), flag) for kind, data, flag in rows] == [
        ("com.example.thing", [1, {"é": None}], None)
    ]


@pytest.mark.parametrize("unit", ["\ud800", "a\0b", "naïve 🦜", "x" * 100_000])
def test_any_text_is_a_unit(served: Lab, tmp_path: Path, unit: str) -> None:
    event = exposure(1, subject=unit)
    event["data"]["unit"] = unit

    assert post(served.client, [event]).status_code == 202
    (row,) = served.store.exposures()
    assert (row.count, row.units) == (1, 1)
    with sqlite3.connect(tmp_path / "events.db") as database:
        ((data,),) = database.execute("SELECT data FROM events").fetchall()
    database.close()
    assert json.loads(data)["unit"] == unit


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain", "application/cloudevents"])
def test_another_content_type_is_refused(served: Lab, kind: str) -> None:
    answer = served.client.post("/v1/events", content=b"[]", headers={"Content-Type": kind})

    assert answer.status_code == 415
    assert BATCH in answer.json()["detail"]


def test_another_content_coding_is_refused(served: Lab) -> None:
    answer = post(served.client, [], **{"Content-Encoding": "br"})

    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip")


@pytest.mark.parametrize(
    "body",
    [b"", b"plain", zipped([])[:-5], zipped([]) + b"more", zipped([]) + zipped([]), zlib.compress(b"[]")],
    ids=["empty", "plain", "cut", "trailing", "two members", "zlib"],
)
def test_a_body_that_is_not_one_gzip_member_is_refused(served: Lab, body: bytes) -> None:
    answer = post_zipped(served.client, body)

    assert answer.status_code == 400
    assert "gzip" in answer.json()["detail"]


def bomb(mebibytes: int) -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()


def peak_kibibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_a_bomb_is_refused_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text("{}")
    with child(path, tmp_path / "events.db") as server, httpx.Client(base_url=server.url) as client:
        assert post(client, [exposure(1)]).status_code == 202
        before = peak_kibibytes(server.process.pid)

        answer = post_zipped(client, bomb(512))

        assert answer.status_code == 413
        assert peak_kibibytes(server.process.pid) - before < 48 * 1024
        assert post(client, [exposure(2)]).status_code == 202


def test_the_limit_on_an_unpacked_body_is_exact(served: Lab) -> None:
    fitting = b"[" + b" " * (body.MAX_BYTES - 2) + b"]"

    assert post_zipped(served.client, gzip.compress(fitting)).status_code == 202
    assert post_zipped(served.client, gzip.compress(fitting + b" ")).status_code == 413


def test_a_plain_body_beyond_the_limit_is_refused_declared_or_not(served: Lab) -> None:
    large = b" " * (body.MAX_BYTES + 1)

    def pieces() -> Iterator[bytes]:
        yield from (large[start : start + 65536] for start in range(0, len(large), 65536))

    headers = {"Content-Type": BATCH}
    answers = [served.client.post("/v1/events", content=sent, headers=headers) for sent in (large, pieces())]

    assert [answer.status_code for answer in answers] == [413, 413]


def raw_post(client: httpx.Client, declared: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=20)
    head = (
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: {BATCH}\r\nContent-Length: {declared}\r\n\r\n"
    )
    connection.sendall(head.encode() + sent)
    return connection


def test_a_body_that_dawdles_is_given_up(served: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_SECONDS", 0.05)

    with raw_post(served.client, 100, b"[") as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_a_sender_that_leaves_halfway_leaves_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with staged() as stage, lab(stage, tmp_path, {}) as served:
        with raw_post(served.client, 1000, json.dumps([exposure(1)]).encode()):
            pass
        assert post(served.client, [exposure(2)]).status_code == 202
        assert served.store.count() == 1

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def break_storing(path: Path) -> None:
    run(path, "CREATE TRIGGER broken BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'no room'); END")


def mend_storing(path: Path) -> None:
    run(path, "DROP TRIGGER broken")


def run(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()


def test_when_nothing_can_be_stored_the_sender_is_told_to_come_back(
    served: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flagstaff.server")
    break_storing(tmp_path / "events.db")
    refused = [post(served.client, [exposure(1)]) for _ in range(3)]
    mend_storing(tmp_path / "events.db")
    taken = [post(served.client, [exposure(number)]) for number in (1, 2)]

    assert [(answer.status_code, answer.headers["retry-after"]) for answer in refused] == [(503, "5")] * 3
    assert "events.db" not in refused[0].text
    assert [answer.status_code for answer in taken] == [202, 202]
    levels = [record.levelname for record in caplog.records if record.name == "flagstaff.server"]
    assert levels == ["WARNING", "INFO"]


def test_a_batch_is_stored_whole_or_not_at_all(served: Lab, tmp_path: Path) -> None:
    condition = "WHEN new.subject = 'user-7'"
    trigger = f"CREATE TRIGGER broken BEFORE INSERT ON events {condition} BEGIN SELECT RAISE(FAIL, 'no'); END"
    run(tmp_path / "events.db", trigger)

    answer = post(served.client, [exposure(number) for number in range(10)])

    assert answer.status_code == 503
    assert served.store.count() == 0
    assert served.store.gaps() == []


def test_health_counts_the_events(served: Lab) -> None:
    post(served.client, [exposure(1), exposure(2)])

    report: dict[str, Any] = served.client.get("/healthz").json()

    assert (report["status"], report["events"]) == ("ok", 2)
