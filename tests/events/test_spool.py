"""The contract of a spool, which both kinds of it keep, and what is special about memory."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flagstaff.events.disk import DiskSpool
from flagstaff.events.ledger import Ledger
from flagstaff.events.model import Form
from flagstaff.events.spool import BREATH, Batch, MemorySpool, Spool
from tests.events.lab import FakeClock

QUOTA = 16 * 1024 * 1024


def on_disk(root: Path) -> DiskSpool:
    return DiskSpool(root, QUOTA, FakeClock(), Ledger())


@pytest.fixture(params=["memory", "disk"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spool]:
    made: Spool = MemorySpool() if request.param == "memory" else on_disk(tmp_path)
    yield made
    made.close()


def fill(spool: Spool, *records: bytes) -> None:
    for record in records:
        assert spool.append(record, "flag", record.decode())


def peeked(spool: Spool, max_count: int = 100, max_bytes: int = 1000) -> list[bytes]:
    batch = spool.peek(max_count, max_bytes)
    return [] if batch is None else [record for record, _, _ in batch.records]


def test_what_is_appended_is_seen_in_order_with_its_flag_and_variant(spool: Spool) -> None:
    fill(spool, b"a", b"b")

    batch = spool.peek(10, 1000)

    assert batch == Batch(0, ((b"a", "flag", "a"), (b"b", "flag", "b")))
    assert (spool.pending, spool.appended, spool.settled) == (2, 2, 0)
    assert spool.size >= 2


def test_looking_takes_nothing(spool: Spool) -> None:
    fill(spool, b"a")

    assert peeked(spool) == peeked(spool) == [b"a"]


def test_encoding_many_events_lets_others_work_in_between(spool: Spool) -> None:
    form = Form("shop", "live", "a" * 16, "flag", "flag", "a", "targeting_key", None, 1)
    for number in range(3 * BREATH + 1):
        assert spool.expose(form, f"unit-{number}", 1.8e9, number)
    breaths: list[int] = []

    batch = spool.peek(10_000, 1 << 20, lambda: breaths.append(spool.appended))

    assert batch is not None
    assert (len(batch.records), len(breaths)) == (3 * BREATH + 1, 3)


def test_an_empty_spool_has_no_batch(spool: Spool) -> None:
    assert spool.peek(10, 1000) is None


@pytest.mark.parametrize(
    ("max_count", "max_bytes", "seen"),
    [
        (2, 100, [b"aa", b"bb"]),
        (9, 4, [b"aa", b"bb"]),
        (9, 5, [b"aa", b"bb"]),
        (9, 6, [b"aa", b"bb", b"cc"]),
        (9, 1, [b"aa"]),
    ],
)
def test_a_batch_keeps_both_bounds_but_is_never_empty(
    spool: Spool, max_count: int, max_bytes: int, seen: list[bytes]
) -> None:
    fill(spool, b"aa", b"bb", b"cc")

    assert peeked(spool, max_count, max_bytes) == seen


def test_what_is_acknowledged_is_gone_and_the_rest_stays(spool: Spool) -> None:
    fill(spool, b"a", b"b", b"c")
    batch = spool.peek(2, 100)
    assert batch is not None
    fill(spool, b"d")

    assert spool.acknowledge(batch) == 2

    assert peeked(spool) == [b"c", b"d"]
    assert (spool.pending, spool.appended, spool.settled) == (2, 4, 2)


def test_nothing_is_acknowledged_twice(spool: Spool) -> None:
    fill(spool, b"a", b"b")
    batch = spool.peek(1, 100)
    assert batch is not None

    assert [spool.acknowledge(batch), spool.acknowledge(batch)] == [1, 0]

    assert peeked(spool) == [b"b"]


def test_what_is_set_aside_is_out_of_the_way(spool: Spool) -> None:
    fill(spool, b"poison", b"b")
    batch = spool.peek(1, 100)
    assert batch is not None

    assert spool.set_aside(batch, "rejected") == 1

    assert peeked(spool) == [b"b"]
    assert (spool.pending, spool.settled) == (1, 1)


def test_a_closed_spool_takes_nothing_more(spool: Spool) -> None:
    fill(spool, b"a", b"b")
    batch = spool.peek(1, 100)
    assert batch is not None

    lost = spool.close()

    assert not spool.append(b"c", "flag", "c")
    assert len(lost) + spool.pending == 2
    assert spool.close() == ()
    assert spool.acknowledge(batch) == 0
    assert spool.peek(1, 100) is None


def test_a_child_process_begins_with_nothing(spool: Spool) -> None:
    fill(spool, b"a")
    batch = spool.peek(1, 100)
    assert batch is not None

    spool.forked()

    assert (spool.pending, spool.size, spool.appended) == (0, 0, 0)
    assert spool.acknowledge(batch) == 0
    fill(spool, b"b")
    assert peeked(spool) == [b"b"]


def test_a_full_memory_refuses_the_new_and_keeps_the_old() -> None:
    spool = MemorySpool(max_events=2, max_bytes=10)
    fill(spool, b"a", b"b")

    assert not spool.append(b"c", "", "")

    assert peeked(spool) == [b"a", b"b"]
    assert len(spool) == 2


def test_memory_is_bounded_in_bytes() -> None:
    spool = MemorySpool(max_events=100, max_bytes=10)
    fill(spool, b"123456")

    assert not spool.append(b"12345", "", "")
    assert spool.append(b"1234", "", "")
    assert spool.size == 10


def test_a_refused_event_can_be_looked_at_and_a_thousand_are_no_leak() -> None:
    spool = MemorySpool()
    for number in range(1000):
        fill(spool, b"%d" % number)
        batch = spool.peek(1, 100)
        assert batch is not None
        spool.set_aside(batch, "rejected")

    assert len(spool.aside) == 16
    assert spool.aside[-1] == ((b"999", "flag", "999"), "rejected")


def test_threads_lose_nothing_and_keep_their_order(spool: Spool) -> None:
    taken: list[bytes] = []

    def append(number: int) -> None:
        for index in range(1000):
            spool.append(b"%d %d" % (number, index), "", "")

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or spool.pending:
        batch = spool.peek(7, 1000)
        if batch is not None:
            taken += [record for record, _, _ in batch.records]
            assert spool.acknowledge(batch) == len(batch.records)
    for thread in threads:
        thread.join()

    assert len(taken) == len(set(taken)) == 4000
    for number in range(4):
        own = [record for record in taken if record.startswith(b"%d " % number)]
        assert own == [b"%d %d" % (number, index) for index in range(1000)]


class SpoolMachine(RuleBasedStateMachine):
    """A spool against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.spool = self.make()
        self.model: list[bytes] = []
        self.batch: Batch | None = None

    def make(self) -> Spool:
        return MemorySpool(8, 64)

    def fits(self, record: bytes) -> bool:
        return len(self.model) < 8 and sum(map(len, self.model)) + len(record) <= 64

    @rule(record=st.binary(max_size=20))
    def append(self, record: bytes) -> None:
        fits = self.fits(record)
        assert self.spool.append(record, "f", "v") is fits
        if fits:
            self.model.append(record)

    @rule(max_count=st.integers(1, 10), max_bytes=st.integers(0, 70))
    def peek(self, max_count: int, max_bytes: int) -> None:
        self.batch = self.spool.peek(max_count, max_bytes)
        seen = [] if self.batch is None else [record for record, _, _ in self.batch.records]
        assert seen == self.model[: len(seen)]
        assert bool(seen) is bool(self.model)
        assert len(seen) <= max_count
        assert len(seen) <= 1 or sum(map(len, seen)) <= max_bytes

    @precondition(lambda self: self.batch is not None)
    @rule(aside=st.booleans())
    def settle(self, aside: bool) -> None:
        assert self.batch is not None
        count = len(self.batch.records)
        done = self.spool.set_aside(self.batch, "rejected") if aside else self.spool.acknowledge(self.batch)
        assert done == count
        del self.model[:count]
        self.batch = None

    @rule(seconds=st.sampled_from([0.0, 10.0, 100.0]))
    def tend(self, seconds: float) -> None:
        assert self.spool.tend(1000.0 + seconds) > 0

    @rule()
    def fork(self) -> None:
        self.spool.forked()
        self.model.clear()
        self.batch = None

    @invariant()
    def counts_agree(self) -> None:
        assert self.spool.pending == len(self.model) == self.spool.appended - self.spool.settled
        assert self.spool.size >= sum(map(len, self.model))

    def teardown(self) -> None:
        self.spool.close()


class DiskSpoolMachine(SpoolMachine):
    """The same on disk, in segments so small that most batches span several."""

    def make(self) -> Spool:
        self.directory = tempfile.TemporaryDirectory()
        made = on_disk(Path(self.directory.name))
        made._limit = 100
        return made

    def fits(self, record: bytes) -> bool:
        return len(record) <= QUOTA

    @rule()
    def fork(self) -> None:
        """Left out: what the parent leaves would be inherited here."""

    def teardown(self) -> None:
        super().teardown()
        self.directory.cleanup()


SpoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_a_spool_behaves_like_a_list = SpoolMachine.TestCase
DiskSpoolMachine.TestCase.settings = SpoolMachine.TestCase.settings
test_a_spool_on_disk_behaves_like_a_list = DiskSpoolMachine.TestCase
