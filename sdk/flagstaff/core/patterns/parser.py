"""From the text of a pattern to its nodes: RE2's syntax, less what needs tables of Unicode.

The parser keeps its own stack of open groups, so that nesting costs no recursion, and refuses a pattern
at the character where it leaves the subset or becomes too large.
"""

from __future__ import annotations

from collections.abc import Callable

from .charset import NEWLINE, POSIX, Classes, Ranges, invert, relatives, union
from .nodes import (
    LINE_END,
    LINE_START,
    NOT_WORD_EDGE,
    TEXT_END,
    TEXT_START,
    WORD_EDGE,
    Chars,
    Choice,
    Look,
    Node,
    Repeat,
    Sequence,
)

__all__ = ["MAX_COUNT", "MAX_DEPTH", "MAX_LENGTH", "MAX_RELATIVES", "MAX_STATES", "parse"]

MAX_LENGTH = 10_000
"""Characters in a pattern."""
MAX_STATES = 5_000
"""States of its automaton, every repetition written out."""
MAX_COUNT = 1_000
"""The highest count of one repetition."""
MAX_DEPTH = 50
"""Groups within groups."""
MAX_RELATIVES = 20_000
"""Letters that ignoring case adds to all the classes of a pattern together."""

_CLASSES = frozenset("dDsSwW")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LOOKS = {"A": TEXT_START, "z": TEXT_END, "b": WORD_EDGE, "B": NOT_WORD_EDGE}
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_FLAGS = frozenset("imsU")

_FOREIGN_GROUPS = {
    "(?=": "look-ahead",
    "(?!": "negative look-ahead",
    "(?<=": "look-behind",
    "(?<!": "negative look-behind",
    "(?>": "atomic group",
    "(?(": "conditional group",
    "(?P=": "back-reference",
    "(?P>": "subroutine call",
    "(?#": "comment",
    "(?|": "branch reset group",
}
_FOREIGN_ESCAPES = {
    **dict.fromkeys("123456789gk", "back-reference"),
    **dict.fromkeys("pP", "Unicode class"),
    **dict.fromkeys("QE", "quotation"),
    "0": "octal escape",
    "C": "single byte",
    "Z": "anchor",
}
_WAY_OUT = {"p": "; name the ranges", "P": "; name the ranges", "Z": "; the end of the text is '\\z'"}


def parse(pattern: str, classes: Callable[[], Classes]) -> Node:
    """The nodes of a pattern; ValueError names what is not supported or too large, and where.

    ``classes``, the sets that escapes stand for, are asked for where there are any.
    """
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"the pattern is longer than {MAX_LENGTH:,} characters")
    return _Parser(pattern, classes).parse()


def _refusal(what: str, position: int, why: str = "is not supported") -> ValueError:
    return ValueError(f"{what} at position {position} {why}")


def _too_large(position: int, why: str) -> ValueError:
    return ValueError(f"the pattern is too large: up to position {position} {why}")


class _Group:
    """A group that is still open: where, the flags around it, its branches and the items of the last one."""

    __slots__ = ("branches", "flags", "items", "opened")

    def __init__(self, opened: int, flags: frozenset[str]) -> None:
        self.opened = opened
        self.flags = flags
        self.branches: list[Node] = []
        self.items: list[Node] = []

    def end_branch(self) -> None:
        self.branches.append(self.items[0] if len(self.items) == 1 else Sequence(tuple(self.items)))
        self.items = []

    def finish(self) -> Node:
        self.end_branch()
        return self.branches[0] if len(self.branches) == 1 else Choice(tuple(self.branches))


