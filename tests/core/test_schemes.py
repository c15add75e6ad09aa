"""Draws by other schemes: published values of the hashes, and the arithmetic around them."""

from __future__ import annotations

import hashlib
import math
import sys
from typing import Any

import mmh3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.core.buckets import BUCKETS, bucket, cut, hash32
from flagstaff.core.schemes import HASHES, NATIVE, Scheme, digester

TEXTS = st.text(max_size=40)


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("b", 0xE70C2DE5), ("foobar", 0xBF9CF968), ("\0", 0x050C5D1F)],
)
def test_fnv1a_gives_the_published_values(text: str, number: int) -> None:
    assert HASHES["fnv1a"].of(text) == number


@given(TEXTS)
def test_fnv1a_goes_by_the_code_units_of_utf_16(text: str) -> None:
    data = text.encode("utf-16-be")
    number = 0x811C9DC5
    for high, low in zip(data[::2], data[1::2], strict=True):
        number = (number ^ (high << 8 | low)) * 16777619 % 2**32
    assert HASHES["fnv1a"].of(text) == number


def test_fnv1a_knows_halves_of_surrogate_pairs() -> None:
    pair = HASHES["fnv1a"].of("\U0001f600")
    assert pair == HASHES["fnv1a"].of("\ud83d\ude00")
    assert pair != HASHES["fnv1a"].of("\ud83d")


@given(TEXTS)
def test_fnv1a_twice_hashes_the_decimal_digits_of_the_first_hash(text: str) -> None:
    assert HASHES["fnv1a_twice"].of(text) == HASHES["fnv1a"].of(str(HASHES["fnv1a"].of(text)))


@given(TEXTS)
def test_digests_count_by_their_leading_digits(text: str) -> None:
    data = text.encode()
    assert HASHES["md5_32"].of(text) == int(hashlib.md5(data).hexdigest()[:8], 16)
    assert HASHES["sha1_60"].of(text) == int(hashlib.sha1(data).hexdigest()[:15], 16)


@given(TEXTS)
def test_a_percentage_is_never_a_hundred(text: str) -> None:
    scheme = Scheme("md5_percent", "raw")
    share = scheme.bucket(scheme.rank(text))
    assert 0 <= share < 100
    whole = int(hashlib.md5(text.encode()).hexdigest(), 16) % 9999
    if whole != 9998:
        assert share == whole / 9998 * 100


@given(TEXTS, st.floats(0, 100))
def test_a_percentage_lies_below_a_bound_if_its_rank_lies_below_the_cut(text: str, bound: float) -> None:
    scheme = Scheme("md5_percent", "raw")
    rank = scheme.rank(text)
    share = scheme.bucket(rank)
    for each in (bound, share, math.nextafter(share, 0), math.nextafter(share, 100), 99.99, 100.0, 101.0):
        assert (rank < scheme.cut(each)) == (share < each)


def test_a_text_that_would_come_to_a_hundred_is_repeated() -> None:
    sums = ((str(i), hashlib.md5(str(i).encode()).hexdigest()) for i in range(100_000))
    text = next(text for text, digest in sums if int(digest, 16) % 9999 == 9998)
    assert HASHES["md5_percent"].of(text) == HASHES["md5_percent"].of(f"{text},{text}")


@pytest.mark.parametrize("name", HASHES)
def test_every_text_has_a_hash(name: str) -> None:
    for text in ("", "\ud800", "é\0", "x" * 10_000):
        assert HASHES[name].of(text) >= 0


@given(TEXTS)
def test_the_native_scheme_is_the_native_draw(text: str) -> None:
    assert NATIVE.rank(text) == hash32(text)
    assert NATIVE.bucket(NATIVE.rank(text)) == bucket(hash32(text))
    assert NATIVE.cut(1234) == cut(1234)
    assert NATIVE.end == BUCKETS


