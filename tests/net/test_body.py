"""The bounded decoder, in every cut."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstaff.net.body import Body
from flagstaff.net.message import TransportError


def cuts(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut data into pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def feed(body: Body, pieces: list[bytes]) -> None:
    for piece in pieces:
        body.feed(piece)


SIZES = st.lists(st.integers(0, 40), max_size=20)


@given(members=st.lists(st.binary(max_size=300), min_size=1, max_size=4), sizes=SIZES)
def test_however_gzip_is_cut_it_decodes_to_the_same(members: list[bytes], sizes: list[int]) -> None:
    whole = b"".join(members)
    body = Body("host", "gzip", len(whole))

    feed(body, cuts(b"".join(map(gzip.compress, members)), sizes))

    assert body.finish() == whole


@given(data=st.binary(min_size=1, max_size=300), sizes=SIZES, encoding=st.sampled_from(["gzip", ""]))
def test_one_byte_too_many_is_refused_however_it_is_cut(data: bytes, sizes: list[int], encoding: str) -> None:
    raw = gzip.compress(data) if encoding else data

    with pytest.raises(TransportError) as caught:
        feed(Body("host", encoding, len(data) - 1), cuts(raw, sizes))

    assert caught.value.kind == "too-large"


@given(data=st.binary(min_size=1, max_size=300), cut=st.integers(1, 20))
def test_gzip_without_its_end_is_refused(data: bytes, cut: int) -> None:
    body = Body("host", "x-gzip", 1000)
    body.feed(gzip.compress(data)[:-cut])

    with pytest.raises(TransportError, match="ends too early"):
        body.finish()


def test_gzip_that_holds_nothing_for_ever_is_refused() -> None:
    empty = gzip.compress(b"") * 100

    with pytest.raises(TransportError) as caught:
        feed(Body("host", "gzip", 1000), [empty] * 1000)

    assert caught.value.kind == "too-large"
