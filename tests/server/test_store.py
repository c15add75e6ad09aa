from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.errors import ServeError
from flagstaff.server import Added, EventStore, ExposureCount, Gap, LossCount, TrackCount
from flagstaff.server.arrivals import ranges
from flagstaff.server.cloudevents import Event, read_event
from tests.server.lab import SOURCE, exposure, loss, track


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def store(path: Path) -> Iterator[EventStore]:
    with EventStore(path) as it:
        yield it


def events(raw: Iterable[dict[str, Any]]) -> list[Event]:
    return [read_event(event) for event in raw]


def run(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def test_what_was_added_is_there_after_reopening(path: Path) -> None:
    with EventStore(path) as store:
        assert store.add(events([exposure(1), exposure(2)])) == Added(2, 0)

    with EventStore(path) as store:
        assert store.add(events([exposure(2), exposure(3)])) == Added(1, 1)
        assert store.count() == 3


def test_source_and_id_tell_events_apart_and_not_their_text_together(store: EventStore) -> None:
    named = [("ab", "c"), ("a", "bc"), ("a", "b"), ("1 a", "b")]
    batch = events(exposure(number, source=source, id=name) for number, (source, name) in enumerate(named))

    assert store.add([*batch, *batch]) == Added(4, 4)
    assert store.add(batch) == Added(0, 4)


def test_exposures_are_counted_by_variant_with_units_and_times(store: EventStore) -> None:
    store.add(
        events(
            [
                exposure(1, time="2026-11-22T10:00:00Z"),
                exposure(3, time="2026-11-22T00:30:00+02:00"),
                exposure(5, time="2026-11-22T09:00:00Z", subject="user-1"),
                exposure(2),
                track(1),
                exposure(7, type="com.example.exposure"),
            ]
        )
    )

    assert store.exposures() == [
        ExposureCount(
            "checkout-cta",
            "cta-wording",
            "calm",
            1,
            1,
            "2026-11-22T10:00:00.000Z",
            "2026-11-22T10:00:00.000Z",
        ),
        ExposureCount(
            "checkout-cta",
            "cta-wording",
            "urgent",
            3,
            2,
            "2026-11-21T22:30:00.000Z",
            "2026-11-22T10:00:00.000Z",
        ),
    ]


def test_an_exposure_without_a_time_has_the_time_it_came(store: EventStore) -> None:
    store.add(events([exposure(1, time=None)]))

    (row,) = store.exposures()
    assert row.first == row.last
    assert row.first.endswith("Z")


def test_tracks_are_counted_by_name(store: EventStore) -> None:
    store.add(events([track(1), track(2), track(3, subject="user-1"), track(4, "cart-opened"), exposure(1)]))

    assert store.tracks() == [TrackCount("cart-opened", 1, 1), TrackCount("order-placed", 3, 2)]


def test_losses_are_summed_by_reason_flag_and_variant(store: EventStore) -> None:
    full = {"reason": "queue_full", "flag": "checkout-cta", "variant": "calm"}
    store.add(
        events(
            [
                loss(1, full | {"count": 3}, {"reason": "too_large", "count": 1}),
                loss(2, full | {"count": 4}, full | {"variant": "urgent", "count": 1}),
            ]
        )
    )
    store.add(events([loss(2, full | {"count": 4})]))

    assert store.losses() == [
        LossCount("queue_full", "checkout-cta", "calm", 7),
        LossCount("queue_full", "checkout-cta", "urgent", 1),
        LossCount("too_large", None, None, 1),
    ]


def test_gaps_are_told_for_each_process(store: EventStore) -> None:
    store.add(events(exposure(number, process="a") for number in (0, 1, 4)))
    store.add(events(exposure(number, process="b") for number in (9,)))
    store.add(events([exposure(50, process="c", sequence=None), exposure(51, process=None, sequence="7")]))

    assert store.gaps() == [Gap(SOURCE, "a", 5, 2), Gap(SOURCE, "b", 10, 9)]


def test_a_duplicate_from_another_process_leaves_no_gap(store: EventStore) -> None:
    store.add(events([exposure(1, process="a", sequence="1")]))
    added = store.add(
        events([exposure(1, process="b", sequence="1"), exposure(2, process="b", sequence="2")])
    )

    assert added == Added(1, 1)
    assert store.gaps() == [Gap(SOURCE, "a", 1, 0), Gap(SOURCE, "b", 2, 0)]


@given(st.lists(st.lists(st.integers(0, 40), max_size=8), max_size=8))
def test_gaps_are_what_a_set_would_tell(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    with EventStore(tmp_path_factory.mktemp("gaps") / "events.db") as store:
        for batch in batches:
            store.add(events(exposure(number, sequence=number) for number in batch))
        seen = {number for batch in batches for number in batch} - {0}

        rows = [(gap.highest, gap.missing) for gap in store.gaps()]

    assert rows == ([(max(seen), max(seen) - len(seen))] if seen else [])


@given(st.sets(st.integers(0, 60)))
def test_ranges_cover_exactly_their_numbers(numbers: set[int]) -> None:
    runs = ranges(numbers)

    assert sorted(number for first, last in runs for number in range(first, last + 1)) == sorted(numbers)
    assert all(second[0] - first[1] > 1 for first, second in pairwise(runs))


def test_a_far_number_costs_nothing(store: EventStore) -> None:
    store.add(events([exposure(1, sequence="9" * 18)]))

    assert store.gaps() == [Gap(SOURCE, "0123456789abcdef", 10**18 - 1, 10**18 - 2)]


def test_a_file_can_be_created_by_several_at_once(tmp_path: Path) -> None:
    start = threading.Barrier(4)

    def work(path: Path) -> int:
        start.wait(20)
        with EventStore(path) as store:
            return store.add(events([exposure(1)])).stored

    with ThreadPoolExecutor(4) as threads:
        for number in range(30):
            assert sum(threads.map(work, [tmp_path / f"{number}.db"] * 4)) == 1


def test_several_stores_share_a_file(path: Path) -> None:
    def work(mine: int) -> int:
        with EventStore(path) as store:
            batches = ([exposure(number), exposure(1000 * mine + number)] for number in range(20))
            return sum(store.add(events(batch)).stored for batch in batches)

    with ThreadPoolExecutor(4) as threads:
        stored = sum(threads.map(work, range(1, 5)))

    with EventStore(path) as store:
        assert store.count() == stored == 20 + 80


def test_a_report_is_not_held_up_by_a_writer(store: EventStore, path: Path) -> None:
    store.add(events([exposure(1)]))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    assert store.count() == 1
    writer.execute("ROLLBACK")
    writer.close()


def test_the_file_is_its_owners_alone(store: EventStore, path: Path) -> None:
    store.add(events([exposure(1)]))

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"events.db": 0o600, "events.db-wal": 0o600, "events.db-shm": 0o600}


def test_a_closed_store_is_one_file_and_takes_nothing_more(path: Path) -> None:
    with EventStore(path) as store:
        store.add(events([exposure(1)]))

    assert [file.name for file in path.parent.iterdir()] == ["events.db"]
    with pytest.raises(ServeError, match=r"events\.db: "):
        store.add(events([exposure(2)]))


@pytest.mark.parametrize("removed", [["events.db"], ["events.db", "events.db-wal", "events.db-shm"]])
def test_a_file_removed_while_open_is_made_anew(store: EventStore, path: Path, removed: list[str]) -> None:
    store.add(events([exposure(1)]))
    for name in removed:
        (path.parent / name).unlink()

    assert store.add(events([exposure(1), exposure(2)])) == Added(2, 0)
    with EventStore(path) as other:
        assert other.count() == store.count() == 2


def test_another_programs_database_is_refused_untouched(path: Path) -> None:
    run(path, "CREATE TABLE things (name TEXT)", "PRAGMA user_version = 1")
    before = path.read_bytes()

    with pytest.raises(ServeError, match=r"events\.db is another program's database; choose another file"):
        EventStore(path)

    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_text("dear diary, " * 100)

    with pytest.raises(ServeError, match=r"events\.db is not a database; choose another file"):
        EventStore(path)

    assert path.read_text() == "dear diary, " * 100


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (1, r"an older flagstaff \(schema 1, this one knows 2\); choose another file"),
        (3, r"a newer flagstaff \(schema 3, this one knows 2\); upgrade flagstaff or choose"),
    ],
)
def test_another_flagstaffs_file_is_refused(path: Path, version: int, told: str) -> None:
    EventStore(path).close()
    run(path, f"PRAGMA user_version = {version}")

    with pytest.raises(ServeError, match=told):
        EventStore(path)


@pytest.mark.parametrize("name", ["missing/events.db", "."])
def test_a_file_that_can_not_be_opened_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServeError, match=str(tmp_path)):
        EventStore(tmp_path / name)


def test_any_file_name_will_do(tmp_path: Path) -> None:
    path = tmp_path / "100% of? my#events é.db"

    with EventStore(path) as store:
        store.add(events([exposure(1)]))
        assert (store.path, store.count()) == (path, 1)
