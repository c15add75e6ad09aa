"""Whatever happens to a file of frames: nothing raises, nothing is invented, the rest is read."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events.frames import frame, scan
from flagstaff.events.spool import Record

ALL = 1 << 30

ascii_bytes = st.text(st.characters(max_codepoint=127), max_size=60).map(str.encode)
names = st.text(st.characters(exclude_categories=()), max_size=8)
records = st.lists(st.tuples(ascii_bytes, names, names), max_size=8)


@dataclass(frozen=True)
class File:
    """Some records, the bytes they make, and where each begins."""

    records: list[Record]
    data: bytes
    starts: list[int]

    def before(self, position: int) -> list[Record]:
        """The records that end before a position."""
        ends = [*self.starts, len(self.data)][1:]
        return [record for record, end in zip(self.records, ends, strict=True) if end <= position]

    def after(self, position: int) -> list[Record]:
        """The records that begin at a position or behind it."""
        return [record for record, start in zip(self.records, self.starts, strict=True) if start >= position]


def file_of(written: list[Record]) -> File:
    frames = [frame(record) for record in written]
    starts = [sum(map(len, frames[:number])) for number in range(len(frames))]
    return File(written, b"".join(frames), starts)


files = records.map(file_of)


def read(data: bytes) -> list[Record]:
    return list(scan(data, ALL, ALL).records)


@given(files)
def test_what_was_written_is_read(file: File) -> None:
    assert scan(file.data, ALL, ALL) == (tuple(file.records), len(file.data), 0)


@given(files, st.data())
def test_a_file_that_is_cut_keeps_what_is_whole_and_counts_no_damage(file: File, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(file.data)))

    found = scan(file.data[:cut], ALL, ALL)

    assert list(found.records) == file.before(cut)
    assert found.damaged == 0


@given(files.filter(lambda file: bool(file.data)), st.data())
def test_a_damaged_byte_costs_one_record(file: File, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(file.data) - 1))
    damaged = bytearray(file.data)
    damaged[place] ^= data.draw(st.integers(1, 255))

    found = read(bytes(damaged))

    kept = file.before(place) + file.after(place + 1)
    assert found == kept


@given(files, st.binary(max_size=40), st.data())
def test_bytes_in_between_hide_nothing(file: File, junk: bytes, data: st.DataObject) -> None:
    start = data.draw(st.sampled_from([*file.starts, len(file.data)]))

    assert read(file.data[:start] + junk + file.data[start:]) == file.records


@given(files, st.binary(max_size=40), st.data())
def test_bytes_that_are_overwritten_cost_what_they_touch(
    file: File, junk: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(file.data)))
    damaged = file.data[:start] + junk + file.data[start + len(junk) :]

    found = read(damaged)

    before, after = file.before(start), file.after(start + len(junk))
    assert found[: len(before)] == before
    assert after == [] or found[-len(after) :] == after
    assert all(record in file.records for record in found)


@given(files, st.data())
def test_stretches_that_are_swapped_or_doubled_invent_nothing(file: File, data: st.DataObject) -> None:
    one, two, three = sorted(data.draw(st.integers(0, len(file.data))) for _ in range(3))
    whole = file.data

    for damaged in (
        whole[:one] + whole[two:three] + whole[one:two] + whole[three:],
        whole[:two] + whole[one:],
        whole[:one] + whole[three:],
    ):
        found = read(damaged)
        assert all(record in file.records for record in found)
        assert found[: len(file.before(one))] == file.before(one)


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    assert scan(data, ALL, ALL).end == len(data)


@given(st.lists(st.sampled_from([b"\xf1ag1", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x04\0\0\0", b"x"])))
def test_any_marks_and_lengths_can_be_read(parts: list[bytes]) -> None:
    assert read(b"".join(parts)) == []


@given(files, st.integers(1, 5), st.integers(0, 100))
def test_reading_in_portions_reads_all_in_order(file: File, max_count: int, max_bytes: int) -> None:
    found: list[Record] = []
    at = 0
    while at < len(file.data):
        portion = scan(file.data[at:], max_count, max_bytes)
        assert 1 <= len(portion.records) <= max_count
        weight = sum(len(record[0]) for record in portion.records)
        assert weight <= max_bytes or len(portion.records) == 1
        found += portion.records
        at += portion.end

    assert found == file.records


@given(files, st.data())
def test_a_window_ends_before_the_frame_that_goes_on_behind_it(file: File, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(file.data)))

    found = scan(file.data[:cut], ALL, ALL, more=True)

    assert list(found.records) == file.before(cut)
    assert list(found.records) + read(file.data[found.end :]) == file.records


def test_damage_is_counted_by_frames_and_a_torn_end_is_none() -> None:
    file = file_of([(b"event-%d" % number, "flag", "on") for number in range(6)])
    damaged = bytearray(file.data)
    for number in (1, 2, 4):
        damaged[file.starts[number] + 14] ^= 1

    assert scan(bytes(damaged), ALL, ALL).damaged == 3
    assert scan(bytes(damaged) + file.data[:20], ALL, ALL).damaged == 3
    damaged[-1] ^= 1
    assert scan(bytes(damaged), ALL, ALL).damaged == 4


@pytest.mark.parametrize("name", ["\ud800", "\0", "x" * 70_000, "é" * 40_000, "€" * 30_000])
def test_any_name_can_be_written(name: str) -> None:
    ((event, flag, variant),) = read(frame((b"event", name, "on")))

    assert (event, variant) == (b"event", "on")
    assert name.startswith(flag.rstrip("\ufffd"))
    assert len(flag) > 20_000 or flag == name


@pytest.mark.slow
def test_twenty_thousand_mutations_raise_nothing_and_invent_nothing() -> None:
    """Several mutations at once, by a generator with a seed."""
    draw = random.Random(20_000)
    written = [(b'{"id":"%d","x":"%s"}' % (n, b"y" * (n % 30)), f"flag-{n % 3}", "on") for n in range(12)]
    file = file_of(written)
    known = set(written)
    for _ in range(20_000):
        data = bytearray(file.data)
        for _ in range(draw.randint(1, 4)):
            _mutate(data, draw)
        found = scan(bytes(data), ALL, ALL)
        assert known.issuperset(found.records)
        assert found.end == len(data)


def _mutate(data: bytearray, draw: random.Random) -> None:
    one, two = sorted(draw.randint(0, len(data)) for _ in range(2))
    kind = draw.randrange(6)
    if kind == 0 and data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif kind == 1:
        del data[one:two]
    elif kind == 2:
        data[one:one] = data[one:two]
    elif kind == 3:
        data[one:two] = bytes(two - one)
    elif kind == 4:
        data[one:two] = draw.randbytes(min(two - one, 64))
    else:
        del data[one:]
