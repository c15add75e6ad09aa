"""What a client's events outlive: whatever happens to the process, if they are for a collector."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from flagstaff import Client, ConfigError, Context
from flagstaff.shell import Shell
from tests.client.lab import Basket, Maker, Server, document, eventually, run
from tests.net.badserver import answer


def subjects(server: Server) -> list[str]:
    return sorted(
        event["subject"] for post in server.posts for event in json.loads(gzip.decompress(post.body))
    )


def segments(directory: str | Path | None = None) -> list[Path]:
    return sorted(Path(directory or os.environ["FLAGSTAFF_DIR"]).rglob("*.events"))


def left_behind(server: Server, **settings: str) -> None:
    """A process records an event for a collector that is down, and is killed."""
    run(
        """
        import json, os, sys
        from flagstaff import Client, Context
        client = Client.from_document({"version": 1}, events=sys.argv[1], **json.loads(sys.argv[2]))
        client.track("step", Context("dead"))
        os._exit(0)
        """,
        server.url,
        json.dumps({"flush_interval": 3600} | settings),
    )


def test_what_a_process_left_behind_is_delivered_by_the_next_without_being_asked(
    server: Server, make: Maker
) -> None:
    left_behind(server)
    assert server.posts == []

    driver = make.from_document(events=server.url, flush_interval=0.05)

    eventually(lambda: subjects(server) == ["dead"])
    eventually(lambda: driver.flags.stats()["delivered"] == 1)
    assert driver.flags.stats()["accepted"] == 1


def test_what_a_closed_client_could_not_deliver_is_delivered_by_the_next(server: Server, make: Maker) -> None:
    server.events = answer(status=503)
    first = make.from_document(events=server.url)
    first.flags.track("step", Context("user-1"))
    first.close(0.1)
    assert first.flags.stats()["pending"] == 1
    server.events = answer(status=202)

    second = make.from_document(events=server.url, flush_interval=0.05)

    eventually(lambda: second.flags.stats()["delivered"] == 1)
    second.close()
    assert segments() == []


@pytest.mark.parametrize(
    "other", [{"key": "sdk-other"}, {"directory": "elsewhere"}, {"durability": "memory"}]
)
def test_what_is_another_key_s_directory_s_or_nobody_s_stays_where_it_is(
    server: Server, make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    left_behind(server)

    driver = make.from_document(events=server.url, **other)
    driver.flags.track("step", Context("alive"))
    assert driver.flush()
    driver.close()

    assert subjects(server) == ["alive"]
    assert len(segments()) == 1


def test_the_key_is_in_no_name_and_no_file(server: Server, make: Maker) -> None:
    driver = make.from_document(events=server.url, key="sdk-s3cr3t", flush_interval=3600)
    driver.flags.track("step", Context("user-1"))
    (segment,) = segments()

    assert "s3cr3t" not in str(segment)
    assert b"s3cr3t" not in segment.read_bytes()


def test_events_for_a_sink_stay_in_memory_unless_told(make: Maker) -> None:
    sink = Basket()
    sink.fault = OSError()
    driver = make.from_document(events=sink)
    driver.flags.track("step")
    driver.close(0)
    assert segments() == []

    told = make.from_document(events=sink, durability="process")
    told.flags.track("step")
    told.close(0)
    assert len(segments()) == 1
    assert told.flags.stats()["pending"] == 1


def test_a_relative_directory_is_where_the_program_was_when_it_began(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Maker
) -> None:
    (tmp_path / "began").mkdir()
    monkeypatch.chdir(tmp_path / "began")
    driver = make.from_document(events=server.url, directory="state", flush_interval=3600)
    monkeypatch.chdir(tmp_path)
    driver.flags.track("step")

    assert len(segments(tmp_path / "began" / "state")) == 1


def test_a_directory_that_can_not_be_made_is_a_problem_and_no_loss(
    server: Server, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    driver = make.from_document(events=server.url, directory=tmp_path / "file")
    driver.flags.track("step", Context("user-1"))

    assert any("kept in memory: Not a directory" in told for told in driver.flags.status().problems)
    assert driver.flush()
    assert subjects(server) == ["user-1"]


def test_a_disk_that_fails_is_told_beside_a_collector_that_fails(
    server: Server, make: Maker, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    server.events = answer(status=503)
    driver = make.from_document(events=server.url, directory=tmp_path / "file", flush_interval=0.01)
    driver.flags.track("step")

    eventually(lambda: "answered 503" in str(driver.flags.status()))

    assert "kept in memory: Not a directory" in str(driver.flags.status())


def test_without_file_locks_events_stay_in_memory(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    client: Shell = Client.from_document(document(), events=server.url)
    client.track("step")
    assert segments() == []
    assert isinstance(client, Client)
    client.close()

    with pytest.raises(ConfigError, match="durability: 'process' needs file locks"):
        Client.from_document(document(), events=server.url, durability="process")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork here")
def test_many_children_leave_no_files_once_all_is_delivered(server: Server) -> None:
    run(
        """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from flagstaff import Client, Context
        client = Client.from_document({"version": 1}, events=sys.argv[1])
        for number in range(8):
            pid = os.fork()
            if pid == 0:
                client.track("step", Context(f"child-{number}"))
                if number % 2:
                    client.close(20)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        client.close(20)
        """,
        server.url,
    )
    with Client.from_document({"version": 1}, events=server.url, flush_interval=0.05):
        eventually(lambda: len(subjects(server)) == 8)

    assert len(set(subjects(server))) == 8
    assert segments() == []