SCHEMES = st.builds(
    Scheme,
    hash=st.sampled_from(["murmur3", "fnv1a", "md5_32"]),
    spread=st.sampled_from(["scale", "mod"]),
    size=st.integers(1, 2**31 - 1),
    seed=st.integers(0, 2**32 - 1),
)


@given(SCHEMES, TEXTS, st.data())
def test_a_number_lies_below_a_cut_if_its_bucket_lies_below_the_bound(
    scheme: Scheme, text: str, data: Any
) -> None:
    number = scheme.rank(text)
    found = scheme.bucket(number)
    assert 0 <= found < scheme.size
    bound = data.draw(st.one_of(st.integers(0, scheme.size), st.sampled_from([found, found + 1])))
    assert (number < scheme.cut(bound)) == (found < bound)
    assert scheme.ends_at(scheme.size)
    assert not scheme.ends_at(scheme.size - 1)


def test_a_seed_counts_for_murmur3() -> None:
    hashed = mmh3.hash(b"group:unit", 86028157, signed=False)
    assert Scheme("murmur3", "scale", 77, 86028157).rank("group:unit") == hashed
    assert Scheme("murmur3", "mod", 77, 86028157).rank("group:unit") == hashed % 77


@given(TEXTS)
def test_a_rank_tells_the_hash_behind_it(text: str) -> None:
    for name in ("sha1_60", "md5_32"):
        scheme = Scheme(name, "unit")
        assert scheme.hashed(scheme.rank(text)) == HASHES[name].of(text)
    assert isinstance(Scheme("sha1_60", "unit").rank(text), bytes)


def test_a_unit_interval_is_closed() -> None:
    scheme = Scheme("sha1_60", "unit")
    number = scheme.rank("flag.salt.user")
    bucket = scheme.bucket(number)
    assert bucket == int(hashlib.sha1(b"flag.salt.user").hexdigest()[:15], 16) / float(0xFFFFFFFFFFFFFFF)
    assert scheme.cut(bucket) <= number < scheme.cut(math.nextafter(bucket, 1))
    assert (scheme.end, scheme.ends_at(1), scheme.ends_at(1.5)) == (1, False, True)


@given(
    st.sampled_from([name for name in HASHES if HASHES[name].bits]),
    TEXTS,
    st.one_of(st.floats(0, 1), st.sampled_from([-1, 0, 0.1, 0.1 + 0.2, 0.5, 1, 1.5, 100])),
)
def test_a_number_lies_below_a_cut_if_its_fraction_lies_below_the_bound(
    name: str, text: str, bound: float
) -> None:
    scheme = Scheme(name, "unit")
    number = scheme.rank(text)
    bucket = scheme.bucket(number)
    for each in (bound, bucket, math.nextafter(bucket, 0), math.nextafter(bucket, 2)):
        assert (number < scheme.cut(each)) == (bucket < each)


@given(
    st.one_of(
        SCHEMES,
        st.sampled_from(
            [Scheme(name, "unit") for name in HASHES if HASHES[name].bits]
            + [Scheme("md5_percent", "raw"), Scheme("fnv1a_twice", "mod", 77), Scheme("sha1_60", "mod", 77)]
        ),
    ),
    TEXTS,
)
def test_a_number_is_the_same_by_its_phrase(scheme: Scheme, text: str) -> None:
    phrase, parts = scheme.phrase()
    names = {f"p{index}": part for index, part in enumerate(parts)}
    assert eval(phrase.format("text", *names), {"text": text, **names}) == scheme.rank(text)


@pytest.mark.parametrize("name", ["md5", "sha1"])
def test_a_python_without_hashes_of_its_own_takes_those_of_openssl(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = digester(name)
    monkeypatch.setitem(sys.modules, f"_{name}", None)
    other = digester(name)
    assert own(b"user-42").digest() == other(b"user-42").digest() == hashlib.new(name, b"user-42").digest()
    assert own is not other
