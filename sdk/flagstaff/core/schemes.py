"""Draws as others make them: which hash of which text, spread over how many buckets.

The native draw is that of ``buckets``, a published specification. A document that was translated keeps the
scheme under which its units have been drawn so far, so that nobody changes sides; hence the choice here. The
hash is of ``prefix + unit + suffix``, and it is spread in one of four ways:

    scale    bucket = hash * size >> 32       uniform, without a float
    mod      bucket = hash % size
    unit     bucket = hash / (2^bits - 1)     a float from 0 to 1, both included
    raw      bucket = hash / 9998 * 100       a percentage below 100, for the hash that is made for it

Ranges are half-open and count in such buckets. MurmurHash3 is Austin Appleby's (2011), FNV-1a Fowler, Noll
and Vo's (RFC 9923), MD5 RFC 1321, SHA-1 RFC 3174; none of them protects anything here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

from mmh3 import mmh3_32_uintdigest

from .buckets import BUCKETS, hash32

__all__ = ["HASHES", "NATIVE", "SPREADS", "Hash", "Number", "Rank", "Scheme", "digester"]

Number: TypeAlias = int | float
Rank: TypeAlias = Any
"""What a text is drawn by, to be compared with others of its scheme: a hash, or the digest that it leads."""

SPREADS = ("scale", "mod", "unit", "raw")


class Hash(NamedTuple):
    """A hash of text: ``of(text)`` is a number of so many ``bits``; None: one of 0 … 9,997.

    ``phrase`` is the same as an expression, in which ``{0}`` stands for the text, ``{1}``, ``{2}`` … for the
    ``parts``; it raises where UTF-8 can't hold the text. Where the number leads a ``digest``, the digests
    sort as the numbers do, and are had for less.
    """

    of: Callable[[str], int]
    bits: int | None
    phrase: str
    parts: tuple[Any, ...]
    digest: Callable[[bytes], Any] | None = None


def digester(name: str) -> Callable[[bytes], Any]:
    """A hash of the standard library by its name.

    Python's own is asked first: of short texts it needs half the time of that of OpenSSL, which ``hashlib``
    prefers.
    """
    try:
        made: Callable[[bytes], Any] = getattr(import_module(f"_{name}"), name)
    except ImportError:  # a Python that was built without
        import hashlib

        return partial(getattr(hashlib, name), usedforsecurity=False)
    return made


_new_md5, _new_sha1 = digester("md5"), digester("sha1")
_first_32, _first_64 = Struct(">I").unpack_from, Struct(">Q").unpack_from


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _fnv1a(text: str) -> int:
    """FNV-1a over UTF-16 code units: what languages with such text make of theirs."""
    units = (
        text.encode() if text.isascii() else memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")
    )
    number = 0x811C9DC5
    for unit in units:
        number = (number ^ unit) * 0x01000193 & 0xFFFFFFFF
    return number


def _fnv1a_twice(text: str) -> int:
    return _fnv1a(str(_fnv1a(text)))


def _md5(text: str) -> int:
    return int.from_bytes(_new_md5(_encoded(text)).digest()[:4])


def _sha1(text: str) -> int:
    return int.from_bytes(_new_sha1(_encoded(text)).digest()[:8]) >> 4


def _md5_9998(text: str) -> int:
    """The remainder of the whole MD5 sum by 9,999; texts that would come to 9,998 are joined on and on."""
    repeated = text
    while True:
        number = int.from_bytes(_new_md5(_encoded(repeated)).digest()) % 9999
        if number != 9998:
            return number
        repeated = f"{repeated},{text}"


HASHES = {
    "murmur3": Hash(hash32, 32, "{1}({0}.encode())", (mmh3_32_uintdigest,)),
    "fnv1a": Hash(_fnv1a, 32, "{1}({0})", (_fnv1a,)),
    "fnv1a_twice": Hash(_fnv1a_twice, 32, "{1}({0})", (_fnv1a_twice,)),
    "md5_32": Hash(_md5, 32, "{1}({2}({0}.encode()).digest())[0]", (_first_32, _new_md5)),
    "sha1_60": Hash(
        _sha1, 60, "({1}({2}({0}.encode()).digest())[0] >> 4)", (_first_64, _new_sha1), _new_sha1
    ),
    "md5_percent": Hash(
        _md5_9998,
        None,
        "(r if (r := {1}({2}({0}.encode()).digest()) % 9999) != 9998 else {3}({0}))",
        (int.from_bytes, _new_md5, _md5_9998),
    ),
}
"""Every hash by name: the leading bits of a digest, where it has more."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a text becomes a bucket. ``seed`` is for murmur3 alone."""

    hash: str = "murmur3"
    spread: str = "scale"
    size: int = BUCKETS
    seed: int = 0

    @property
    def _digest(self) -> Callable[[bytes], Any] | None:
        return HASHES[self.hash].digest if self.spread == "unit" else None

    def rank(self, text: str) -> Rank:
        """What the text is drawn by: to be compared with ``cut(bound)``."""
        return self.ranking()(text)

    def ranking(self) -> Callable[[str], Rank]:
        """The function behind ``rank``."""
        of: Callable[[str], Rank] = HASHES[self.hash].of
        if self._digest is not None:
            return partial(_digested, self._digest)
        if self.hash == "murmur3" and self.seed:
            of = partial(hash32, seed=self.seed)
        if self.spread == "mod":
            return partial(_remainder, of, self.size)
        return of

    def phrase(self) -> tuple[str, tuple[Any, ...]]:
        """``rank`` as an expression: see ``Hash``."""
        _, _, phrase, parts, _ = HASHES[self.hash]
        if self._digest is not None:
            return "{1}({0}.encode()).digest()", (self._digest,)
        if self.hash == "murmur3" and self.seed:
            phrase, parts = "{1}({0}.encode(), {2})", (*parts, self.seed)
        if self.spread == "mod":
            return f"{phrase} % {{{len(parts) + 1}}}", (*parts, self.size)
        return phrase, parts

    def cut(self, bound: Number) -> Rank:
        """The smallest rank whose bucket is at least ``bound``: no draw need be spread."""
        bits = HASHES[self.hash].bits
        if self.spread == "raw":
            return bisect_left(range(9999), bound, key=self._spread)
        if self.spread == "unit" and bits is not None:
            number = bisect_left(range(1 << bits), bound, key=self._spread)
            return number if self._digest is None else _leading(number, bits)
        if self.spread != "scale":
            return bound
        return -(-int(bound) * (1 << 32) // self.size)

    @property
    def end(self) -> Number:
        """Where the buckets end."""
        return {"unit": 1, "raw": 100}.get(self.spread, self.size)

    def ends_at(self, bound: Number) -> bool:
        """Whether no bucket lies at ``bound`` or beyond."""
        return bound > 1 if self.spread == "unit" else bound >= self.end

    def hashed(self, rank: Rank) -> int:
        """The hash behind a rank."""
        bits = HASHES[self.hash].bits
        if isinstance(rank, bytes) and bits is not None:
            rank = int.from_bytes(rank) >> 8 * len(rank) - bits
        return int(rank)

    def bucket(self, rank: Rank) -> Number:
        """The bucket that a rank falls into."""
        return self._spread(self.hashed(rank))

    def _spread(self, number: int) -> Number:
        bits = HASHES[self.hash].bits
        if self.spread == "raw":
            return number / 9998 * 100
        if self.spread == "unit" and bits is not None:
            return number / float((1 << bits) - 1)
        return number * self.size >> 32 if self.spread == "scale" else number


def _digested(digest: Callable[[bytes], Any], text: str) -> bytes:
    found: bytes = digest(_encoded(text)).digest()
    return found


def _leading(number: int, bits: int) -> bytes:
    """How the least digest begins that is led by a number of so many bits; beyond them all where none is."""
    if number >> bits:
        return b"\xff" * _LONGEST
    size = -(-bits // 8)
    return (number << 8 * size - bits).to_bytes(size)


_LONGEST = 65
"""More bytes than any digest has."""


def _remainder(of: Callable[[str], int], size: int, text: str) -> int:
    return of(text) % size


NATIVE = Scheme()
