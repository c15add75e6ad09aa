"""What the tables of vectors ask: every edge where ports of a hash have been known to differ.

Everything here is spelled out or counted, never drawn at random: it is the same on every machine for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, product
from typing import Any

from flagstaff.core.buckets import BUCKETS, cut
from flagstaff.vectors.documents import EDGES

__all__ = ["TABLES"]

_SALTS = [
    "checkout-cta",
    "checkout-cta:traffic",
    "a",
    "a:b",
    ":",
    "",
    " ",
    "caf\u00e9",
    "\U0001f600",
    "\ud800",
    "Z" * 40,
]

_TEXTS = [
    *("a", "A", "user-42", "user:42", "USER-42", "user-42 ", " user-42", "b:c", "c", ":", "::"),
    *("0", "42", "042", "+42", "-42", "42.0", "1e3", "true", "True", "null", "None", "NaN"),
    *(" ", "\n", "\r\n", "\t", "\0", "\0\0\0\0", "a\0", "a\0b", "\x7f", "\u00a0", "\u200b", "\ufeff"),
    *("caf\u00e9", "cafe\u0301", "\u00c5", "\u212b", "A\u030a", "\u00df", "\u0130", "\u0131", "\ufb01"),
    *("\u65e5\u672c\u8a9e", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u200fabc", "\uff55\uff53"),
    *("\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"),
    *("\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1f3\U0001f1f1"),
    *("\ud800", "\udbff", "\udc00", "\udfff", "\udc80", "a\ud800b"),
    *("\ude00\ud83d", "\ud83d\ud83d", "\ud83dx\ude00"),
    *("ada@example.com", "https://example.com/?q=1&r=%20", "00000000-0000-0000-0000-000000000000"),
    "The quick brown fox jumps over the lazy dog",
]  # fmt: skip

_WHOLE = [
    *(0, 1, -1, 7, 42, -42, 1_000, 99_999, 100_000, 123_456_789),
    *(
        sign * (2**power + more)
        for power in (15, 31, 32, 53, 63, 64)
        for sign in (1, -1)
        for more in (-1, 0, 1)
    ),
    *(10**20, -(10**20), 10**40, 3**200),
]

_LONG = ["x" * 1_000, "x" * 65_537, "\u00e9" * 4_097, "\U0001f600" * 2_000, "\ud800" * 1_500]

_NO_UNITS = [
    *("", None, True, False, [], ["user-42"]),
    *({"float": digits} for digits in ("0.0", "1.0", "42.0", "1.5", "-0.0", "1e300", "inf", "-inf", "nan")),
    {"int": {"repeat": ["9", 4_301]}},
]

_BOUNDS = [0, 1, 2, 3, 999, 1_000, 12_500, 25_000, 33_333, 50_000, 66_667, 75_000, 99_998, 99_999, BUCKETS]

_PERCENTS = [
    *(0, 0.001, 0.002, 0.01, 0.1, 0.29, 0.57, 0.999, 1, 1.001, 1.005, 1.1, 2.002, 2.3, 4.004, 4.035, 4.35),
    *(5, 8.008, 8.2, 9.95, 10, 12.5, 16.001, 16.1, 16.67, 16.667, 19.99, 25, 32.771, 33, 33.3, 33.33, 33.333),
    *(33.334, 34, 40.001, 50, 57.9, 64.001, 64.1, 65.535, 66.666, 66.667, 69.995, 75, 80.1, 90.09, 95, 99),
    *(99.9, 99.99, 99.999, 100, 0.0001, 0.0005, 0.0015, 1.0005, 33.3333, 99.9999),
]  # fmt: skip


def _int(number: int) -> dict[str, str]:
    return {"int": str(number)}


def _hashes() -> Iterator[tuple[int]]:
    edges = {cut(bound) + more for bound in _BOUNDS for more in (-1, 0)} | {2**31 - 1, 2**31}
    return ((hashed,) for hashed in sorted(edges) if 0 <= hashed < 2**32)


def _units() -> Iterator[tuple[Any]]:
    digits = ({"int": {"repeat": [digit, 4_300]}} for digit in "19")
    return ((unit,) for unit in chain(_TEXTS, _LONG, map(_int, _WHOLE), digits, _NO_UNITS))


# -- draws -----------------------------------------------------------------------------------------


def _draws() -> Iterator[tuple[str, Any, int]]:
    yield from product(_SALTS, _TEXTS, [0])
    yield from product(["checkout-cta"], chain(map(_int, _WHOLE), _NO_UNITS), [0])
    yield from product(["checkout-cta"], [*_LONG, {"repeat": ["ab\0", 333]}], [0])
    yield from product(["", "seed"], ["a", "user-42", "caf\u00e9"], _SEEDS)
    yield from (("byte", chr(code), 0) for code in range(256))
    yield from ((salt, letter * length, 0) for salt, letter in _TAILS for length in range(1, 18))
    yield from product(
        ["checkout-cta", "checkout-cta:traffic"], (f"user-{number}" for number in range(100, 500)), [0]
    )
    yield from product(["edge"], EDGES, [0])
    yield from product(["new-checkout"], (_int(number) for number in range(100)), [0])
    yield from product(["new-checkout"], _identifiers(200), [0])


_SEEDS = [1, 42, 0x7FFFFFFF, 0x80000000, 0x9747B28C, 0xFFFFFFFF]
_TAILS = [
    ("length", "x"),
    ("length", "\u00e9"),
    ("length", "\u65e5"),
    ("length", "\U0001f600"),
    ("odd", "\xff"),
]


def _identifiers(count: int) -> Iterator[str]:
    """Texts of the shape of UUIDs, from Knuth's linear congruence (MMIX)."""
    state = 1
    for _ in range(count):
        parts = []
        for _ in range(2):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            parts.append(f"{state:016x}")
        text = "".join(parts)
        yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


TABLES: dict[str, Callable[[], Iterator[tuple[Any, ...]]]] = {
    "buckets": _hashes,
    "cuts": lambda: ((bound,) for bound in _BOUNDS),
    "percents": lambda: ((percent,) for percent in _PERCENTS),
    "units": _units,
    "draws": _draws,
}
"""For each table, what it asks."""
