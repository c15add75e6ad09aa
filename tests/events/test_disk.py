"""A spool on disk: what it accepted outlives the process, whatever happens to that, the disk or the files."""

from __future__ import annotations

import errno
import logging
import os
import random
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flagstaff.events import disk, segments
from flagstaff.events.disk import DiskSpool
from flagstaff.events.frames import frame_event, scan
from flagstaff.events.inheritance import SPOOL_NAME
from flagstaff.events.ledger import CORRUPT, QUEUE_FULL, SHUTDOWN, Ledger
from flagstaff.events.model import Form
from flagstaff.events.spool import Batch
from tests.events.lab import NOON, FakeClock

QUOTA = 1024 * 1024
FORM = Form("shop", "live", "p", "flag", "test", "on", "targeting_key", None, 1)


class Life:
    """One process's use of a spool: it keeps the books as a recorder and a sender do."""

    def __init__(self, root: Path, quota: int = QUOTA, *, sync: bool = False, kin: str = "") -> None:
        self.clock = FakeClock()
        self.clock.wall = time.time()
        self.ledger = Ledger()
        self.spool = DiskSpool(root, quota, self.clock, self.ledger, sync=sync, kin=kin)

    def append(self, record: bytes) -> bool:
        self.ledger.accept()
        if self.spool.append(record, "flag", "on"):
            return True
        self.ledger.drop(QUEUE_FULL, "flag", "on")
        return False

    def expose(self, unit: str, number: int) -> bool:
        self.ledger.accept()
        if self.spool.expose(FORM, unit, NOON, number):
            return True
        self.ledger.drop(QUEUE_FULL, FORM.flag, FORM.variant)
        return False

    def tend(self) -> float:
        return self.spool.tend(self.clock.now)

    def take(self, max_count: int = 500, max_bytes: int = 512 * 1024) -> list[bytes]:
        """Deliver one batch."""
        batch = self.spool.peek(max_count, max_bytes)
        return [] if batch is None else self.settle(batch)

    def settle(self, batch: Batch) -> list[bytes]:
        taken = self.spool.acknowledge(batch)
        self.ledger.deliver(taken)
        return [record for record, _, _ in batch.records[:taken]]

    def drain(self) -> list[bytes]:
        """Adopt and deliver all there is."""
        drained: list[bytes] = []
        while True:
            self.clock.turn(100)
            self.tend()
            taken = self.take()
            if not taken and not self.spool.pending:
                return drained
            drained += taken

    def die(self) -> None:
        """End as by a kill: the descriptors are closed, nothing else happens."""
        self.spool.forked()

    def close(self) -> tuple[bytes, ...]:
        lost = self.spool.close()
        for _, flag, variant in lost:
            self.ledger.drop(SHUTDOWN, flag, variant)
        return tuple(record for record, _, _ in lost)

    def balanced(self) -> bool:
        counts = self.ledger.snapshot()
        return counts["pending"] == self.spool.pending


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"event-%06d" % number for number in range(start, start + count)]


def lived(root: Path, records: list[bytes], **options: Any) -> None:
    """Some process spools events and dies."""
    life = Life(root, **options)
    assert all(map(life.append, records))
    life.die()


def files(root: Path) -> list[Path]:
    return sorted(root.rglob("*.events"))


def descriptors() -> list[str]:
    """What this process has open, where that can be told."""
    folder = Path("/proc/self/fd")
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class FaultyOs:
    """The operating system as the segments see it, with some calls that fail."""

    def __init__(self) -> None:
        self.failing: dict[str, int] = {}
        self._drawn = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _check(self, call: str) -> None:
        if call in self.failing:
            raise OSError(self.failing[call], os.strerror(self.failing[call]))

    def urandom(self, size: int) -> bytes:
        """Draw what sorts in the order of time: what a state machine does must be repeatable."""
        self._drawn += 1
        return self._drawn.to_bytes(size)

    def posix_fallocate(self, handle: int, offset: int, size: int) -> None:
        self._check("allocate")
        os.posix_fallocate(handle, offset, size)

    def write(self, handle: int, data: bytes) -> int:
        self._check("write")
        return os.write(handle, data)

    def ftruncate(self, handle: int, size: int) -> None:
        self._check("truncate")
        os.ftruncate(handle, size)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        self._check("create" if flags & os.O_CREAT else "open")
        return os.open(path, flags, mode)

    def pread(self, handle: int, count: int, offset: int) -> bytes:
        self._check("pread")
        return os.pread(handle, count, offset)


