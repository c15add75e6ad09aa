r"""JavaScript's regular expressions in the syntax of those that are matched here.

Without the flag ``u``, as GrowthBook has them: an escaped letter that means nothing is that letter, ``[]`` is
nothing and ``[^]`` anything, ``[`` within a class is itself, and ``.`` stops at four kinds of line end.
"""

from __future__ import annotations

import re

__all__ = ["translated", "units"]

_PART = re.compile(
    r"\\(?P<escaped>[A-Za-z])|\\.|\[(?P<outside>\^?)(?P<items>(?:\\.|[^\]\\])*)\]|\(\?(?P<kind>.?)|(?P<dot>\.)",
    re.DOTALL,
)
_ITEM = re.compile(r"\\(?P<escaped>[A-Za-z])|\\.|(?P<open>\[)", re.DOTALL)
_KNOWN = frozenset("bBcdDfknrsStvwW")
_DIGITS = {"x": re.compile("[0-9A-Fa-f]{2}"), "u": re.compile("[0-9A-Fa-f]{4}")}


def translated(pattern: str) -> str:
    """The pattern that finds the same. ValueError where JavaScript reads none."""
    return _PART.sub(_part, pattern)


def units(text: str) -> str:
    """The text in code units of UTF-16, by which these patterns go: what lies beyond them becomes two."""
    if text.isascii() or max(text) < "\U00010000":
        return text
    return "".join(map(chr, memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H")))


def _part(match: re.Match[str]) -> str:
    if match["escaped"]:
        return _escape(match)
    if match["items"]:
        return f"[{match['outside']}{_ITEM.sub(_item, match['items'])}]"
    if match["items"] is not None:
        return "(?s:.)" if match["outside"] else r"[^\x{0}-\x{10FFFF}]"
    if match["kind"] is not None and match["kind"] not in {*":=!<"}:
        raise ValueError(f"'(?{match['kind']}' at position {match.start()} is no JavaScript")
    return r"[^\n\r\u2028\u2029]" if match["dot"] else match[0]


def _item(match: re.Match[str]) -> str:
    if match["open"]:
        return r"\["
    return _escape(match) if match["escaped"] else match[0]


def _escape(match: re.Match[str]) -> str:
    letter = match["escaped"]
    digits = _DIGITS.get(letter)
    known = digits.match(match.string, match.end()) if digits else letter in _KNOWN
    return match[0] if known else letter
