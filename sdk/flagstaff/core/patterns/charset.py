r"""Sets of characters: sorted, disjoint, inclusive ranges of code points.

Named sets are ASCII, as in RE2; ``\s`` also holds the vertical tab, as everywhere but there. Other dialects
have those of Unicode in place of ``\d \s \w``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from typing import NamedTuple

__all__ = [
    "NEWLINE",
    "POSIX",
    "Classes",
    "Ranges",
    "ascii_classes",
    "ecmascript_classes",
    "invert",
    "python_classes",
    "relatives",
    "unicode_classes",
    "union",
]

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
_WORD = _ranges("AZ", "az", "09", "_")
_DIGIT = _ranges("09")
_SPACE = _ranges("\t\r", " ")


class Classes(NamedTuple):
    r"""The sets that ``\d``, ``\s`` and ``\w`` stand for; words are also what ``\b`` goes by."""

    digit: Ranges
    space: Ranges
    word: Ranges

    def of(self, letter: str) -> Ranges:
        """The set of an escape; that of a capital letter is all the others."""
        ranges = {"d": self.digit, "s": self.space, "w": self.word}[letter.lower()]
        return ranges if letter.islower() else invert(ranges)


def ascii_classes() -> Classes:
    """Those of RE2."""
    return Classes(_DIGIT, _SPACE, _WORD)


def ecmascript_classes() -> Classes:
    """Those of ECMAScript (ECMA-262 §22.2.2.9): only white space goes beyond ASCII."""
    spaces = [(9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)]
    return Classes(
        _DIGIT, (*spaces, (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)), _WORD
    )


_ASSIGNED = (range(0xD800), range(0xE000, 0x33480), range(0xE0000, 0xE01F0))
"""Where there are characters at all, surrogates and private use aside."""
_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
"""Letters by nature (Other_Alphabetic) that are symbols by category."""
_WHITE = ((9, 13), (0x85, 0x85), (0x2028, 0x2029))
"""White space that is none by category."""


@cache
def unicode_classes() -> Classes:
    """Those of Unicode (UTS #18, annex C), as Python's tables have them."""
    from unicodedata import category

    names = {"Nd": "digit", "Zs": "space", "Pc": "word", "Nl": "word"}
    found: dict[str, list[tuple[int, int]]] = {"digit": [], "space": [], "word": []}
    for point in chain(*_ASSIGNED):
        kind = category(chr(point))
        name = "word" if kind[0] in "LM" else names.get(kind)
        if name is not None:
            found[name].append((point, point))
    words = [*found["word"], *found["digit"], (0x200C, 0x200D), *_CIRCLED]
    return Classes(union(found["digit"]), union([*found["space"], *_WHITE]), union(words))


@cache
def python_classes() -> Classes:
    """Those of Python's ``re``."""

    def where(holds: Callable[[str], bool]) -> Ranges:
        return union((point, point) for point in chain(*_ASSIGNED) if holds(chr(point)))

    return Classes(where(str.isdecimal), where(str.isspace), union([*where(str.isalnum), *_WORD]))


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
    "word": _WORD,
    "xdigit": _ranges("09", "AF", "af"),
}
"""The sets that may stand between ``[:`` and ``:]`` in a class."""
