"""Draws as others make them: which hash of which text, spread over how many buckets.

The native draw is that of ``buckets``, a published specification. A document that was translated keeps the
scheme under which its units have been drawn so far, so that nobody changes sides; hence the choice here. The
hash is of ``prefix + unit + suffix``, and it is spread in one of four ways:

    scale    bucket = hash * size >> 32       uniform, without a float
    mod      bucket = hash % size
    unit     bucket = hash / (2^bits - 1)     a float from 0 to 1, both included
    raw      bucket = hash                    for a hash that is a percentage by itself

Ranges are half-open and count in such buckets. MurmurHash3 is Austin Appleby's (2011), FNV-1a Fowler, Noll
and Vo's (RFC 9923), MD5 RFC 1321, SHA-1 RFC 3174; none of them protects anything here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from .buckets import BUCKETS, hash32

__all__ = ["HASHES", "NATIVE", "SPREADS", "Hash", "Number", "Scheme"]

Number: TypeAlias = int | float

SPREADS = ("scale", "mod", "unit", "raw")


class Hash(NamedTuple):
    """A hash of text: ``of(text)`` is a number of so many ``bits``; None: a percentage, as a float."""

    of: Callable[[str], Any]
    bits: int | None


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
    return int.from_bytes(hashlib.md5(_encoded(text), usedforsecurity=False).digest()[:4])


def _sha1(text: str) -> int:
    return int.from_bytes(hashlib.sha1(_encoded(text), usedforsecurity=False).digest()[:8]) >> 4


def _percent(text: str) -> float:
    """A percentage below 100, of the whole MD5 sum; texts that would come to 100 are joined on and on."""
    repeated = text
    while True:
        digest = hashlib.md5(_encoded(repeated), usedforsecurity=False).digest()
        share = int.from_bytes(digest) % 9999 / 9998 * 100
        if share != 100:
            return share
        repeated = f"{repeated},{text}"


HASHES = {
    "murmur3": Hash(hash32, 32),
    "fnv1a": Hash(_fnv1a, 32),
    "fnv1a_twice": Hash(_fnv1a_twice, 32),
    "md5_32": Hash(_md5, 32),
    "sha1_60": Hash(_sha1, 60),
    "md5_percent": Hash(_percent, None),
}
"""Every hash by name: the leading bits of a digest, where it has more."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a text becomes a bucket. ``seed`` is for murmur3 alone."""

    hash: str = "murmur3"
    spread: str = "scale"
    size: int = BUCKETS
    seed: int = 0

    def number(self, text: str) -> Number:
        """What the text is drawn by: to be compared with ``cut(bound)``."""
        return self.numbering()(text)

    def numbering(self) -> Callable[[str], Number]:
        """The function behind ``number``."""
        of, bits = HASHES[self.hash]
        if self.hash == "murmur3" and self.seed:
            of = partial(hash32, seed=self.seed)
        if self.spread == "mod":
            return partial(_remainder, of, self.size)
        if self.spread == "unit" and bits is not None:
            return partial(_quotient, of, float((1 << bits) - 1))
        return of

    def cut(self, bound: Number) -> Number:
        """The smallest number whose bucket is at least ``bound``; on a scale that spares a multiplication."""
        if self.spread != "scale":
            return bound
        return -(-int(bound) * (1 << 32) // self.size)

    @property
    def end(self) -> Number:
        """Where the buckets end."""
        return {"unit": 1, "raw": 100}.get(self.spread, self.size)

    def ends_at(self, bound: Number) -> bool:
        """Whether no bucket lies at ``bound`` or beyond."""
        return self.spread in ("scale", "mod") and bound >= self.size

    def bucket(self, number: Number) -> Number:
        """The bucket that a number falls into."""
        return int(number) * self.size >> 32 if self.spread == "scale" else number


def _remainder(of: Callable[[str], int], size: int, text: str) -> int:
    return of(text) % size


def _quotient(of: Callable[[str], int], most: float, text: str) -> float:
    return of(text) / most


NATIVE = Scheme()
