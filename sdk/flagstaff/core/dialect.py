"""The two ways in which a flag's function is written: plainly, or with everything written down.

Two dialects write the same structure. ``Plain`` tests and draws in place. ``Traced`` (see ``explain``) sends
every test and every draw through a recorder: so an explanation can't take another way than the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, NamedTuple, Protocol, TypeAlias

from .buckets import unit_text
from .conditions import prepare
from .context import Context
from .decision import Undecidable
from .prepared import Memo, Predicate
from .rules import Arm, Between, Broken, Bucket, Computed, Condition, Leaf, Prerequisite, Rule, Share
from .source import Source
from .subjects import TARGETING_KEY, Direct, Reader, Subject

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
    def member(self, name: str) -> Test: ...
    def condition(self, name: str) -> Condition: ...
    def prerequisite(self, node: Prerequisite) -> Test: ...
    def now(self) -> float: ...


class Dialect(Protocol):
    """How tests and draws are written. ``brief``: without what makes no difference to the answer."""

    linker: Linker
    brief: bool

    def holds(self, source: Source, leaf: Leaf) -> str: ...
    def fails(self, source: Source, leaf: Leaf) -> str: ...
    def between(self, source: Source, node: Between) -> str: ...
    def broken(self, source: Source, node: Broken) -> str: ...
    def computed(self, source: Source, node: Computed) -> str: ...
    def alternatives(self, items: tuple[Condition, ...]) -> tuple[Condition, ...]: ...
    def unit(self, source: Source, subject: Subject) -> str: ...
    def draw(self, source: Source, draw: Draw) -> str: ...
    def begin(self, source: Source, rule: Rule) -> None: ...
    def pinned(self, source: Source) -> None: ...
    def missing(self, source: Source, subject: Subject) -> None: ...


class Plain:
    """Tests and draws written in place: what every evaluation runs."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self.brief = True

    def holds(self, source: Source, leaf: Leaf) -> str:
        test, form, operand = leaf.prepared
        subject = _subject(source, leaf.attribute, entire=form != "exists")
        match form:
            case "==" | "in":
                return f"{subject} {form} {source.constant(operand)}"
            case "text in" | "text not in":
                return _text_first(source, subject, f"{form[5:]} {source.constant(operand)}", test)
            case "memo":
                return _remembered(source, subject, test)
            case "absent":
                name = source.name()
                decided = "is None or" if operand else "is not None and"
                return f"(({name} := {subject}) {decided} {source.constant(test)}({name}))"
            case "exists":
                return f"{subject} {'is not' if operand else 'is'} None"
            case _:
                return _asked(source, subject, leaf)

    def fails(self, source: Source, leaf: Leaf) -> str:
        test, form, operand = leaf.prepared
        subject = _subject(source, leaf.attribute)
        if form in _DENIED:
            denied = f"{_DENIED[form]} {source.constant(operand)}"
            return _text_first(source, subject, denied, test, " is False")
        return f"{_asked(source, subject, leaf)} is False"

    def alternatives(self, items: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """The same, but texts that one attribute may equal, looked up at once."""
        made: list[Condition] = []
        for attribute, run in groupby(items, _attribute_of_texts):
            found = [*run]
            if attribute is None or len(found) < _MANY:
                made += found
            else:
                texts = sorted(set().union(*map(_texts, found)))
                made.append(Leaf(attribute, "in", texts, prepare("in", texts)))
        return tuple(made)

    def between(self, source: Source, node: Between) -> str:
        start = source.constant(float("-inf") if node.start is None else node.start)
        end = source.constant(float("inf") if node.end is None else node.end)
        return f"({start} <= {source.constant(self.linker.now)}() < {end})"

    def broken(self, source: Source, node: Broken) -> str:
        return f"{source.constant(_giving_up(node))}()"

    def computed(self, source: Source, node: Computed) -> str:
        return f"{source.constant(node.compiled())}({source.context()}, {source.constant(self.linker.now)})"

    def unit(self, source: Source, subject: Subject) -> str:
        found = _subject(source, subject)
        if isinstance(subject, Reader):
            return found
        name = source.name()
        return f"({name} if type({name} := {found}) is str else {source.constant(unit_text)}({name}))"

    def draw(self, source: Source, draw: Draw) -> str:
        bucket, scheme = draw.bucket, draw.bucket.scheme
        parts = [source.constant(bucket.prefix)] if bucket.prefix else []
        parts += ["u"] + ([source.constant(bucket.suffix)] if bucket.suffix else [])
        text = f"({' + '.join(parts)})"
        # A lone surrogate makes encode() raise; the snapshot then takes the traced way, which hashes it.
        phrase, used = scheme.phrase()
        return phrase.format(text, *map(source.constant, used))

    def begin(self, source: Source, rule: Rule) -> None:
        pass

    def pinned(self, source: Source) -> None:
        pass

    def missing(self, source: Source, subject: Subject) -> None:
        pass


_DENIED = {"==": "!=", "in": "not in", "text in": "not in", "text not in": "in"}
"""How texts are denied what a form asks for."""


def _asked(source: Source, subject: str, leaf: Leaf) -> str:
    """An expression for the answer of a test, kept where that is worth it."""
    test, form, _ = leaf.prepared
    match form:
        case "memo":
            return f"{source.constant(Memo(test))}[{subject}]"
        case "text memo":
            name = source.name()
            kept, asked = source.constant(Memo(test)), source.constant(test)
            return f"({kept}[{name}] if ({name} := {subject}).__class__ is str else {asked}({name}))"
        case _:
            return f"{source.constant(test)}({subject})"


def _remembered(source: Source, subject: str, test: Predicate) -> str:
    """A test whose answers are kept, where only *true* counts."""
    memo, name = Memo(test), source.name()
    true, others, ask = (source.constant(kept) for kept in (memo.true, memo.others, memo))
    return f"(({name} := {subject}) in {true} or {name} not in {others} and {ask}[{name}])"


def _text_first(source: Source, subject: str, compared: str, test: Predicate, verdict: str = "") -> str:
    """A comparison of texts, and the test for all else."""
    name = source.name()
    otherwise = f"{source.constant(test)}({name}){verdict}"
    return f"({name} {compared} if ({name} := {subject}).__class__ is str else {otherwise})"


_MANY = 3
"""As many comparisons take longer than one look into a set."""


def _attribute_of_texts(item: Condition) -> Subject | None:
    """The attribute that a condition compares with texts, and does nothing else."""
    if not isinstance(item, Leaf) or item.prepared.form not in ("==", "in"):
        return None
    return item.attribute if all(isinstance(text, str) for text in _texts(item)) else None


def _texts(item: Any) -> Any:
    operand = item.prepared.operand
    return operand if item.prepared.form == "in" else {operand}


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


def _subject(source: Source, subject: Subject, *, entire: bool = True) -> str:
    """An expression for what a subject is; not ``entire`` where it only matters whether there is anything."""
    if isinstance(subject, Reader):
        if subject.direct is None:
            return _read(source, subject)
        return _direct(source, subject, subject.direct, subject.direct.prefix if entire else "")
    if subject == TARGETING_KEY:
        return source.targeting_key()
    if len(subject) == 1:
        return source.attribute(subject[0])
    return f"{source.constant(_walk)}({source.context()}.attributes, {source.constant(subject)})"


def _read(source: Source, reader: Reader) -> str:
    return f"{source.constant(reader.read)}({source.context()})"


def _direct(source: Source, reader: Reader, direct: Direct, prefix: str) -> str:
    """What a reader reads, with its own way of doing so for the rest."""
    found = source.targeting_key() if direct.attribute is None else source.attribute(direct.attribute)
    conditions = []
    if not direct.always:
        name = source.name()
        conditions, found = [f"type({name} := {found}) is str and {name}"], name
    conditions += map(source.lacks, direct.unless)
    if prefix:
        found = f"{source.constant(prefix)} + {found}"
    return f"({found} if {' and '.join(conditions)} else {_read(source, reader)})" if conditions else found
