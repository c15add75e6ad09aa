"""The two ways in which a flag's function is written: plainly, or with everything written down.

Two dialects write the same structure. ``Plain`` tests and draws in place. ``Traced`` (see ``explain``) sends
every test and every draw through a recorder: so an explanation can't take another way than the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from mmh3 import mmh3_32_uintdigest

from .buckets import unit_text
from .conditions import Memo
from .context import Context
from .decision import Undecidable
from .rules import (
    TARGETING_KEY,
    Arm,
    Between,
    Broken,
    Bucket,
    Computed,
    Leaf,
    Prerequisite,
    Reader,
    Rule,
    Share,
    Subject,
)
from .source import Source

__all__ = ["Dialect", "Draw", "Linker", "Plain", "Test", "lookup", "unit_of"]

Test: TypeAlias = Callable[[Context], bool | None]


class Draw(NamedTuple):
    """A draw and what it decides: whether a unit takes part (and in what), or which arm it gets."""

    bucket: Bucket
    purpose: str
    share: Share | None = None
    arms: tuple[Arm, ...] = ()


class Linker(Protocol):
    """Where a flag's function finds what it refers to."""

    def segment(self, name: str) -> Test: ...
    def prerequisite(self, node: Prerequisite) -> Test: ...
    def now(self) -> float: ...


class Dialect(Protocol):
    """How tests and draws are written."""

    linker: Linker

    def holds(self, source: Source, leaf: Leaf) -> str: ...
    def fails(self, source: Source, leaf: Leaf) -> str: ...
    def between(self, source: Source, node: Between) -> str: ...
    def broken(self, source: Source, node: Broken) -> str: ...
    def computed(self, source: Source, node: Computed) -> str: ...
    def unit(self, source: Source, subject: Subject) -> None: ...
    def draw(self, source: Source, draw: Draw) -> str: ...
    def begin(self, source: Source, rule: Rule) -> None: ...
    def pinned(self, source: Source) -> None: ...
    def missing(self, source: Source, subject: Subject) -> None: ...


class Plain:
    """Tests and draws written in place: what every evaluation runs."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker

    def holds(self, source: Source, leaf: Leaf) -> str:
        form, subject = leaf.prepared.form, _subject(source, leaf.attribute)
        if form in ("==", "in"):
            return f"{subject} {form} {source.constant(leaf.prepared.operand)}"
        return self._ask(source, leaf, subject)

    def fails(self, source: Source, leaf: Leaf) -> str:
        return f"{self._ask(source, leaf, _subject(source, leaf.attribute))} is False"

    def _ask(self, source: Source, leaf: Leaf, subject: str) -> str:
        if leaf.prepared.form == "memo":
            return f"{source.constant(Memo(leaf.prepared.test))}[{subject}]"
        return f"{source.constant(leaf.prepared.test)}({subject})"

    def between(self, source: Source, node: Between) -> str:
        start = source.constant(float("-inf") if node.start is None else node.start)
        end = source.constant(float("inf") if node.end is None else node.end)
        return f"({start} <= {source.constant(self.linker.now)}() < {end})"

    def broken(self, source: Source, node: Broken) -> str:
        return f"{source.constant(_giving_up(node))}()"

    def computed(self, source: Source, node: Computed) -> str:
        return f"{source.constant(node.compute)}(c, {source.constant(self.linker.now)})"

    def unit(self, source: Source, subject: Subject) -> None:
        source.line(f"u = {_subject(source, subject)}")
        if not isinstance(subject, Reader):
            source.line(f"if u.__class__ is not str: u = {source.constant(unit_text)}(u)")

    def draw(self, source: Source, draw: Draw) -> str:
        bucket, scheme = draw.bucket, draw.bucket.scheme
        parts = [source.constant(bucket.prefix)] if bucket.prefix else []
        parts += ["u"] + ([source.constant(bucket.suffix)] if bucket.suffix else [])
        text = f"({' + '.join(parts)})"
        if scheme.hash != "murmur3" or scheme.spread == "unit":
            return f"{source.constant(scheme.numbering())}({text})"
        # A lone surrogate makes encode() raise; the snapshot then takes the traced way, which hashes it.
        seed = f", {source.constant(scheme.seed)}" if scheme.seed else ""
        number = f"{source.constant(mmh3_32_uintdigest)}({text}.encode(){seed})"
        return f"{number} % {source.constant(scheme.size)}" if scheme.spread == "mod" else number

    def begin(self, source: Source, rule: Rule) -> None:
        pass

    def pinned(self, source: Source) -> None:
        pass

    def missing(self, source: Source, subject: Subject) -> None:
        pass


def _giving_up(node: Broken) -> Callable[[], bool]:
    def give_up() -> bool:
        raise Undecidable(node.error)

    return give_up


# -- values ------------------------------------------------------------------------------------------


def lookup(context: Context, subject: Subject) -> Any:
    """The value of a subject: the targeting key, an attribute, what lies deeper in one; None if absent."""
    if subject == TARGETING_KEY:
        return context.targeting_key
    if isinstance(subject, Reader):
        return subject.read(context)
    return _walk(context.attributes, subject)


def unit_of(context: Context, subject: Subject) -> str | None:
    """The text that a subject is hashed as; None where it is no unit."""
    value = lookup(context, subject)
    if isinstance(subject, Reader):
        unit: str | None = value
        return unit
    return unit_text(value)


def _walk(attributes: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = attributes
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _subject(source: Source, subject: Subject) -> str:
    if isinstance(subject, Reader):
        return f"{source.constant(subject.read)}(c)"
    if subject == TARGETING_KEY:
        return "c.targeting_key"
    if len(subject) == 1:
        return source.attribute(subject[0])
    return f"{source.constant(_walk)}(c.attributes, {source.constant(subject)})"