class _Parser:
    """One pass over one pattern."""

    def __init__(self, pattern: str, classes: Callable[[], Classes]) -> None:
        self._text = pattern
        self._classes = classes
        self._at = 0
        self._flags: frozenset[str] = frozenset()
        self._groups = [_Group(0, self._flags)]
        self._names: set[str] = set()
        self._repeatable = self._repeated = False
        self._relatives = 0

    def parse(self) -> Node:
        while self._at < len(self._text):
            self._at += 1
            _HANDLERS.get(self._text[self._at - 1], _Parser._literal)(self)
        if len(self._groups) > 1:
            raise _refusal("'('", self._groups[-1].opened, "is never closed")
        return self._checked(self._groups[0].finish(), len(self._text))

    def _checked(self, node: Node, at: int) -> Node:
        if node.size > MAX_STATES:
            raise _too_large(at, f"it needs over {MAX_STATES:,} states")
        return node

    def _add(self, node: Node) -> None:
        self._groups[-1].items.append(node)
        self._repeatable, self._repeated = True, False

    def _next_is(self, text: str) -> bool:
        """Whether ``text`` comes next; if so it is taken."""
        found = self._text.startswith(text, self._at)
        if found:
            self._at += len(text)
        return found

    # -- single characters ---------------------------------------------------------------------

    def _literal(self) -> None:
        at = self._at - 1
        self._add_char(self._text[at], at)

    def _add_char(self, char: str, at: int) -> None:
        self._add(Chars(self._without_case([(ord(char), ord(char))], at)))

    def _without_case(self, ranges: list[tuple[int, int]], at: int) -> Ranges:
        """The ranges and, under the flag i, the relatives of their letters."""
        merged = union(ranges)
        if "i" not in self._flags:
            return merged
        added = relatives(merged)
        self._relatives += len(added)
        if self._relatives > MAX_RELATIVES:
            raise _too_large(at, f"ignoring case adds over {MAX_RELATIVES:,} letters")
        return union([*merged, *((point, point) for point in added)])

    def _any(self) -> None:
        self._add(Chars(invert(() if "s" in self._flags else NEWLINE)))

    def _start(self) -> None:
        self._add(Look(LINE_START if "m" in self._flags else TEXT_START))

    def _end(self) -> None:
        self._add(Look(LINE_END if "m" in self._flags else TEXT_END))

    # -- escapes -------------------------------------------------------------------------------

    def _escape(self) -> None:
        at = self._at - 1
        letter = self._text[self._at : self._at + 1]
        if letter in _LOOKS:
            self._at += 1
            self._add(Look(_LOOKS[letter]))
        elif letter in _CLASSES:
            self._at += 1
            self._add(Chars(self._classes().of(letter)))
        else:
            self._add_char(self._escaped(at), at)

    def _escaped(self, at: int) -> str:
        """The one character that an escape stands for."""
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        if not letter:
            raise _refusal("'\\'", at, "escapes nothing")
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in "xu":
            return self._code_point(letter, at)
        if letter.isascii() and letter.isalnum():
            name = _FOREIGN_ESCAPES.get(letter, "escape")
            raise _refusal(f"{name} '\\{letter}'", at, f"is not supported{_WAY_OUT.get(letter, '')}")
        return letter

    def _code_point(self, letter: str, at: int) -> str:
        if self._next_is("{"):
            end = self._text.find("}", self._at)
            digits = self._text[self._at : max(end, self._at)]
            self._at = end + 1
        else:
            wanted = 2 if letter == "x" else 4
            digits = self._text[self._at : self._at + wanted].ljust(wanted)
            self._at += wanted
        if not digits or not _HEX_DIGITS.issuperset(digits):
            raise _refusal(f"escape '\\{letter}'", at, "lacks its hexadecimal digits")
        point = int(digits, 16)
        if point > 0x10FFFF:
            raise _refusal(f"escape '\\{letter}'", at, "is beyond the last character, 10FFFF")
        return chr(point)

    # -- classes -------------------------------------------------------------------------------

    def _class(self) -> None:
        at = self._at - 1
        negated = self._next_is("^")
        cased: list[tuple[int, int]] = []
        fixed: list[tuple[int, int]] = []
        empty = True
        while empty or not self._next_is("]"):
            if self._at >= len(self._text):
                raise _refusal("'['", at, "is never closed")
            self._class_item(cased, fixed)
            empty = False
        ranges = union([*self._without_case(cased, at), *fixed])
        self._add(Chars(invert(ranges) if negated else ranges))

    def _class_item(self, cased: list[tuple[int, int]], fixed: list[tuple[int, int]]) -> None:
        at = self._at
        if (named := self._posix()) is not None:
            cased.extend(named)
            return
        low = self._class_char()
        if isinstance(low, str):
            cased.append((ord(low), ord(self._range_end(low, at))))
        else:
            fixed.extend(low)

    def _range_end(self, low: str, at: int) -> str:
        """The upper end of a range, or ``low`` where none follows."""
        following = self._text[self._at : self._at + 2]
        if not following.startswith("-") or following in ("-", "-]"):
            return low
        self._at += 1
        high = self._class_char()
        if not isinstance(high, str):
            raise _refusal("range", at, "ends in a class")
        if high < low:
            raise _refusal("range", at, "ends before it starts")
        return high

    def _posix(self) -> Ranges | None:
        at = self._at
        end = self._text.find(":]", at + 2) if self._text.startswith("[:", at) else -1
        if end < 0:
            return None
        name = self._text[at + 2 : end]
        self._at = end + 2
        ranges = POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise _refusal("class '[:'", at, f"has no known name; there are {', '.join(POSIX)}")
        return invert(ranges) if name.startswith("^") else ranges

    def _class_char(self) -> str | Ranges:
        """One character of a class, or a whole set where an escape stands for one."""
        at = self._at
        if not self._next_is("\\"):
            self._at += 1
            return self._text[at : self._at]
        letter = self._text[self._at : self._at + 1]
        if letter in _CLASSES:
            self._at += 1
            return self._classes().of(letter)
        return "\b" if self._next_is("b") else self._escaped(at)

    # -- groups --------------------------------------------------------------------------------

    def _open(self) -> None:
        at = self._at - 1
        if len(self._groups) > MAX_DEPTH:
            raise _refusal("'('", at, f"opens more than {MAX_DEPTH} groups within one another")
        for prefix, name in _FOREIGN_GROUPS.items():
            if self._text.startswith(prefix, at):
                raise _refusal(f"{name} '{prefix}'", at)
        group = _Group(at, self._flags)
        if self._next_is("?P<") or self._next_is("?<"):
            self._name(at)
        elif self._next_is("?") and self._set_flags(at) == ")":
            self._repeatable = False
            return
        self._groups.append(group)
        self._repeatable = False

    def _name(self, at: int) -> None:
        end = self._text.find(">", self._at)
        name = self._text[self._at : max(end, self._at)]
        if not (name.isascii() and name.isidentifier()):
            raise _refusal("group", at, "has no proper name between '<' and '>'")
        if name in self._names:
            raise _refusal("group", at, "has the name of an earlier group")
        self._names.add(name)
        self._at = end + 1

    def _set_flags(self, at: int) -> str:
        """Takes flags over, up to the ``)`` or ``:`` that ends them; returns which."""
        flags, adding = set(self._flags), True
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 1
            if letter in ":)":
                self._flags = frozenset(flags)
                return letter
            if letter == "-" and adding:
                adding = False
            elif letter not in _FLAGS:
                raise _refusal(f"flag {letter!r}", self._at - 1)
            elif adding:
                flags.add(letter)
            else:
                flags.discard(letter)
        raise _refusal("'(?'", at, "is never closed")

    def _close(self) -> None:
        at = self._at - 1
        if len(self._groups) == 1:
            raise _refusal("')'", at, "closes no group")
        group = self._groups.pop()
        self._flags = group.flags
        self._add(self._checked(group.finish(), at))

    def _branch(self) -> None:
        self._groups[-1].end_branch()
        self._repeatable = False

    # -- repetition ----------------------------------------------------------------------------

    def _star(self) -> None:
        self._repeat(self._at - 1, 0, None)

    def _plus(self) -> None:
        self._repeat(self._at - 1, 1, None)

    def _optional(self) -> None:
        self._repeat(self._at - 1, 0, 1)

    def _counted(self) -> None:
        at = self._at - 1
        end = self._text.find("}", at)
        low, comma, high = self._text[at + 1 : max(end, at)].partition(",")
        if low == "" and _is_count(high):
            raise _refusal("repetition", at, "has no lower bound; write '{0,' for none")
        if not _is_count(low) or not (high == "" or _is_count(high)):
            self._literal()
            return
        self._at = end + 1
        least = _count(low, at)
        most = _count(high, at) if high else None if comma else least
        if most is not None and most < least:
            raise _refusal("repetition", at, "has its bounds the wrong way round")
        self._repeat(at, least, most)

    def _repeat(self, at: int, low: int, high: int | None) -> None:
        if not self._repeatable:
            raise _refusal(f"'{self._text[at]}'", at, "has nothing to repeat")
        if self._repeated:
            raise _refusal(f"'{self._text[at]}'", at, "repeats a repetition; put that in a group")
        if self._next_is("+"):
            raise _refusal("possessive repetition '+'", self._at - 1)
        self._next_is("?")
        items = self._groups[-1].items
        items[-1] = self._checked(Repeat(items[-1], low, high), at)
        self._repeated = True


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _count(digits: str, at: int) -> int:
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(MAX_COUNT)) or int(significant) > MAX_COUNT:
        raise _refusal("repetition", at, f"counts beyond {MAX_COUNT:,}")
    return int(significant)


_HANDLERS: dict[str, Callable[[_Parser], None]] = {
    "(": _Parser._open,
    ")": _Parser._close,
    "*": _Parser._star,
    "+": _Parser._plus,
    ".": _Parser._any,
    "?": _Parser._optional,
    "[": _Parser._class,
    "\\": _Parser._escape,
    "^": _Parser._start,
    "$": _Parser._end,
    "{": _Parser._counted,
    "|": _Parser._branch,
}