@contextmanager
def faulty() -> Iterator[FaultyOs]:
    with pytest.MonkeyPatch.context() as patch:
        made = FaultyOs()
        patch.setattr(segments, "os", made)
        yield made


# -- lives that follow each other -----------------------------------------------------------------------


def test_what_a_dead_process_left_is_delivered_by_the_next_in_order(tmp_path: Path) -> None:
    lived(tmp_path, numbered(5000))
    heir = Life(tmp_path)

    assert heir.drain() == numbered(5000)

    assert heir.ledger.snapshot()["accepted"] == heir.ledger.snapshot()["delivered"] == 5000
    heir.close()
    assert list(tmp_path.iterdir()) == []


def test_the_first_look_is_at_once_and_the_next_within_a_minute(tmp_path: Path) -> None:
    heir = Life(tmp_path)
    assert 0 < heir.tend() < 60
    lived(tmp_path, [b"late"])

    heir.clock.turn(heir.tend() - 0.1)
    heir.tend()
    assert heir.take() == []
    heir.clock.turn(0.2)
    heir.tend()
    assert heir.take() == [b"late"]
    heir.close()


def test_what_is_closed_with_events_in_it_is_inherited_as_well(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for record in numbered(3):
        life.append(record)
    assert life.close() == ()
    assert (life.spool.pending, life.balanced()) == (3, True)

    heir = Life(tmp_path)
    assert heir.drain() == numbered(3)
    heir.close()


def test_an_heir_that_dies_leaves_what_it_inherited(tmp_path: Path) -> None:
    lived(tmp_path, numbered(10))
    heir = Life(tmp_path)
    heir.tend()
    assert heir.append(b"own")
    assert heir.take(max_count=4) == [b"own", *numbered(3)] or heir.spool.pending
    heir.die()

    last = Life(tmp_path)
    assert set(last.drain()) >= set(numbered(10)[3:])
    last.close()
    assert list(tmp_path.iterdir()) == []


def test_the_living_are_not_inherited(tmp_path: Path) -> None:
    one, two = Life(tmp_path), Life(tmp_path)
    one.append(b"mine")
    two.tend()

    assert two.spool.pending == 0
    assert one.take() == [b"mine"]
    one.close()
    two.close()


def test_what_was_spooled_under_another_key_waits_an_hour_for_somebody_who_has_it(tmp_path: Path) -> None:
    lived(tmp_path, [b"old"], kin="old-")
    stranger = Life(tmp_path, kin="new-")
    assert stranger.drain() == []
    stranger.clock.turn(3700)
    assert stranger.drain() == [b"old"]
    lived(tmp_path, [b"again"], kin="old-")
    relative = Life(tmp_path, kin="old-")
    assert relative.drain() == [b"again"]
    relative.close()
    stranger.close()
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_lives_long_and_dies_is_not_taken_for_one_that_died_long_ago(tmp_path: Path) -> None:
    old = Life(tmp_path, kin="old-")
    old.append(b"old")
    lock = files(tmp_path)[0].parent / "lock"
    os.utime(lock, (0, 0))
    old.tend()
    old.die()
    stranger = Life(tmp_path, kin="new-")
    assert stranger.drain() == []
    stranger.close()
    assert lock.stat().st_mtime > time.time() - 60


def test_what_was_to_go_elsewhere_is_removed_after_a_month(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    forgotten, recent, mine, alive = (digit * SPOOL_NAME for digit in "0123")
    for name in (forgotten, recent, mine):
        lived(tmp_path / name, [b"event"])
    living = Life(tmp_path / alive)
    living.append(b"event")
    for name in (forgotten, alive, mine):
        os.utime(files(tmp_path / name)[0].parent / "lock", (0, 0))
    (tmp_path / "stranger" / "empty").mkdir(parents=True)
    heir = Life(tmp_path / mine)
    assert heir.drain() == [b"event"]
    heir.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == [recent, mine, alive, "stranger"]
    assert (tmp_path / "stranger" / "empty").is_dir()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert living.take() == [b"event"]
    living.close()


def refuse(life: Life, *records: bytes) -> None:
    for record in records:
        life.append(record)
        batch = life.spool.peek(1, QUOTA)
        assert batch is not None
        life.spool.set_aside(batch, "rejected")


def test_what_a_collector_refused_is_kept_for_a_person_up_to_a_size(tmp_path: Path) -> None:
    kept = tmp_path / "refused.jsonl"
    life = Life(tmp_path)
    assert life.spool.refused.size == 0

    refuse(life, b'{"id":"1"}', b'{"id":"2"}')
    assert kept.read_bytes() == b"".join(b'{"reason":"rejected","event":{"id":"%d"}}\n' % n for n in (1, 2))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    refuse(life, *[b'{"id":"%s"}' % (b"x" * 60_000)] * 40)
    assert kept.stat().st_size <= 1024 * 1024
    assert sum(path.stat().st_size for path in tmp_path.glob("refused*")) <= 2 * 1024 * 1024
    assert len(list(tmp_path.glob("refused*"))) == 2
    life.close()


def test_what_was_refused_is_kept_a_month_and_never_through_a_link(tmp_path: Path) -> None:
    old, elsewhere, mine = (
        tmp_path / ("0" * SPOOL_NAME),
        tmp_path / "elsewhere",
        tmp_path / ("1" * SPOOL_NAME),
    )
    life = Life(old)
    refuse(life, b'{"id":"1"}')
    life.close()
    os.utime(old / "refused.jsonl", (0, 0))

    heir = Life(mine)
    heir.tend()
    (mine / "refused.jsonl").symlink_to(elsewhere)
    refuse(heir, b'{"id":"2"}')
    heir.close()

    assert not (old / "refused.jsonl").exists()
    assert not elsewhere.exists()


def test_of_many_heirs_exactly_one_inherits(tmp_path: Path) -> None:
    for number in range(8):
        lived(tmp_path, numbered(50, number * 50))
    heirs = [Life(tmp_path) for _ in range(4)]
    taken: list[list[bytes]] = [[] for _ in heirs]
    start = threading.Barrier(len(heirs))

    def live(number: int) -> None:
        start.wait(20)
        taken[number] = heirs[number].drain()

    threads = [threading.Thread(target=live, args=(number,)) for number in range(len(heirs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(record for part in taken for record in part) == numbered(400)
    for heir in heirs:
        heir.close()
    assert list(tmp_path.iterdir()) == []


def test_many_small_legacies_make_few_batches_and_take_few_descriptors(tmp_path: Path) -> None:
    for number in range(300):
        lived(tmp_path, [b"event-%06d" % number])
    heir = Life(tmp_path)
    before = descriptors()
    batches, taken, most = 0, 0, 0
    while taken < 300:
        heir.tend()
        most = max(most, len(descriptors()) - len(before))
        taken += len(heir.take())
        batches += 1

    assert batches <= 6
    assert most <= 80
    heir.close()
    assert list(tmp_path.iterdir()) == []


def test_a_legacy_beyond_the_quota_is_taken_over_one_directory_after_the_other(tmp_path: Path) -> None:
    big = [b"%06d" % number + b"x" * 900 for number in range(1000)]
    for number in range(3):
        lived(tmp_path, big[number * 300 : number * 300 + 300])
    heir = Life(tmp_path, QUOTA // 4)
    heir.tend()

    assert heir.spool._stored + heir.spool._inheritance.size < 2 * QUOTA // 4 + 300 * 1000
    own = [b"own" + b"x" * 900 for _ in range(100)]
    kept = sum(map(heir.append, own))
    assert kept < 40  # one segment was ready
    assert sorted(heir.drain()) == big[:900] + own[:kept]
    assert heir.append(b"room again")
    heir.close()


# -- bounds ----------------------------------------------------------------------------------


def test_beyond_the_quota_events_are_refused_and_counted_exactly(tmp_path: Path) -> None:
    life = Life(tmp_path)
    record = b"x" * 1000
    accepted = sum(life.append(record) for _ in range(1500))

    assert 1000 <= accepted <= QUOTA // 1000
    assert life.ledger.snapshot()["dropped"] == {QUEUE_FULL: 1500 - accepted}
    assert sum(path.stat().st_size for path in files(tmp_path)) <= QUOTA
    assert len(life.drain()) == accepted
    assert life.append(record)
    life.close()


def test_room_comes_back_segment_by_segment(tmp_path: Path) -> None:
    life = Life(tmp_path)
    while life.append(b"x" * 1000):
        pass
    freed = 0
    while not life.append(b"x" * 1000):
        freed += len(life.take(max_count=10))

    assert 0 < freed < 250
    life.close()


def test_size_is_what_waits_and_not_what_has_left(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for _ in range(50):
        life.append(b"x" * 100)
    life.take(max_count=49)

    assert life.spool.pending == 1
    assert 100 <= life.spool.size <= 150
    life.close()


def test_files_do_not_pile_up_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    root = tmp_path / "state" / "spool"
    life = Life(root)
    for number in range(200):
        life.append(b"x")
        assert life.take() == [b"x"], number

    (segment,) = files(root)
    assert stat.S_IMODE(segment.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    life.close()
    assert list(root.iterdir()) == []


def test_one_large_event_after_a_small_batch_is_read(tmp_path: Path) -> None:
    life = Life(tmp_path, 16 * QUOTA)
    large = b"x" * 300_000
    for record in (b"small", large, b"small"):
        assert life.append(record)

    assert [life.take(max_count=1, max_bytes=10) for _ in range(3)] == [[b"small"], [large], [b"small"]]
    life.close()


def test_sync_asks_for_each_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(segments, "_sync", synced.append)
    life = Life(tmp_path, sync=True)
    for record in numbered(3):
        life.append(record)

    assert len(synced) == 3
    life.close()


# -- a disk that fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("call", ["allocate", "create"])
def test_a_disk_that_fails_costs_nothing_and_is_tried_again(
    tmp_path: Path, call: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path)
    caplog.set_level(logging.INFO, "flagstaff.events")
    with faulty() as system:
        system.failing = {call: number}
        for record in numbered(20):
            assert life.append(record)
            life.clock.turn(0.7)
        assert [line.levelname for line in caplog.records] == ["WARNING"]
        assert os.strerror(number) in str(life.spool.fault)
        assert len(files(tmp_path)) <= 1
    life.clock.turn(1.1)
    assert life.append(b"later")
    assert life.spool.fault is None
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]

    assert life.drain() == [*numbered(20), b"later"]  # what is in memory goes first: it is in danger
    life.close()
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_allocated_zeros_are_written(tmp_path: Path) -> None:
    with faulty() as system:
        system.failing = {"allocate": errno.EOPNOTSUPP}
        lived(tmp_path, [b"a"])
    assert files(tmp_path)[0].stat().st_blocks * 512 >= QUOTA // 8

    heir = Life(tmp_path)
    assert heir.drain() == [b"a"]
    heir.close()


def test_a_disk_that_gets_full_while_zeros_are_written_is_a_disk_that_fails(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with faulty() as system:
        system.failing = {"allocate": errno.EOPNOTSUPP, "write": errno.ENOSPC}
        assert life.append(b"a")
    assert os.strerror(errno.ENOSPC) in str(life.spool.fault)
    assert files(tmp_path) == []
    assert life.take() == [b"a"]
    life.close()


def test_a_disk_that_does_not_sync_is_told_of_and_the_event_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(segments, "_sync", fail)
    life = Life(tmp_path, sync=True)
    assert life.append(b"a")
    assert os.strerror(errno.EIO) in str(life.spool.fault)
    life.die()

    heir = Life(tmp_path)
    assert heir.drain() == [b"a"]
    heir.close()


def test_what_waits_in_memory_is_counted_as_lost_when_the_client_closes(tmp_path: Path) -> None:
    life = Life(tmp_path)
    with faulty() as system:
        system.failing = {"create": errno.EROFS}
        life.append(b"a")

    assert life.close() == (b"a",)
    assert life.ledger.snapshot()["dropped"] == {SHUTDOWN: 1}
    assert life.balanced()


def test_a_segment_that_can_not_be_read_any_more_is_a_counted_loss(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for record in numbered(3):
        life.append(record)
    life.spool._retire()
    with faulty() as system:
        system.failing = {"pread": errno.EIO}
        assert life.take() == []

    assert life.ledger.snapshot()["dropped"] == {CORRUPT: 3}
    assert life.balanced()
    assert life.append(b"next")
    assert life.take() == [b"next"]
    life.close()


def test_a_legacy_that_can_not_be_read_is_left_alone_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lived(tmp_path, [b"a"])
    heir = Life(tmp_path)
    with faulty() as system:
        system.failing = {"open": errno.EACCES, "pread": errno.EACCES}
        for _ in range(3):
            heir.tend()
            heir.clock.turn(100)
    system.failing = {}
    home = files(tmp_path)[0].parent
    (home / "lock").touch()
    with faulty() as system:
        for _ in range(3):
            system.failing = {"pread": errno.EIO}
            heir.tend()
            heir.clock.turn(100)

    assert len(caplog.records) == 1
    assert heir.spool.pending == 0
    heir.close()
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("remove", ["all", "home", "segment"])
def test_a_directory_that_is_removed_is_made_again_and_what_was_in_it_is_sent(
    tmp_path: Path, remove: str
) -> None:
    import shutil

    root = tmp_path / "spool"
    life = Life(root)
    life.tend()
    life.append(b"before")
    target = {"all": root, "home": files(root)[0].parent, "segment": files(root)[0]}[remove]
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink()
    life.append(b"unnoticed")
    life.clock.turn(100)
    life.tend()
    life.append(b"after")
    assert len(files(root)) == 1

    assert life.take() == [b"before", b"unnoticed", b"after"]
    assert life.spool.fault is None
    life.close()


def test_a_directory_that_is_removed_is_noticed_when_a_segment_is_full(tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "spool"
    life = Life(root)
    life.append(b"first")
    shutil.rmtree(root)
    big = b"x" * 100_000
    assert life.append(big)  # the segment is full: into memory
    assert life.append(big)
    life.clock.turn(1.1)
    assert life.append(b"last")

    assert life.spool.fault is None
    assert sorted(map(len, life.drain())) == [4, 5, 100_000, 100_000]
    life.close()


def test_a_directory_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    lived(tmp_path, [b"planted"])
    tmp_path.chmod(0o777)
    life = Life(tmp_path)
    life.tend()
    assert life.append(b"own")

    assert life.drain() == [b"own"]
    assert "belongs to others" in str(life.spool.fault)
    life.close()
    assert len(files(tmp_path)) == 1


# -- files that are not what they should be -------------------------------------------------------------


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    target = path.rename(path.with_name("elsewhere"))
    path.symlink_to(target)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("replace", [_fifo, _link, _folder])
def test_what_is_no_plain_file_is_left_alone(tmp_path: Path, replace: Callable[[Path], None]) -> None:
    lived(tmp_path, [b"a"])
    lived(tmp_path, [b"b"])
    replace(files(tmp_path)[0])
    heir = Life(tmp_path)

    assert heir.drain() in ([b"a"], [b"b"])
    heir.close()


def test_leftovers_of_processes_that_died_young_are_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".new-1").mkdir()
    (tmp_path / ".new-2").mkdir()
    (tmp_path / ".new-2" / "lock").touch()
    (tmp_path / "3").mkdir()
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "lock").touch()
    (tmp_path / "5").touch()
    heir = Life(tmp_path)
    heir.tend()
    heir.close()

    assert [path.name for path in tmp_path.iterdir()] == ["5"]


def test_damage_in_a_legacy_is_counted_frame_by_frame(tmp_path: Path) -> None:
    lived(tmp_path, numbered(10))
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    size = len(frame_event((b"event-000000", "flag", "on")))
    first = data.index(b"\xf1ag2")
    for number in (0, 3, 4):
        data[first + size * number + size - 1] ^= 1
    data[first + size * 6] ^= 1  # the mark itself
    data[first + size * 10 :] = b"\xf1ag2\x50"
    path.write_bytes(data)
    heir = Life(tmp_path)

    lost = (0, 3, 4, 6)
    assert heir.drain() == [record for number, record in enumerate(numbered(10)) if number not in lost]

    counts = heir.ledger.snapshot()
    assert (counts["accepted"], counts["delivered"], counts["dropped"]) == (10, 6, {CORRUPT: 4})
    heir.close()


@pytest.mark.slow
def test_mutations_of_what_was_left_behind_raise_nothing_and_invent_nothing(tmp_path: Path) -> None:
    draw = random.Random(29)
    known = set(numbered(20))
    for round_ in range(400):
        root = tmp_path / str(round_)
        lived(root, numbered(10))
        lived(root, numbered(10, 10))
        for path in files(root):
            data = bytearray(path.read_bytes())
            for _ in range(draw.randint(1, 6)):
                one, two = sorted(draw.randint(0, len(data)) for _ in range(2))
                data[one:two] = draw.choice([b"", draw.randbytes(8), data[one:two] * 2, bytes(two - one)])
            path.write_bytes(data)
        heir = Life(root)
        assert known.issuperset(heir.drain())
        assert heir.balanced()
        heir.close()
        assert list(root.iterdir()) == []


# -- closing and forking --------------------------------------------------------------------------------


def test_nothing_is_left_open_when_it_is_closed(tmp_path: Path) -> None:
    lived(tmp_path, numbered(3))
    before = descriptors()
    life = Life(tmp_path)
    life.tend()
    life.append(b"x" * 100_000)
    life.append(b"x" * 100_000)
    life.close()

    assert descriptors() == before


def test_a_child_leaves_its_parents_events_to_the_parent(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.append(b"parent")
    child = os.fork()
    if child == 0:
        try:
            life.spool.forked()
            life.ledger.forked()
            assert life.append(b"child")
            life.tend()
            assert life.spool.pending == 1
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

    assert life.drain() == [b"parent", b"child"]
    life.close()
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_lives_on_does_not_keep_its_parents_events_from_the_heir(tmp_path: Path) -> None:
    ending, end = os.pipe()
    hearing, say = os.pipe()
    life = Life(tmp_path)
    life.append(b"parent")
    child = os.fork()
    if child == 0:
        life.spool.forked()
        os.write(say, b"!")
        os.close(end)
        os.read(ending, 1)
        os._exit(0)
    assert os.read(hearing, 1) == b"!"
    life.die()

    heir = Life(tmp_path)
    assert heir.drain() == [b"parent"]
    heir.close()
    os.close(end)
    os.waitpid(child, 0)
    for handle in (ending, hearing, say):
        os.close(handle)


def test_threads_that_append_while_others_take_lose_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path, 64 * QUOTA)
    life.spool._limit = 20_000
    lived(tmp_path, numbered(2000, 900_000))

    def append(number: int) -> None:
        for record in numbered(2000, number * 10_000):
            assert life.append(record)

    threads = [threading.Thread(target=append, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    taken: list[bytes] = []
    while any(thread.is_alive() for thread in threads) or life.spool.pending:
        life.tend()
        taken += life.take(max_count=97)
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken)) == 8000
    assert life.balanced()
    life.close()


# -- everything at once ---------------------------------------------------------------------------------


class Lives(RuleBasedStateMachine):
    """Processes that follow each other, on a disk that fails now and then, against a plain set."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.root = Path(self.directory.name)
        self.patch = pytest.MonkeyPatch()
        self.system = FaultyOs()
        self.patch.setattr(segments, "os", self.system)
        self.patch.setattr(disk, "os", self.system)
        self.number = 0
        self.safe: set[bytes] = set()  # accepted, on disk, not delivered
        self.volatile: set[bytes] = set()  # accepted, in memory
        self.delivered: set[bytes] = set()
        self.doubtful: set[bytes] = set()  # it was on a disk that lost its power
        self.batch: Batch | None = None
        self.begin()

    def begin(self) -> None:
        self.life = Life(self.root, 8 * 1024)
        self.batch = None

    @rule(size=st.integers(0, 400))
    def append(self, size: int) -> None:
        self.number += 1
        record = b"%d-" % self.number + b"x" * size
        in_memory = self.life.spool._memory.pending
        if self.life.append(record):
            volatile = self.life.spool._memory.pending > in_memory
            (self.volatile if volatile else self.safe).add(record)

    @rule(size=st.integers(0, 400))
    def expose(self, size: int) -> None:
        self.number += 1
        unit = "é" * size
        record = FORM.render(unit, NOON, self.number)
        in_memory = self.life.spool._memory.pending
        if self.life.expose(unit, self.number):
            volatile = self.life.spool._memory.pending > in_memory
            (self.volatile if volatile else self.safe).add(record)

    @rule(max_count=st.integers(1, 20), max_bytes=st.integers(0, 1000))
    def peek(self, max_count: int, max_bytes: int) -> None:
        self.batch = self.life.spool.peek(max_count, max_bytes)
        taken = [] if self.batch is None else [record for record, _, _ in self.batch.records]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= self.safe | self.volatile | self.delivered | self.doubtful
        assert len(taken) <= max_count
        assert len(taken) <= 1 or sum(map(len, taken)) <= max_bytes

    @precondition(lambda self: self.batch is not None)
    @rule()
    def settle(self) -> None:
        assert self.batch is not None
        taken = self.life.settle(self.batch)
        self.delivered.update(taken)
        self.safe.difference_update(taken)
        self.volatile.difference_update(taken)
        self.batch = None

    @rule(seconds=st.floats(0, 100))
    def tend(self, seconds: float) -> None:
        self.life.clock.turn(seconds)
        assert self.life.tend() > 0

    @rule(torn=st.integers(0, 30))
    def die(self, torn: int) -> None:
        """Be killed, perhaps in the middle of a write."""
        live = self.life.spool._live
        self.life.die()
        self.volatile.clear()
        if live is not None and live.room - live.size > torn:
            with live._path.open("r+b") as file:
                file.seek(live.size)
                file.write(frame_event((b"never accepted", "flag", "on"))[:torn])
        self.begin()

    @rule(sectors=st.sets(st.integers(0, 40), min_size=1, max_size=6))
    def lose_power(self, sectors: set[int]) -> None:
        """Come back to a disk that has written some sectors and not others, in no order."""
        self.life.die()
        self.volatile.clear()
        readable: set[bytes] = set()
        for path in files(self.root):
            data = bytearray(path.read_bytes())
            for sector in sectors:  # small ones: there are to be some in the middle of a frame
                part = slice(sector * 128, min(len(data), sector * 128 + 128))
                data[part] = bytes(len(data[part]))
            path.write_bytes(data)
            readable |= {record for record, _, _ in scan(bytes(data), {}, 1 << 30, 1 << 30).records}
        self.doubtful |= self.safe - readable
        self.safe &= readable
        self.begin()

    @rule()
    def close(self) -> None:
        assert set(self.life.close()) == self.volatile
        assert self.life.balanced()
        self.volatile.clear()
        self.begin()

    @rule(
        calls=st.sets(st.sampled_from(["allocate", "create", "truncate"])),
        number=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EMFILE]),
    )
    def trouble(self, calls: set[str], number: int) -> None:
        self.system.failing = dict.fromkeys(calls, number)

    @rule()
    def calm(self) -> None:
        self.system.failing = {}

    @invariant()
    def everything_is_accounted_for(self) -> None:
        assert self.life.balanced()
        assert self.doubtful or CORRUPT not in self.life.ledger.snapshot()["dropped"]

    @invariant()
    def the_quota_holds(self) -> None:
        """But for one legacy that may come on top, and frames that could not be taken back."""
        assert sum(path.stat().st_size for path in files(self.root)) <= 3 * 8 * 1024

    def teardown(self) -> None:
        self.calm()
        drained = self.life.drain()
        self.life.close()
        last = Life(self.root)
        drained += last.drain()
        last.close()
        known = self.safe | self.volatile | self.doubtful | self.delivered
        self.delivered.update(drained)
        self.patch.undo()
        left = list(self.root.iterdir())
        self.directory.cleanup()
        assert self.safe <= self.delivered <= known
        assert b"never accepted" not in self.delivered
        assert left == []


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_nothing_that_was_accepted_on_disk_is_lost = Lives.TestCase
