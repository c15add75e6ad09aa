r"""What a pattern is made of.

A *position* is a place in the pattern, every repetition written out, that one character of the text can
stand at. A set of positions is an int, one bit each.

An assertion (``^``, ``\b``) looks at one *boundary*: what is before it and what is after. There are sixteen
kinds of boundary, and at each kind an assertion either holds or doesn't.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator

from .charset import Ranges

__all__ = [
    "ANYWHERE",
    "EDGE",
    "LINE_END",
    "LINE_START",
    "NEITHER",
    "NEWLINE_CHAR",
    "NOT_WORD_EDGE",
    "TEXT_END",
    "TEXT_START",
    "WORD_CHAR",
    "WORD_EDGE",
    "Chars",
    "Choice",
    "Compound",
    "Firsts",
    "Look",
    "Node",
    "Repeat",
    "Sequence",
    "boundary",
]

NEITHER, WORD_CHAR, NEWLINE_CHAR, EDGE = range(4)
"""What is on one side of a boundary; EDGE is the start or the end of the text."""

ANYWHERE = 1 << 16
"""No real boundary: one where every assertion holds. The automaton is at its largest there."""

_ALWAYS = (1 << 17) - 1


def boundary(before: int, after: int) -> int:
    """The kind of a boundary, as a bit."""
    return 1 << (before * 4 + after)


def _where(holds: Callable[[int, int], bool]) -> int:
    sides = range(4)
    return ANYWHERE | sum(boundary(a, b) for a in sides for b in sides if holds(a, b))


TEXT_START = _where(lambda before, _: before == EDGE)
TEXT_END = _where(lambda _, after: after == EDGE)
LINE_START = _where(lambda before, _: before in (EDGE, NEWLINE_CHAR))
LINE_END = _where(lambda _, after: after in (EDGE, NEWLINE_CHAR))
WORD_EDGE = _where(lambda before, after: (before == WORD_CHAR) != (after == WORD_CHAR))
NOT_WORD_EDGE = _where(lambda before, after: (before == WORD_CHAR) == (after == WORD_CHAR))


class Node:
    """A part of a pattern.

    ``width`` counts its positions, ``size`` the states that it is charged for, and ``nullable`` holds the
    boundaries, as bits, at which it matches without a character.
    """

    __slots__ = ("items", "nullable", "size", "width")

    def __init__(self, items: tuple[Node, ...], width: int, size: int, nullable: int) -> None:
        self.items: tuple[Node, ...] = items
        self.width: int = width
        self.size: int = size
        self.nullable: int = nullable

    def leaves(self) -> list[Chars]:
        """What each position accepts, in order."""
        return [leaf for item in self.items for leaf in item.leaves()]


class Chars(Node):
    """One character of a set."""

    __slots__ = ("ranges",)

    def __init__(self, ranges: Ranges) -> None:
        super().__init__((), 1, 1, 0)
        self.ranges: Ranges = ranges

    def leaves(self) -> list[Chars]:
        return [self]


class Look(Node):
    """An assertion: no character, but only certain boundaries."""

    __slots__ = ()

    def __init__(self, holds: int) -> None:
        super().__init__((), 0, 1, holds)


class Compound(Node):
    """A node made of others."""

    __slots__ = ()

    @abstractmethod
    def first(self, firsts: Firsts) -> int:
        """The positions that it can begin with, counted from its own start."""

    @abstractmethod
    def parts(self, offset: int, after: int, firsts: Firsts) -> Iterator[tuple[Node, int, int]]:
        """Its items, each with its place and with what may come after it, given what may after the whole."""


class Sequence(Compound):
    """One item after the other; without any it matches nothing at all, everywhere."""

    __slots__ = ()

    def __init__(self, items: tuple[Node, ...]) -> None:
        nullable = _ALWAYS
        for item in items:
            nullable &= item.nullable
        super().__init__(
            items, sum(item.width for item in items), 1 + sum(item.size for item in items), nullable
        )

    def first(self, firsts: Firsts) -> int:
        reached = offset = 0
        for item in self.items:
            reached |= firsts[item] << offset
            if not item.nullable & firsts.at:
                break
            offset += item.width
        return reached

    def parts(self, offset: int, after: int, firsts: Firsts) -> Iterator[tuple[Node, int, int]]:
        offset += self.width
        for item in reversed(self.items):
            offset -= item.width
            yield item, offset, after
            after = (firsts[item] << offset) | (after if item.nullable & firsts.at else 0)


class Choice(Compound):
    """Any one of its items."""

    __slots__ = ()

    def __init__(self, items: tuple[Node, ...]) -> None:
        nullable = 0
        for item in items:
            nullable |= item.nullable
        super().__init__(
            items, sum(item.width for item in items), 1 + sum(item.size for item in items), nullable
        )

    def first(self, firsts: Firsts) -> int:
        reached = offset = 0
        for item in self.items:
            reached |= firsts[item] << offset
            offset += item.width
        return reached

    def parts(
        self,
        offset: int,
        after: int,
        firsts: Firsts,  # noqa: ARG002 - nothing within leads to another item
    ) -> Iterator[tuple[Node, int, int]]:
        for item in self.items:
            yield item, offset, after
            offset += item.width


class Repeat(Compound):
    """Its item, ``low`` to ``high`` times, or without end where ``high`` is None.

    The item is copied as often as it is counted. A round that matches no character adds nothing when the
    item can do so at every boundary: then fewer rounds do as well, and there is no lower bound. Otherwise
    such a round counts, so a copy may be passed through where its item is nullable.
    """

    __slots__ = ("_copies", "_item", "_loops", "_low")

    def __init__(self, item: Node, low: int, high: int | None) -> None:
        if item.nullable == _ALWAYS:
            low = 0
        if not item.width:
            low, high = min(low, 1), 0 if high == 0 else 1
        self._item = item
        self._low = low
        self._loops = high is None
        self._copies = max(low, 1) if high is None else high
        size = 1 + item.size * self._copies
        super().__init__((item,), item.width * self._copies, size, item.nullable if low else _ALWAYS)

    def leaves(self) -> list[Chars]:
        return self._item.leaves() * self._copies

    def _passable(self, at: int) -> bool:
        return bool(self._item.nullable & at) and self._item.nullable != _ALWAYS

    def first(self, firsts: Firsts) -> int:
        reached = 0
        for copy in range(self._copies if self._passable(firsts.at) else min(self._copies, 1)):
            reached |= firsts[self._item] << (copy * self._item.width)
        return reached

    def parts(self, offset: int, after: int, firsts: Firsts) -> Iterator[tuple[Node, int, int]]:
        item, passable, following = self._item, self._passable(firsts.at), after
        for copy in reversed(range(self._copies)):
            place = offset + copy * item.width
            begin = firsts[item] << place
            if self._loops and copy == self._copies - 1:
                following |= begin
            yield item, place, following
            following = begin | (following if passable else 0) | (after if copy >= self._low else 0)


class Firsts(dict[Node, int]):
    """What each node can begin with after a boundary of the kind ``at``: see ``Compound.first``."""

    __slots__ = ("at",)

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at: int = at
