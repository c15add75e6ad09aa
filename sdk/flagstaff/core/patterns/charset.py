r"""Sets of characters: sorted, disjoint, inclusive ranges of code points.

Named sets are ASCII, as in RE2; ``\s`` also holds the vertical tab, as everywhere but there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import cache

__all__ = ["ESCAPES", "NEWLINE", "POSIX", "WORD", "Ranges", "invert", "relatives", "union"]

Ranges = tuple[tuple[int, int], ...]

_LAST = 0x10FFFF
_CASED_BLOCKS = ((0, 0x2E00), (0xA640, 0xAC00), (0xFB00, 0x12000), (0x16E00, 0x17000), (0x1DF00, 0x1EA00))
"""Where letters with case live: all but the scripts of East Asia and what is still unassigned."""


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges in order, those that touch or overlap made one."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert(ranges: Ranges) -> Ranges:
    """Every code point, lone surrogates included, that ``ranges`` lacks."""
    starts = (0, *(high + 1 for _, high in ranges))
    ends = (*(low - 1 for low, _ in ranges), _LAST)
    return tuple((start, end) for start, end in zip(starts, ends, strict=True) if start <= end)


def relatives(ranges: Ranges) -> list[int]:
    """The letters that differ from one in ``ranges`` in nothing but case.

    The rule is Unicode's simple case folding (CaseFolding.txt, C and S), one character for one: ``k``
    has the Kelvin sign among its relatives and ``ß`` has ``ẞ``, but ``ß`` is not ``ss``, and the dotted and
    dotless i of Turkish stay apart from ``i``.
    """
    letters, families = _families()
    found: set[str] = set()
    for low, high in ranges:
        found.update(*families[bisect_left(letters, low) : bisect_right(letters, high)])
    return sorted(map(ord, found))


def _fold(char: str) -> str:
    """``char`` by simple case folding; where the full folding is longer, the lower case is the simple one."""
    folded = char.casefold()
    if len(folded) > 1:
        folded = char.lower()
    return folded if len(folded) == 1 else char


@cache
def _families() -> tuple[list[int], list[str]]:
    """The letters with case, in order, and beside each all those with the same folding."""
    families: dict[str, str] = {}
    for start, end in _CASED_BLOCKS:
        for char in map(chr, range(start, end)):
            folded = _fold(char)
            families[folded] = families.get(folded, "") + char
    cased = {ord(char): family for family in families.values() if len(family) > 1 for char in family}
    letters = sorted(cased)
    return letters, [cased[letter] for letter in letters]


def _ranges(*pairs: str) -> Ranges:
    return union((ord(pair[0]), ord(pair[-1])) for pair in pairs)


NEWLINE = _ranges("\n")
WORD = _ranges("AZ", "az", "09", "_")
_DIGIT = _ranges("09")
_SPACE = _ranges("\t\r", " ")

ESCAPES = {
    "d": _DIGIT,
    "D": invert(_DIGIT),
    "w": WORD,
    "W": invert(WORD),
    "s": _SPACE,
    "S": invert(_SPACE),
}
"""The sets that an escape stands for."""

POSIX = {
    "alnum": _ranges("AZ", "az", "09"),
    "alpha": _ranges("AZ", "az"),
    "ascii": _ranges("\0\x7f"),
    "blank": _ranges("\t", " "),
    "cntrl": _ranges("\0\x1f", "\x7f"),
    "digit": _DIGIT,
    "graph": _ranges("!~"),
    "lower": _ranges("az"),
    "print": _ranges(" ~"),
    "punct": _ranges("!/", ":@", "[`", "{~"),
    "space": _SPACE,
    "upper": _ranges("AZ"),
    "word": WORD,
    "xdigit": _ranges("09", "AF", "af"),
}
"""The sets that may stand between ``[:`` and ``:]`` in a class."""
