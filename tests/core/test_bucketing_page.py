"""What the specification says, word for word and number for number."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.core.buckets import BUCKETS, bucket, hash32, unit_text
from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load
from flagstaff.vectors import packaged
from flagstaff.vectors.notation import valued
from tests.core import page

ANY_TEXT = st.text(st.characters())  # lone surrogates included


def spelled(cell: str) -> str | int:
    """Read a unit as the page writes it: a number, text, and code points behind it."""
    if cell.lstrip("-").isdecimal():
        return int(cell)
    return re.sub(r" ?U\+([0-9A-F]+)", lambda found: chr(int(found[1], 16)), cell)


@cache
def example() -> Snapshot:
    (document,) = page.blocks("toml")
    return Snapshot(load(tomllib.loads(document)).rules, lambda: 0.0)


def test_its_hash_is_the_one_that_everybody_else_calls_by_that_name() -> None:
    """The verification value of SMHasher, the test suite of MurmurHash3's author."""
    murmur3 = page.code()["murmur3"]
    hashes = [murmur3(bytes(range(size)), 256 - size) for size in range(256)]

    assert murmur3(b"".join(hashed.to_bytes(4, "little") for hashed in hashes)) == 0xB0F57EE3


def test_its_hash_gives_every_draw_of_the_vectors() -> None:
    code = page.code()
    rows = [[valued(cell) for cell in row] for row in packaged()["draws"]]
    drawn = [
        (f"{salt}:{unit_text(unit)}", *rest) for salt, unit, *rest in rows if unit_text(unit) is not None
    ]

    assert len(drawn) > 2_000
    for text, seed, hashed, number in drawn:
        assert (code["hash32"](text, seed), code["bucket"](hashed)) == (hashed, number)


def test_the_longest_int_that_is_a_unit_has_as_many_digits_as_it_says() -> None:
    assert unit_text(10**4_300 - 1) == "9" * 4_300
    assert unit_text(1 - 10**4_300) == "-" + "9" * 4_300


@given(ANY_TEXT, st.integers(0, 2**32 - 1))
def test_its_hash_is_the_one_in_use(text: str, seed: int) -> None:
    hashed = hash32(text, seed)

    assert page.code()["hash32"](text, seed) == hashed
    assert page.code()["bucket"](hashed) == bucket(hashed)


def test_its_steps_are_the_steps() -> None:
    code, steps = page.code(), [int(value, 0) for _, value in page.table("Step", "Value")]
    block, tail = int.from_bytes(b"cta:", "little"), int.from_bytes(b"u1", "little")
    mixed = code["mix"](0, block)
    tailed = mixed ^ code["scramble"](tail)
    hashed = code["finish"](tailed ^ 6)

    scrambled = code["scramble"](block), code["scramble"](tail)
    assert steps == [
        *(0, block, scrambled[0], mixed),
        *(tail, scrambled[1], tailed, tailed ^ 6),
        *(hashed, hash32("cta:u1"), bucket(hashed)),
    ]


@pytest.mark.parametrize(("given_bytes", "seed", "hashed"), page.table("Bytes", "Seed", "Hash"))
def test_its_bare_hashes_are_right(given_bytes: str, seed: str, hashed: str) -> None:
    data = b"" if given_bytes == "none" else bytes.fromhex(given_bytes)

    assert hash32(data.decode(), int(seed, 16)) == int(hashed, 16)
    assert page.code()["murmur3"](data, int(seed, 16)) == int(hashed, 16)


@pytest.mark.parametrize("row", page.table("Salt", "Unit", "Bytes", "Hash", "Bucket"), ids=" ".join)
def test_its_draws_are_right(row: list[str]) -> None:
    salt, unit, encoded, hashed, number = row
    text = f"{salt}:{unit_text(spelled(unit))}"

    assert text.encode("utf-8", "surrogatepass") == bytes.fromhex(encoded)
    assert hash32(text) == int(hashed)
    assert bucket(int(hashed)) == int(number)


@pytest.mark.parametrize(
    "unit",
    [*("", True, False, 42.0, None), [42], {"id": 42}, 10**4_300, -(10**4_300), b"user-42"],
    ids=lambda unit: type(unit).__name__,
)
def test_what_it_calls_no_unit_is_none(unit: Any) -> None:
    assert unit_text(unit) is None


# -- the worked example ------------------------------------------------------------------------------

WORKED = page.table("Flag", "Unit", "Text that is hashed", "Hash", "Bucket", "In", "So")


def worked() -> list[tuple[str, str, list[list[str]]]]:
    """Give flag, unit and the rows of each decision; a row without a flag goes on with the one before."""
    decisions: list[tuple[str, str, list[list[str]]]] = []
    for flag, unit, *rest in WORKED:
        if flag:
            decisions.append((flag, unit, []))
        decisions[-1][2].append(rest)
    return decisions


@pytest.mark.parametrize(
    ("flag", "unit", "rows"), worked(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_its_example_is_worked_as_the_engine_works_it(flag: str, unit: str, rows: list[list[str]]) -> None:
    explanation = example().explain(flag, Context(unit))
    draws = [step.details for step in explanation.steps if step.kind == "draw"]

    assert [[f"{draw['salt']}:{draw['unit']}", str(draw["hash"]), str(draw["bucket"])] for draw in draws] == [
        row[:3] for row in rows
    ]
    decision = example().decide(flag, Context(unit))
    assert [row[-1] for row in rows] == [""] * (len(rows) - 1) + [
        f"**{decision.variant}**, {decision.reason}"
    ]


def test_its_example_shows_a_bound_for_each_draw() -> None:
    for *_, number, inside, _ in WORKED:
        name, start, rest = inside.replace("[", "").split(" ", 2)
        stop, verdict = rest.split("): ")
        assert name
        assert (int(start.rstrip(",")) <= int(number) < int(stop) <= BUCKETS) is (verdict == "yes")
