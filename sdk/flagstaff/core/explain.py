"""Why a decision fell as it did: the evaluation itself, with every test and draw written down.

An explanation is made by running the flag's own function in its traced dialect (see ``compiler``), so its
decision *is* the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .context import Context
from .decision import Decision, Undecidable, own
from .dialect import Draw, lookup, unit_of
from .rules import Arm, Between, Broken, Computed, Condition, Leaf, Rule, Share
from .schemes import Number, Rank
from .source import Source
from .subjects import Subject, label

__all__ = ["Explanation", "Step", "Trace", "Traced"]


class Step:
    """One thing that an evaluation did.

    ``kind`` is ``rule``, ``condition``, ``time``, ``segment``, ``prerequisite``, ``pin``, ``draw``, ``unit``,
    ``expression``, ``broken`` or ``override``; ``depth`` counts how far it lies inside others; ``result`` is
    True, False, None (unknown) or, of a draw, the bucket, of an expression, the variant; ``details`` holds
    the parts of ``text`` for machines.
    """

    __slots__ = ("depth", "details", "kind", "result", "text")

    def __init__(self, kind: str, depth: int, text: str, result: Any, details: Mapping[str, Any]) -> None:
        self.kind: str = kind
        self.depth: int = depth
        self.text: str = text
        self.result: Any = result
        self.details: Mapping[str, Any] = details

    def __str__(self) -> str:
        return "  " * self.depth + self.text

    def __repr__(self) -> str:
        return f"Step({self.kind!r}, {self.text!r})"


class Explanation:
    """A decision and every step that led to it; ``str()`` of it is for people, ``to_dict()`` for machines."""

    __slots__ = ("context", "decision", "steps")

    def __init__(self, decision: Decision, context: Context, steps: tuple[Step, ...]) -> None:
        self.decision: Decision = decision
        self.context: Context = context
        self.steps: tuple[Step, ...] = steps

    def __str__(self) -> str:
        decision = self.decision
        verdict = f"{decision.flag} = {_shown(decision.value)} ({decision.reason})"
        head = f"{verdict} variant {decision.variant}" if decision.variant is not None else verdict
        lines = [_printable(head), *(f"  {step}" for step in self.steps)]
        if decision.error is not None:
            lines.append(f"  {decision.error}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Explanation({self.decision!r}, {len(self.steps)} steps)"

    def to_dict(self) -> dict[str, Any]:
        """The decision and the steps as plain data."""
        decision = self.decision
        names = ("flag", "enabled", "value", "variant", "rule", "experiment", "error")
        return {
            "decision": {name: getattr(decision, name) for name in names}
            | {"reason": str(decision.reason), "metadata": dict(decision.metadata)},
            "steps": [
                {
                    "kind": step.kind,
                    "depth": step.depth,
                    "result": step.result,
                    "text": step.text,
                    **step.details,
                }
                for step in self.steps
            ],
        }


class Trace:
    """The steps of one evaluation, as they happen."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.steps: list[Step] = []
        self._now = now
        self._depth = 0
        self._in_rule = 0

    def add(self, kind: str, text: str, result: Any = None, **details: Any) -> Step:
        step = Step(kind, self._depth + self._in_rule, _printable(text), result, details)
        self.steps.append(step)
        return step

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is added meanwhile lies one level deeper."""
        outside = self._depth, self._in_rule
        self._depth, self._in_rule = self._depth + self._in_rule + 1, 0
        try:
            yield
        finally:
            self._depth, self._in_rule = outside

    def begin(self, rule: Rule) -> None:
        self._in_rule = 0
        name = "rule" if rule.id is None else f"rule {rule.id}"
        self.add("rule", name + (" (always)" if rule.when is None else ""), rule=rule.id)
        self._in_rule = 1

    def leaf(self, leaf: Leaf, context: Context) -> bool | None:
        """The verdict of a test; unknown where the value itself gets in the way."""
        name = label(leaf.attribute)
        try:
            value = lookup(context, leaf.attribute)
            result = leaf.prepared.test(value)
            result = None if result is None else bool(result)
        except Exception:  # noqa: BLE001  # a user's object may raise anything from __eq__ or __hash__
            value, result = _Unreadable(), None
        actual = "is absent" if value is None else f"was {_shown(value)}"
        text = f"{name} {leaf.op} {_shown(leaf.operand)}: {_verdict(result)} ({actual})"
        details = {"attribute": name, "op": leaf.op, "operand": own(leaf.operand), "value": _plain(value)}
        self.add("condition", text, result, **details)
        return result

    def between(self, node: Between, now: Callable[[], float]) -> bool:
        """Whether it is a time within the window."""
        moment = now()
        result = node.includes(moment)
        window = {"start": _instant(node.start), "end": _instant(node.end), "now": _instant(moment)}
        bounds = f"from {window['start'] or 'ever'} to {window['end'] or 'ever'}"
        self.add("time", f"time {bounds}: {_verdict(result)} (it was {window['now']})", result, **window)
        return result

    def broken(self, node: Broken) -> bool:
        """Give up."""
        self.add("broken", node.error, None)
        raise Undecidable(node.error)

    def computed(self, node: Computed, context: Context, now: Callable[[], float]) -> str | None:
        """The variant that an expression names."""
        chosen = node.compiled()(context, now)
        text = f"{node.language} {_shown(node.expression)} = {_shown(chosen)}"
        self.add("expression", text, chosen, language=node.language, expression=own(node.expression))
        return chosen

    def unit(self, subject: Subject, context: Context) -> str | None:
        """The text that a unit is hashed as; None where there is none, or where the value gets in the way."""
        try:
            return unit_of(context, subject)
        except Exception:  # noqa: BLE001  # a user's mapping may raise anything from get
            return None

    def draw(self, draw: Draw, unit: str) -> Rank:
        """What a unit is drawn by."""
        scheme, text = draw.bucket.scheme, f"{draw.bucket.prefix}{unit}{draw.bucket.suffix}"
        rank = scheme.rank(text)
        number, bucket = scheme.hashed(rank), scheme.bucket(rank)
        target = _share_text(draw.share, self._now()) if draw.share else _arms_text(draw.arms)
        hashed = f"hash({_shown(text)})" + (f" = {number}" if number != bucket else "")
        size = f" of {scheme.size:,}" if scheme.spread in ("scale", "mod") else ""
        line = f"{draw.purpose}: {hashed}, bucket {bucket:,}{size}; {target}"
        details = {
            "salt": draw.bucket.salt,
            "unit": unit,
            "hash": number,
            "bucket": bucket,
            "target": target,
        }
        self.add("draw", line, bucket, **details)
        return rank

    def pinned(self, unit: str) -> None:
        self.add("pin", f"{_shown(unit)} is pinned", True, unit=unit)

    def missing(self, subject: Subject) -> None:
        name = label(subject)
        self.add("unit", f"no unit: {name} is absent or neither text nor an int", None, unit_type=name)


class Traced:
    """The dialect that writes everything down."""

    def __init__(self, linker: Any, trace: Trace) -> None:
        self.linker = linker
        self.brief = False
        self._trace = trace

    def holds(self, source: Source, leaf: Leaf) -> str:
        return f"{self._ask(source, leaf)} is True"

    def fails(self, source: Source, leaf: Leaf) -> str:
        return f"{self._ask(source, leaf)} is False"

    def _ask(self, source: Source, leaf: Leaf) -> str:
        ask = partial(self._trace.leaf, leaf)
        return source.answer(leaf, lambda: f"{source.constant(ask)}({source.context()})")

    def between(self, source: Source, node: Between) -> str:
        return f"{source.constant(partial(self._trace.between, node, self.linker.now))}()"

    def broken(self, source: Source, node: Broken) -> str:
        return f"{source.constant(partial(self._trace.broken, node))}()"

    def computed(self, source: Source, node: Computed) -> str:
        compute = partial(self._trace.computed, node, now=self.linker.now)
        return f"{source.constant(compute)}({source.context()})"

    def alternatives(self, items: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return items

    def unit(self, source: Source, subject: Subject) -> str:
        return f"{source.constant(partial(self._trace.unit, subject))}({source.context()})"

    def draw(self, source: Source, draw: Draw) -> str:
        return f"{source.constant(partial(self._trace.draw, draw))}(u)"

    def begin(self, source: Source, rule: Rule) -> None:
        source.line(f"{source.constant(partial(self._trace.begin, rule))}()")

    def pinned(self, source: Source) -> None:
        source.line(f"{source.constant(self._trace.pinned)}(u)")

    def missing(self, source: Source, subject: Subject) -> None:
        source.line(f"{source.constant(partial(self._trace.missing, subject))}()")


def nested(
    trace: Trace, kind: str, name: str, test: Callable[[Context], bool | None]
) -> Callable[[Context], bool | None]:
    """A test that is written down under a heading, with what happens in it one level deeper."""

    def traced(context: Context) -> bool | None:
        step = trace.add(kind, f"{kind} {name}: not told", name=name)
        with trace.inside():
            result = step.result = test(context)
        step.text = _printable(f"{kind} {name}: {_verdict(result)}")
        return result

    return traced


def _arms_text(arms: tuple[Arm, ...]) -> str:
    return ", ".join(f"{arm.variant} {_range_text(arm.start, arm.stop)}" for arm in arms)


def _share_text(share: Share, now: float) -> str:
    ranges = " or ".join(_range_text(*bounds) for bounds in share.ranges_at(now))
    return f"in for {ranges or 'nobody'}" + (" at this time" if share.steps else "")


def _range_text(start: Number, stop: Number) -> str:
    if isinstance(start, int) and isinstance(stop, int):
        return f"{start:,} to {stop - 1:,}"
    return f"{start:g} to below {stop:g}"


def _instant(seconds: float | None) -> str | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # beyond the calendar
        return str(seconds)


def _verdict(result: Any) -> str:
    return "unknown" if result is None else str(bool(result)).lower()


class _Unreadable:
    """Stands for a value that can't be looked at."""

    def __repr__(self) -> str:
        return "a value that can't be read"


def _shown(value: Any) -> str:
    """A value as a person reads it; never raises, never long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # a user's __repr__ may raise anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= 120 else text[:117] + "..."


def _printable(text: str) -> str:
    """The text with whatever could upset a terminal or a log spelled out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else _shown(value)
