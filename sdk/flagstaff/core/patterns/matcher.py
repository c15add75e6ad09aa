r"""Regular expressions that take time linear in the text, whatever the pattern and whatever the text.

Patterns come from the network, and Python's ``re`` can be made to backtrack for years. This matcher never
backtracks: it walks the text once and keeps the set of places in the pattern where it may stand (Ken
Thompson, "Regular Expression Search Algorithm", CACM 1968). Each set it meets becomes a state of a
deterministic automaton, made when first needed and kept, as in Russ Cox's "Regular Expression Matching
Can Be Simple And Fast" (2007) and in RE2; so a warm search is one dictionary lookup per character.

The syntax is RE2's (https://github.com/google/re2/wiki/Syntax), close to RFC 9485:

* literals, ``.``, ``[a-z]``, ``[^a-z]``, ``[[:alpha:]]``, ``\d \D \w \W \s \S``;
* ``\t \n \r \f \v \a``, ``\xHH``, ``\x{H…}``, ``\uHHHH``, and a backslash before any punctuation;
* ``( )``, ``(?: )``, ``(?P<name> )``, ``(?<name> )``, ``|``, and ``* + ? {m} {m,} {m,n}``, greedy or lazy:
  which of the two makes no difference to whether there is a match;
* ``^ $ \A \z \b \B``; ``$`` is the very end of the text, not before a last newline;
* flags ``i m s``: ``(?i)`` up to the end of the group, ``(?i: )`` within, ``(?-i)`` takes one away; ``U`` may
  be there and makes no difference.

``\d \w \s \b`` and the POSIX classes are ASCII; ``\s`` holds the vertical tab. ``i`` goes by simple case
folding, one character for one (see ``charset.relatives``), and leaves ``\d \w \s`` as they are.
Characters are code points, lone surrogates among them. Look-around, back-references, atomic groups,
possessive repetition, conditionals and ``\p`` are refused, as are patterns beyond the limits of size, count
and depth (see ``parser``).
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from .charset import NEWLINE, Classes, Ranges, ascii_classes
from .moves import Moves, in_order
from .nodes import (
    ANYWHERE,
    EDGE,
    LINE_END,
    LINE_START,
    NEWLINE_CHAR,
    NOT_WORD_EDGE,
    WORD_CHAR,
    WORD_EDGE,
    Chars,
    Look,
    Node,
    boundary,
)
from .parser import parse

__all__ = ["Pattern", "compile_pattern"]

_BUDGET = 1 << 20
"""About how many bytes of states and transitions a pattern keeps; beyond them it starts afresh."""
_STATE_COST = 360
_TRANSITION_COST = 60

_MAX_JUMPS = 150
"""How many separate jumps one step may have to look at: with the number of states, the bound on its cost."""

_END = ""
"""Stands for the end of the text among its characters."""


def compile_pattern(pattern: str, classes: Callable[[], Classes] = ascii_classes) -> Pattern:
    r"""A function that says whether ``pattern`` is found anywhere in a text.

    ``classes`` gives what ``\d \w \s \b`` go by, for dialects in which that is not ASCII.
    Raises ValueError with a sentence that names the construct and its position, counted from 0, when the
    pattern is malformed, uses what is not supported or is too large.
    """
    return Pattern(pattern, classes)


class _State(dict[str, "_State"]):
    """A set of places in the pattern, and where each character leads from there, as far as known.

    ``verdict`` is the answer where no character that follows can change it.
    """

    __slots__ = ("_key", "_pattern", "verdict")

    def __init__(self, pattern: Pattern, key: int, verdict: bool | None = None) -> None:
        super().__init__()
        self._pattern = pattern
        self._key = key
        self.verdict = verdict

    def __missing__(self, char: str) -> _State:
        pattern = self._pattern
        leader = pattern._alphabet.leader(char)
        state = self[char] = pattern._step(self._key, leader) if char == leader else self[leader]
        pattern._charge(_TRANSITION_COST)
        return state


class _Alphabet:
    """The characters, sorted into classes that nothing in the pattern tells apart.

    A class goes by its leader, the least of its characters. ``bits`` holds those of the sets that it is in.
    """

    __slots__ = ("_leaders", "_starts", "bits")

    def __init__(self, sets: Iterable[tuple[Ranges, int]]) -> None:
        changes = {0: 0}
        for ranges, bits in sets:
            for low, high in ranges:
                changes[low] = changes.get(low, 0) ^ bits
                changes[high + 1] = changes.get(high + 1, 0) ^ bits
        changes.pop(sys.maxunicode + 1, None)
        self._starts = sorted(changes)
        self._leaders: list[str] = []
        leaders: dict[int, str] = {}
        held = 0
        for start in self._starts:
            held ^= changes[start]
            self._leaders.append(leaders.setdefault(held, chr(start)))
        self.bits = {leader: held for held, leader in leaders.items()}

    def leader(self, char: str) -> str:
        return char and self._leaders[bisect_right(self._starts, ord(char)) - 1]


class Pattern:
    """A compiled regular expression: call it with a text.

    Safe to share between threads: what two of them work out at once is the same.

    A key, by which states are known, is an int: a bit for each position that the last character stood at,
    and above them, where the end's bit would be, what that character was to a boundary.
    """

    __slots__ = (
        "_alphabet",
        "_anchored",
        "_classes",
        "_found",
        "_looks",
        "_lost",
        "_moves",
        "_nodes",
        "_spent",
        "_start",
        "_states",
        "_width",
        "pattern",
    )

    def __init__(self, pattern: str, classes: Callable[[], Classes] = ascii_classes) -> None:
        root = parse(pattern, classes)
        self.pattern: str = pattern
        self._classes = classes
        self._nodes = in_order(root)
        self._width = root.width
        self._looks = sorted({node.nullable for node in self._nodes if isinstance(node, Look)})
        self._moves: dict[int, Moves] = {}
        if root.width > _MAX_JUMPS and len(Moves(self._nodes, ANYWHERE).jumps) > _MAX_JUMPS:
            raise ValueError(f"the pattern is too large: its parts lead to over {_MAX_JUMPS} distant places")
        self._alphabet = _Alphabet(self._sets(root))
        self._alphabet.bits[_END] = EDGE << self._width
        self._found = _State(self, 0, True)
        self._lost = _State(self, 0, False)
        self._start = _State(self, EDGE << self._width)
        self._anchored: bool | None = None
        self._states: dict[int, _State] = {}
        self._spent = 0

    def search(self, text: str) -> bool:
        """Whether the pattern is found anywhere in ``text``."""
        state = self._start
        for char in text:
            state = state[char]
            if state.verdict is not None:
                return state.verdict
        return state[_END] is self._found

    __call__ = search

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r})"

    def _sets(self, root: Node) -> Iterator[tuple[Ranges, int]]:
        """The sets of the positions and, where assertions tell them apart, of words and of newlines."""
        positions: dict[Chars, int] = {}
        for index, leaf in enumerate(root.leaves()):
            positions[leaf] = positions.get(leaf, 0) | 1 << index
        yield from ((leaf.ranges, bits) for leaf, bits in positions.items())
        if {WORD_EDGE, NOT_WORD_EDGE}.intersection(self._looks):
            yield self._classes().word, WORD_CHAR << self._width
        if {LINE_START, LINE_END}.intersection(self._looks):
            yield NEWLINE, NEWLINE_CHAR << self._width

    def _step(self, key: int, leader: str) -> _State:
        """The state that a class of characters leads to; the work is bounded by the size of the pattern."""
        width, bits = self._width, self._alphabet.bits[leader]
        reached = self._across(key >> width, bits >> width).reached(key)
        if reached >> width:
            return self._found
        if leader == _END or (not bits & reached and self._starts_once()):
            return self._lost
        return self._state(bits & (reached | EDGE << width))

    def _across(self, before: int, after: int) -> Moves:
        """The moves across a boundary; those where the same assertions hold are made once."""
        at = boundary(before, after)
        moves = self._moves.get(at)
        if moves is None:
            known, holding = list(self._moves.items()), self._holding(at)
            alike = (made for other, made in known if self._holding(other) == holding)
            moves = self._moves[at] = next(alike, None) or Moves(self._nodes, at)
        return moves

    def _holding(self, at: int) -> list[int]:
        return [look for look in self._looks if look & at]

    def _starts_once(self) -> bool:
        """Whether no attempt can begin after the first character, as behind a ``^``."""
        if self._anchored is None:
            boundaries = ((before, after) for before in range(EDGE) for after in range(EDGE + 1))
            self._anchored = not any(self._across(before, after).start for before, after in boundaries)
        return self._anchored

    def _state(self, key: int) -> _State:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State(self, key)
            self._charge(_STATE_COST + self._width // 8)
        return state

    def _charge(self, cost: int) -> None:
        """Counts what is kept and, when it is too much, forgets it all; a search goes on from where it is."""
        self._spent += cost
        if self._spent > _BUDGET:
            forgotten, self._states, self._spent = self._states, {}, 0
            for state in [self._start, *forgotten.values()]:
                state.clear()
