"""How the positions of a pattern follow one another.

At a boundary of one kind every assertion either holds or doesn't. So each kind has its own automaton, with
the same positions, in which the assertions are gone: either they cost nothing, or nothing gets past them.
It is Glushkov's ("The abstract theory of automata", 1961), which has no empty moves.
"""

from __future__ import annotations

from collections.abc import Iterator

from .nodes import Chars, Compound, Firsts, Node

__all__ = ["Moves", "in_order"]


def in_order(root: Node) -> list[Node]:
    """The root and all below it, parents before children."""
    nodes = [root]
    for node in nodes:
        nodes.extend(node.items)
    return nodes


def _follow(nodes: list[Node], at: int) -> tuple[int, list[int]]:
    """What may come first and what after each position; the bit past the last position is the end."""
    firsts = Firsts(at)
    for node in reversed(nodes):
        firsts[node] = node.first(firsts) if isinstance(node, Compound) else node.width
    root = nodes[0]
    end = 1 << root.width
    follow = [0] * root.width
    todo = [(root, 0, end)]
    while todo:
        node, offset, after = todo.pop()
        if isinstance(node, Chars):
            follow[offset] = after
        elif isinstance(node, Compound):
            todo.extend(node.parts(offset, after, firsts))
    return firsts[root] | (end if root.nullable & at else 0), follow


class Moves:
    """From a set of positions to all that may come next across one kind of boundary, in a few big steps.

    Most positions lead to the next one or to one close by: all those with the same distance move at
    once, by a shift (as in the bit-parallel matchers of Baeza-Yates and Gonnet, 1992, and Navarro and
    Raffinot, 2002). The rest jump, those with the same targets together. A new attempt starts at every
    boundary: that is what makes it a search.
    """

    __slots__ = ("jumps", "shifts", "start")

    def __init__(self, nodes: list[Node], at: int) -> None:
        start, follow = _follow(nodes, at)
        self.start: int = start
        hubs = _hubs(follow)
        shifts = _common_distances(follow, hubs)
        jumps: dict[int, int] = {}
        for position, targets in enumerate(follow):
            distant = targets
            for distance in _near(targets & ~hubs, position):
                if distance in shifts:
                    shifts[distance] |= 1 << position
                    distant ^= 1 << (position + distance)
            if distant:
                jumps[distant] = jumps.get(distant, 0) | 1 << position
        self.shifts: tuple[tuple[int, int, int], ...] = tuple(
            (movers, max(by, 0), max(-by, 0)) for by, movers in shifts.items()
        )
        self.jumps: tuple[tuple[int, int], ...] = tuple(
            (jumpers, targets) for targets, jumpers in jumps.items()
        )

    def reached(self, positions: int) -> int:
        """The positions that may come next, and the bit past the last where the pattern may end here."""
        reached = self.start
        for movers, left, right in self.shifts:
            reached |= (positions & movers) << left >> right
        for jumpers, targets in self.jumps:
            if positions & jumpers:
                reached |= targets
        return reached


_REACH = 8
_COMMON = 4


def _near(targets: int, position: int) -> Iterator[int]:
    """The distances, backward and forward, to those targets that are within reach of a position."""
    window = targets << _REACH >> position & ((1 << (2 * _REACH + 1)) - 1)
    while window:
        lowest = window & -window
        yield lowest.bit_length() - 1 - _REACH
        window ^= lowest


def _common_distances(follow: list[int], hubs: int) -> dict[int, int]:
    """Distances that enough positions share to be worth a shift, with no position yet."""
    counts = dict.fromkeys(range(-_REACH, _REACH + 1), 0)
    for position, targets in enumerate(follow):
        for distance in _near(targets & ~hubs, position):
            counts[distance] += 1
    return {distance: 0 for distance, count in counts.items() if count >= _COMMON}


def _hubs(follow: list[int]) -> int:
    """Targets that 32 positions or more lead to: too many to be near, so that jumps can share them."""
    hubs, digits = 0, [0] * 5
    for targets in follow:
        carry = targets
        for index, digit in enumerate(digits):
            digits[index], carry = digit ^ carry, digit & carry
        hubs |= carry
    return hubs
