from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from flagstaff.server import EventStore
from flagstaff.server.cloudevents import read_event
from tests.cli.lab import answer, invoke

SOURCE = "/flagstaff/shop/production"


def event(number: int, kind: str, data: dict[str, Any], process: str = "p1") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}-{process}",
        "source": SOURCE,
        "type": f"flagstaff.{kind}",
        "subject": data.get("unit"),
        "time": f"2026-11-22T10:00:0{number}.000Z",
        "datacontenttype": "application/json",
        "sequence": f"{number:012d}",
        "process": process,
        "data": data,
    }


def exposure(number: int, variant: str) -> dict[str, Any]:
    data = {
        "flag": "cta",
        "experiment": "wording",
        "variant": variant,
        "unit": f"user-{number % 2}",
        "unit_type": "targeting_key",
        "rule": "0",
        "revision": 1,
    }
    return event(number, "exposure", data)


def stored(directory: Path, events: Iterable[dict[str, Any]]) -> str:
    path = directory / "events.db"
    with EventStore(path) as store:
        store.add([read_event(item) for item in events])
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    track = {"event": "order\x9bplaced", "unit": "user-1", "unit_type": "targeting_key"}
    loss = {
        "dropped": [
            {"reason": "quota", "count": 3},
            {"reason": "size", "flag": "cta", "variant": "calm", "count": 1},
        ]
    }
    events = [
        exposure(1, "calm"),
        exposure(2, "urgent"),
        exposure(3, "calm"),
        event(4, "track", track),
        event(7, "loss", loss),
        event(1, "track", track, process="p2"),
    ]
    return stored(tmp_path, events)


def test_what_has_arrived_is_told_in_tables(file: str) -> None:
    result = invoke("exposures", file)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Exposures",
        "flag  experiment  variant  count  units  first                     last",
        "cta   wording     calm         2      1  2026-11-22T10:00:01.000Z  2026-11-22T10:00:03.000Z",
        "cta   wording     urgent       1      1  2026-11-22T10:00:02.000Z  2026-11-22T10:00:02.000Z",
        "",
        "Tracked events",
        "event            count  units",
        r"order\x9bplaced      2      1",
        "",
        "Losses",
        "reason  flag  variant  count",
        "quota   –     –            3",
        "size    cta   calm         1",
        "",
        "Gaps",
        "source                      process  numbered  missing",
        "/flagstaff/shop/production  p1              7        2",
        "",
    ]


def test_what_has_arrived_is_json_for_programs(file: str) -> None:
    told = answer("exposures", file)

    assert told["exposures"][0] == {
        "flag": "cta",
        "experiment": "wording",
        "variant": "calm",
        "count": 2,
        "units": 1,
        "first": "2026-11-22T10:00:01.000Z",
        "last": "2026-11-22T10:00:03.000Z",
    }
    assert told["tracks"] == [{"event": "order\x9bplaced", "count": 2, "units": 1}]
    assert told["losses"][0] == {"reason": "quota", "flag": None, "variant": None, "count": 3}
    assert {(gap["process"], gap["missing"]) for gap in told["gaps"]} == {("p1", 2), ("p2", 0)}


def test_nothing_at_all_is_said_in_words(tmp_path: Path) -> None:
    result = invoke("exposures", stored(tmp_path, []))

    assert result.exit_code == 0
    assert result.stdout.split("\n\n") == ["No exposures", "No tracked events", "No losses", "No gaps", ""]


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "events.db"

    result = invoke("exposures", str(path))

    assert result.exit_code == 2
    assert result.stderr == f"Error: there is no file {path}\n"
    assert not path.exists()


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_text("not a database, but long enough to look like something")

    result = invoke("exposures", str(path))

    assert result.exit_code == 2
    assert result.stderr == f"Error: {path} is not a database; choose another file\n"
