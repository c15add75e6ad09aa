"""Whatever happens to a file of frames: nothing raises, nothing is invented, the rest is read."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.events import frames
from flagstaff.events.frames import frame_event, frame_exposure, frame_form, survey
from flagstaff.events.model import Form
from flagstaff.events.spool import Record
from tests.events.lab import NOON

ALL = 1 << 30

ascii_bytes = st.text(st.characters(max_codepoint=127), max_size=60).map(str.encode)
names = st.text(st.characters(exclude_categories=()), max_size=8)
units = st.text(st.characters(exclude_categories=()), max_size=20)
FORMS = [Form("shop", "live", "p", "flag", "test", f"arm-{n}", "targeting_key", "0", 1) for n in range(3)]


@dataclass(frozen=True)
class Exposure:
    """An exposure as it is handed to a segment."""

    form: int
    unit: str
    number: int

    def record(self) -> Record:
        form = FORMS[self.form]
        return form.render(self.unit, NOON, self.number), form.flag, form.variant

    def frame(self) -> bytes:
        return frame_exposure(self.form, self.number, NOON, self.unit.encode("utf-8", "surrogatepass"))


exposures = st.builds(Exposure, st.integers(0, 2), units, st.integers(0, 10**12))
records = st.lists(st.tuples(ascii_bytes, names, names) | exposures, max_size=8)
INTRODUCED = b"".join(frame_form(number, form) for number, form in enumerate(FORMS))


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


def file_of(written: list[Any]) -> File:
    """A stretch of a file in which the forms lie before."""
    parts = [each.frame() if isinstance(each, Exposure) else frame_event(each) for each in written]
    starts = [sum(map(len, parts[:number])) for number in range(len(parts))]
    return File(
        [each.record() if isinstance(each, Exposure) else each for each in written], b"".join(parts), starts
    )


files = records.map(file_of)


def scan(data: bytes, max_count: int, max_bytes: int, *, more: bool = False) -> frames.Scan:
    return frames.scan(data, dict(enumerate(FORMS)), max_count, max_bytes, more=more)


def read(data: bytes) -> list[Record]:
    return list(scan(data, ALL, ALL).records)


@given(files)
def test_what_was_written_is_read(file: File) -> None:
    assert scan(file.data, ALL, ALL) == (tuple(file.records), len(file.data), 0)


@given(files)
def test_forms_are_read_where_they_are_introduced(file: File) -> None:
    found = frames.scan(INTRODUCED + file.data, {}, ALL, ALL)

    assert (list(found.records), found.damaged) == (file.records, 0)


@given(files, st.integers(0, 2000))
def test_a_file_that_was_not_closed_ends_in_nothing(file: File, empty: int) -> None:
    assert read(file.data + bytes(empty)) == file.records
    assert survey(file.data + bytes(empty), 0, dict(enumerate(FORMS)))[0] == len(file.records)


@given(files.filter(lambda file: bool(file.records)), st.data())
def test_a_frame_that_was_being_written_is_none(file: File, data: st.DataObject) -> None:
    """The copying was cut off: a part of the last frame is there, and nothing where the rest would be."""
    cut = data.draw(st.integers(file.starts[-1], len(file.data) - 1))
    whole = file.data[:cut] + bytes(len(file.data) - cut + 100)
    if whole[: len(file.data)] == file.data:
        return  # what is missing was nothing but zeros

    found = scan(whole, ALL, ALL)

    assert (list(found.records), found.damaged) == (file.records[:-1], 0)
    assert survey(whole, 0, dict(enumerate(FORMS)))[0] == len(file.records) - 1


@given(files, st.data())
def test_counting_agrees_with_reading(file: File, data: st.DataObject) -> None:
    damaged = bytearray(file.data)
    places = st.lists(st.integers(0, max(0, len(file.data) - 1)), max_size=3)
    for place in data.draw(places) if damaged else ():
        damaged[place] ^= data.draw(st.integers(1, 255))

    found = scan(bytes(damaged), ALL, ALL)

    assert survey(bytes(damaged), 0, dict(enumerate(FORMS)))[0] == len(found.records) + found.damaged


@given(files.filter(lambda file: bool(file.records)), st.data())
def test_counting_from_a_place_on_counts_what_begins_there(file: File, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(file.starts) - 1))

    assert (
        survey(INTRODUCED + file.data, len(INTRODUCED) + file.starts[number], {})[0]
        == len(file.records) - number
    )


def test_an_exposure_without_its_form_is_damage() -> None:
    data = Exposure(2, "user", 1).frame() + Exposure(0, "user", 2).frame()

    found = frames.scan(data, {0: FORMS[0]}, ALL, ALL)

    assert [event for event, _, _ in found.records] == [FORMS[0].render("user", NOON, 2)]
    assert found.damaged == 1


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1.0, 1e300])
def test_an_exposure_of_no_moment_is_damage(now: float) -> None:
    found = scan(frame_exposure(0, 1, now, b"user") + frame_exposure(0, 2, NOON, b"\xff"), ALL, ALL)

    assert (found.records, found.damaged) == ((), 2)


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


@given(st.lists(st.sampled_from([b"\xf1ag2", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x04\0\0\0", b"x"])))
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
    ((event, flag, variant),) = read(frame_event((b"event", name, "on")))

    assert (event, variant) == (b"event", "on")
    assert name.startswith(flag.rstrip("\ufffd"))
    assert len(flag) > 20_000 or flag == name


@pytest.mark.slow
def test_twenty_thousand_mutations_raise_nothing_and_invent_nothing() -> None:
    """Several mutations at once, by a generator with a seed."""
    draw = random.Random(20_000)
    tracks = [(b'{"id":"%d","x":"%s"}' % (n, b"y" * (n % 30)), f"flag-{n % 3}", "on") for n in range(6)]
    file = file_of([*tracks, *(Exposure(n % 3, f"user-{n}", n) for n in range(12))])
    known = set(file.records)
    for _ in range(20_000):
        data = bytearray(INTRODUCED + file.data)
        for _ in range(draw.randint(1, 4)):
            _mutate(data, draw)
        found = frames.scan(bytes(data), {}, ALL, ALL)
        counted, _ = survey(bytes(data), 0, {})
        assert counted >= len(found.records)
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
