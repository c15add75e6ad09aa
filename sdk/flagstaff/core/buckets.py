"""Bucketing: a deterministic draw of a unit, the same for ever and on every machine.

The specification is ``sdk/docs/bucketing.md``; the vectors in ``vectors-1.json`` beside this module
are law. Stable, deterministic draws matter far more than anything that could be improved here.

    hash   = MurmurHash3_x86_32(UTF-8(salt + ":" + unit), seed)        unsigned, 32 bits
    bucket = (hash * 100_000) >> 32                                    0 … 99_999

Integers only. A share of p percent is the half-open range [start, start + p * 1000) of buckets.
MurmurHash3 is Austin Appleby's (public domain, 2011).
"""

from __future__ import annotations

import mmh3

__all__ = ["BUCKETS", "bucket", "cut", "draw", "hash32", "unit_text"]

BUCKETS = 100_000
"""How many buckets a draw has: a thousandth of a percent each."""

_SPACE = 1 << 32


def unit_text(unit: object) -> str | None:
    """The text that a unit is hashed as, or None where it is no unit.

    Text stands for itself and an int for its decimal digits. Everything else is no unit: bool, float,
    None, empty text, and ints beyond Python's limit for decimal conversion (4,300 digits by default).
    """
    kind = type(unit)  # which, unlike isinstance, can't be lied to
    if issubclass(kind, str):
        return str.__str__(unit) or None
    if issubclass(kind, int) and kind is not bool:
        try:
            return int.__repr__(unit)
        except ValueError:
            return None
    return None


def hash32(text: str, seed: int = 0) -> int:
    """MurmurHash3 (x86, 32 bits, unsigned) of ``text`` as UTF-8.

    Lone surrogates, which UTF-8 can't hold, are encoded as if they could be (three bytes each,
    Python's ``surrogatepass``), so that every text has a hash.
    """
    # Bytes, never text: mmh3 5.0 to 5.3 end the process on a text that UTF-8 can't hold.
    return mmh3.mmh3_32_uintdigest(text.encode("utf-8", "surrogatepass"), seed)


def bucket(hashed: int) -> int:
    """The bucket, 0 … 99,999, that a 32-bit hash falls into."""
    return (hashed * BUCKETS) >> 32


def draw(salt: str, unit: str, seed: int = 0) -> int:
    """The bucket, 0 … 99,999, of a unit under a salt."""
    return bucket(hash32(f"{salt}:{unit}", seed))


def cut(bound: int) -> int:
    """The smallest hash whose bucket is at least ``bound``.

    ``bucket(h) < bound`` is ``h < cut(bound)``: comparing hashes spares a multiplication on every draw.
    """
    return -(-bound * _SPACE // BUCKETS)
