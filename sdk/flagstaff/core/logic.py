"""Conditions into expressions: a logic of three values that needs no third one at run time.

A condition is asked either whether it is definitely true (``holds``) or whether it is definitely false
(``fails``); unknown is neither. That is Kleene's strong logic (1952).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from math import inf
from typing import TypeAlias

from .dialect import Dialect, Draw, Test
from .rules import (
    AllOf,
    AnyOf,
    Between,
    Broken,
    Condition,
    Drawn,
    InSegment,
    Known,
    Leaf,
    Not,
    Prerequisite,
    Share,
)
from .schemes import Rank
from .source import Source
from .subjects import Reader, Subject

__all__ = ["compile_condition", "compile_member", "holds", "in_range", "is_whole", "there", "within"]

_Whole: TypeAlias = Between | InSegment | Prerequisite | Drawn | Broken


def holds(source: Source, dialect: Dialect, node: Condition) -> str:
    """An expression that is true if and only if the condition is definitely true."""
    match node:
        case Leaf():
            return dialect.holds(source, node)
        case AllOf(items):
            return _joined("and", (holds(source, dialect, item) for item in items), "True")
        case AnyOf(items):
            items = dialect.alternatives(items)
            return _joined("or", (holds(source, dialect, item) for item in items), "False")
        case Not(item):
            return fails(source, dialect, item)
        case Known(item):
            return holds(source, dialect, item)
        case InSegment(name) if dialect.brief and not source.keeps:
            return _member(source, dialect, name)
        case Drawn(share) if dialect.brief and not source.keeps:
            return _included(source, dialect, share)
        case _:
            return _answer(source, dialect, node)


def fails(source: Source, dialect: Dialect, node: Condition) -> str:
    """An expression that is true if and only if the condition is definitely false."""
    match node:
        case Leaf():
            return dialect.fails(source, node)
        case AllOf(items):
            return _joined("or", (fails(source, dialect, item) for item in items), "False")
        case AnyOf(items):
            return _joined("and", (fails(source, dialect, item) for item in items), "True")
        case Not(item):
            return holds(source, dialect, item)
        case Known(item):
            return f"(not {holds(source, dialect, item)})"
        case _:
            return f"{_answer(source, dialect, node)} is False"


def _member(source: Source, dialect: Dialect, name: str) -> str:
    """Whether a segment's condition holds: written in place, where it is small."""
    condition = dialect.linker.condition(name)
    if _size(condition) <= _SMALL:
        return holds(source, dialect, condition)
    return _asked(source, dialect.linker.member(name))


_SMALL = 16
"""The size of a segment that is written in place."""


def _size(node: Condition) -> float:
    """How many parts a condition has; infinitely many where it asks for other segments, or flags."""
    match node:
        case AllOf(items) | AnyOf(items):
            return 1 + sum(map(_size, items))
        case Not(item) | Known(item):
            return 1 + _size(item)
        case InSegment() | Prerequisite():
            return inf
        case _:
            return 1


def _included(source: Source, dialect: Dialect, share: Share) -> str:
    """Whether a unit lies in a share, in place."""
    unit = share.bucket.unit
    is_there = f"(u := {dialect.unit(source, unit)}){' is not None' if isinstance(unit, Reader) else ''}"
    if is_whole(share):
        return f"({is_there})"
    number = dialect.draw(source, Draw(share.bucket, "bucket", share))
    return f"({is_there} and (n := {number}) is not None and ({within(source, dialect, share)}))"


def _joined(word: str, parts: Iterator[str], empty: str) -> str:
    return "(" + (f" {word} ".join(parts) or empty) + ")"


def _answer(source: Source, dialect: Dialect, node: _Whole) -> str:
    match node:
        case Between():
            return source.answer(node, lambda: dialect.between(source, node))
        case Broken():
            return dialect.broken(source, node)
        case _:
            return source.answer(node, lambda: _asked(source, _linked(dialect, node)))


def _asked(source: Source, test: Test) -> str:
    return f"{source.constant(test)}({source.context()})"


def _linked(dialect: Dialect, node: InSegment | Prerequisite | Drawn) -> Test:
    match node:
        case InSegment(name):
            return dialect.linker.segment(name)
        case Prerequisite():
            return dialect.linker.prerequisite(node)
        case _:
            return _compile_drawn(node, dialect)


def compile_member(node: Condition, dialect: Dialect) -> Test:
    """A function whose answer is true, or as good as, if and only if the condition is definitely true."""
    source = Source()
    source.line(f"return {holds(source, dialect, node)}")
    return source.function()


def compile_condition(node: Condition, dialect: Dialect) -> Test:
    """A function that answers True, False or None for a context."""
    source = Source(keeps=True)
    source.line(f"if {holds(source, dialect, node)}: return True")
    source.line(f"if {fails(source, dialect, node)}: return False")
    source.line("return None")
    return source.function()


def _compile_drawn(node: Drawn, dialect: Dialect) -> Test:
    share, source = node.share, Source()
    source.line(f"u = {dialect.unit(source, share.bucket.unit)}")
    source.line(f"if not {there(share.bucket.unit)}: return None")
    source.line(f"n = {dialect.draw(source, Draw(share.bucket, 'bucket', share))}")
    source.line(f"return {within(source, dialect, share)}")
    return source.function()


# -- draws -----------------------------------------------------------------------------------------


def there(unit: Subject) -> str:
    """An expression that is true if there is a unit ``u``: of a reader, even an empty text is one."""
    return "(u is not None)" if isinstance(unit, Reader) else "u"


def is_whole(share: Share) -> bool:
    """Whether every unit lies in the share, at any time."""
    ends = share.bucket.scheme.ends_at
    return not share.steps and any(start <= 0 and ends(stop) for start, stop in share.ranges)


def within(source: Source, dialect: Dialect, share: Share) -> str:
    """An expression that is true if the number ``n`` lies in the share."""
    cut = share.bucket.scheme.cut
    if share.steps:
        begins = [begins for begins, _ in share.steps]
        cuts = [cut(0), *(cut(bound) for _, bound in share.steps)]
        names = (source.constant(value) for value in (cuts, bisect_right, begins, dialect.linker.now))
        return "n < {}[{}({}, {}())]".format(*names)
    ranges = (in_range(source, cut(start), cut(stop)) for start, stop in share.ranges)
    return " or ".join(ranges) or "False"


def in_range(source: Source, start: Rank, stop: Rank) -> str:
    """An expression that is true if ``n``, which is never negative, lies in [start, stop)."""
    below = f"n < {source.constant(stop)}"
    return f"{source.constant(start)} <= {below}" if start else below
