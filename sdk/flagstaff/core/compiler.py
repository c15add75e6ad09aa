"""Rules into functions: each flag becomes one straight piece of Python.

Walking a tree of rules on every call costs a Python call per node; a function written for the flag's *shape*
costs none. The text of such a function is made of fixed phrases and running numbers alone: keys, salts,
operands, variants and every other word of a document go in as constants, by reference, so no document can
say what is compiled (see ``source``).

Two dialects write the same structure. ``Plain`` tests and draws in place. ``Traced`` sends every test and
every draw through a recorder: that is how ``explain`` works, so it can't take another way than the decision.

Three-valued logic needs no third value here: a condition is asked either whether it is definitely true
(``holds``) or whether it is definitely false (``fails``); unknown is neither.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from mmh3 import mmh3_32_uintdigest

from .buckets import BUCKETS, cut, unit_text
from .conditions import Memo
from .context import Context
from .decision import Decision, Exposed, Reason, fresh
from .rules import (
    TARGETING_KEY,
    AllOf,
    AnyOf,
    Arm,
    Between,
    Bucket,
    Condition,
    Drawn,
    Experiment,
    Flag,
    InSegment,
    Leaf,
    Not,
    Prerequisite,
    Rule,
    Serve,
    Share,
    Split,
)
from .source import Source

__all__ = ["Decide", "Dialect", "Plain", "Test", "compile_condition", "compile_flag", "fixed", "lookup"]

Decide: TypeAlias = Callable[[Context], Decision]
Test: TypeAlias = Callable[[Context], bool | None]


class Draw(NamedTuple):
    """A draw and what it decides: whether a unit takes part (and in what), or which arm it gets."""

    bucket: Bucket
    purpose: str
    share: Share | None = None
    arms: tuple[Arm, ...] = ()


_FEW_ARMS = 8


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
    def unit(self, source: Source, path: tuple[str, ...]) -> None: ...
    def draw(self, source: Source, draw: Draw) -> str: ...
    def begin(self, source: Source, rule: Rule) -> None: ...
    def pinned(self, source: Source) -> None: ...
    def missing(self, source: Source, path: tuple[str, ...]) -> None: ...


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

    def unit(self, source: Source, path: tuple[str, ...]) -> None:
        source.line(f"u = {_subject(source, path)}")
        source.line(f"if u.__class__ is not str: u = {source.constant(unit_text)}(u)")

    def draw(self, source: Source, draw: Draw) -> str:
        # A lone surrogate makes encode() raise; the snapshot then takes the traced way, which hashes it.
        return (
            f"{source.constant(mmh3_32_uintdigest)}(({source.constant(draw.bucket.salt + ':')} + u).encode())"
        )

    def begin(self, source: Source, rule: Rule) -> None:
        pass

    def pinned(self, source: Source) -> None:
        pass

    def missing(self, source: Source, path: tuple[str, ...]) -> None:
        pass


# -- values ------------------------------------------------------------------------------------------


def lookup(context: Context, path: tuple[str, ...]) -> Any:
    """The value at a path: the targeting key, an attribute, or what lies deeper in one; None if absent."""
    if path == TARGETING_KEY:
        return context.targeting_key
    return _walk(context.attributes, path)


def _walk(attributes: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = attributes
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _subject(source: Source, path: tuple[str, ...]) -> str:
    if path == TARGETING_KEY:
        return "c.targeting_key"
    if len(path) == 1:
        return source.attribute(path[0])
    return f"{source.constant(_walk)}(c.attributes, {source.constant(path)})"


# -- conditions ------------------------------------------------------------------------------------


def _holds(source: Source, dialect: Dialect, node: Condition) -> str:
    """An expression that is true if and only if the condition is definitely true."""
    match node:
        case Leaf():
            return dialect.holds(source, node)
        case AllOf(items):
            return _joined("and", (_holds(source, dialect, item) for item in items), "True")
        case AnyOf(items):
            return _joined("or", (_holds(source, dialect, item) for item in items), "False")
        case Not(item):
            return _fails(source, dialect, item)
        case _:
            return _answer(source, dialect, node)


def _fails(source: Source, dialect: Dialect, node: Condition) -> str:
    """An expression that is true if and only if the condition is definitely false."""
    match node:
        case Leaf():
            return dialect.fails(source, node)
        case AllOf(items):
            return _joined("or", (_fails(source, dialect, item) for item in items), "False")
        case AnyOf(items):
            return _joined("and", (_fails(source, dialect, item) for item in items), "True")
        case Not(item):
            return _holds(source, dialect, item)
        case _:
            return f"{_answer(source, dialect, node)} is False"


def _joined(word: str, parts: Iterator[str], empty: str) -> str:
    return "(" + (f" {word} ".join(parts) or empty) + ")"


def _answer(source: Source, dialect: Dialect, node: Between | InSegment | Prerequisite | Drawn) -> str:
    if isinstance(node, Between):
        return source.answer(node, lambda: dialect.between(source, node))
    return source.answer(node, lambda: f"{source.constant(_linked(dialect, node))}(c)")


def _linked(dialect: Dialect, node: InSegment | Prerequisite | Drawn) -> Test:
    match node:
        case InSegment(name):
            return dialect.linker.segment(name)
        case Prerequisite():
            return dialect.linker.prerequisite(node)
        case _:
            return _compile_drawn(node, dialect)


def compile_condition(node: Condition, dialect: Dialect) -> Test:
    """A function that answers True, False or None for a context."""
    source = Source(keeps=True)
    source.line(f"if {_holds(source, dialect, node)}: return True")
    source.line(f"if {_fails(source, dialect, node)}: return False")
    source.line("return None")
    return source.function()


def _compile_drawn(node: Drawn, dialect: Dialect) -> Test:
    share, source = node.share, Source()
    dialect.unit(source, share.bucket.unit)
    source.line("if not u: return None")
    source.line(f"n = {dialect.draw(source, Draw(share.bucket, 'bucket', share))}")
    source.line(f"return {_within(source, dialect, share)}")
    return source.function()


# -- draws -----------------------------------------------------------------------------------------


def _within(source: Source, dialect: Dialect, share: Share) -> str:
    """An expression that is true if the hash ``n`` lies in the share."""
    if share.steps:
        begins = [begins for begins, _ in share.steps]
        cuts = [0, *(cut(bound) for _, bound in share.steps)]
        names = (source.constant(value) for value in (cuts, bisect_right, begins, dialect.linker.now))
        return "n < {}[{}({}, {}())]".format(*names)
    return " or ".join(_range(source, *bounds) for bounds in share.ranges) or "False"


def _range(source: Source, start: int, stop: int) -> str:
    below = f"n < {source.constant(cut(stop))}"
    return below if start == 0 else f"{source.constant(cut(start))} <= {below}"


# -- flags -----------------------------------------------------------------------------------------


def compile_flag(flag: Flag, dialect: Dialect) -> Decide:
    """A function that decides a flag for a context."""
    return _FlagWriter(flag, dialect).write()


def fixed(flag: Flag) -> Decision | None:
    """The decision that every context gets, if there is one; None where it depends on anything."""
    made = _Decisions(flag)
    if not flag.enabled:
        decision = made.disabled()
    elif flag.gates or flag.pins:
        return None
    elif not flag.rules:
        decision = made.default()
    else:
        match flag.rules[0]:
            case Rule(when=None, outcome=Serve(share=None) as outcome):
                decision = made.served(flag.rules[0], outcome)
            case _:
                return None
    return decision if fresh(decision) is decision else None


class _Decisions:
    """The decisions that a flag can come to, made before anybody asks."""

    def __init__(self, flag: Flag) -> None:
        self._flag = flag

    def make(self, variant: str, reason: Reason, **extra: Any) -> Decision:
        flag = self._flag
        worth = flag.variants[variant]
        metadata = MappingProxyType(extra.pop("metadata", flag.metadata))
        return Decision(
            flag.key,
            enabled=worth.enabled,
            value=worth.value,
            variant=variant,
            reason=reason,
            metadata=metadata,
            **extra,
        )

    def disabled(self) -> Decision:
        return self.make(self._flag.off, Reason.DISABLED)

    def default(self) -> Decision:
        flag = self._flag
        varies = flag.rules or flag.gates or flag.pins
        return self.make(flag.default, Reason.DEFAULT if varies else Reason.STATIC)

    def without_unit(self) -> Decision:
        error = "a rule draws a unit that the context does not have, so the rule did not serve"
        return self.make(self._flag.default, Reason.TARGETING_KEY_MISSING, error=error)

    def gated(self, gate: Condition) -> Decision:
        metadata = dict(self._flag.metadata)
        if isinstance(gate, Prerequisite):
            metadata["prerequisite"] = gate.flag
        return self.make(self._flag.off, Reason.PREREQUISITE_FAILED, metadata=metadata)

    def held_out(self, rule: Rule, holdout: str) -> Decision:
        metadata = {**self._flag.metadata, "holdout": holdout}
        return self.make(self._flag.default, Reason.HOLDOUT, rule=rule.id, metadata=metadata)

    def served(self, rule: Rule, outcome: Serve) -> Decision:
        """What a rule that serves one variant comes to."""
        drawn = outcome.share is not None
        first = (
            rule is self._flag.rules[0] and rule.when is None and not self._flag.gates and not self._flag.pins
        )
        reason = Reason.SPLIT if drawn else Reason.STATIC if first else Reason.TARGETING_MATCH
        return self.make(outcome.variant, reason, rule=rule.id)

    def pinned(self, variant: str, rule: Rule | None = None) -> Decision:
        return self.make(variant, Reason.TARGETING_MATCH, rule=rule.id if rule else None)

    def drawn(self, rule: Rule, variant: str) -> Decision:
        outcome = rule.outcome
        if not isinstance(outcome, Experiment):
            return self.make(variant, Reason.SPLIT, rule=rule.id)
        exposed = Exposed(
            flag=self._flag.key,
            experiment=outcome.key,
            variant=variant,
            path=outcome.bucket.unit,
            rule=rule.id,
            revision=outcome.revision,
        )
        return self.make(variant, Reason.SPLIT, rule=rule.id, experiment=outcome.key, exposed=exposed)


class _FlagWriter:
    """Writes one flag's function."""

    def __init__(self, flag: Flag, dialect: Dialect) -> None:
        self._flag = flag
        self._dialect = dialect
        self._source = Source()
        self._made = _Decisions(flag)
        self._draws = any(_draws(rule) for rule in flag.rules)

    def write(self) -> Decide:
        flag, source = self._flag, self._source
        if not flag.enabled:
            self._return(self._made.disabled())
            return source.function()
        for gate in flag.gates:
            with source.block(f"if not {_holds(source, self._dialect, gate)}:"):
                self._return(self._made.gated(gate))
        if self._draws:
            source.line("missed = False")
        self._pins(flag.pins, TARGETING_KEY, None)
        for rule in flag.rules:
            self._rule(rule)
        self._default()
        return source.function()

    def _default(self) -> None:
        if self._draws:
            with self._source.block("if missed:"):
                self._return(self._made.without_unit())
        self._return(self._made.default())

    def _rule(self, rule: Rule) -> None:
        self._dialect.begin(self._source, rule)
        if rule.when is None:
            self._outcome(rule)
            return
        with self._source.block(f"if {_holds(self._source, self._dialect, rule.when)}:"):
            self._outcome(rule)

    def _outcome(self, rule: Rule) -> None:
        match rule.outcome:
            case Experiment() as experiment:
                self._experiment(rule, experiment)
            case Split(bucket, arms, share):
                with self._unit(bucket.unit), self._share(share, "traffic"):
                    self._arms(rule, bucket, arms)
            case serve:
                self._serve(rule, serve)

    def _serve(self, rule: Rule, serve: Serve) -> None:
        share, decision = serve.share, self._made.served(rule, serve)
        if share is None:
            self._return(decision)
            return
        with self._unit(share.bucket.unit), self._share(share, "rollout"):
            self._return(decision)

    def _experiment(self, rule: Rule, experiment: Experiment) -> None:
        path = experiment.bucket.unit
        self._pins(experiment.pins, path, rule)
        if not experiment.running:
            self._source.line("pass")
            return
        with self._unit(path):
            for name, share in experiment.holdouts:
                with self._share(share, f"holdout {name}"):
                    self._return(self._made.held_out(rule, name))
            with self._share(experiment.share, "traffic"):
                self._arms(rule, experiment.bucket, experiment.arms)

    def _pins(self, pins: Mapping[str, str], path: tuple[str, ...], rule: Rule | None) -> None:
        if not pins:
            return
        decisions = {unit: self._made.pinned(variant, rule) for unit, variant in pins.items()}
        name = self._source.constant(decisions)
        self._dialect.unit(self._source, path)
        with self._source.block(f"if u in {name}:"):
            self._dialect.pinned(self._source)
            self._source.line(f"return {self._source.constant(fresh)}({name}[u])")

    @contextmanager
    def _unit(self, path: tuple[str, ...]) -> Iterator[None]:
        """What follows is written for a context that has the unit."""
        self._dialect.unit(self._source, path)
        with self._source.block("if u:"):
            yield
        with self._source.block("else:"):
            self._source.line("missed = True")
            self._dialect.missing(self._source, path)

    @contextmanager
    def _share(self, share: Share | None, purpose: str) -> Iterator[None]:
        """What follows is written for a unit that lies in the share."""
        if share is None:
            yield
            return
        source = self._source
        source.line(f"n = {self._dialect.draw(source, Draw(share.bucket, purpose, share))}")
        with source.block(f"if {_within(source, self._dialect, share)}:"):
            yield

    def _arms(self, rule: Rule, bucket: Bucket, arms: tuple[Arm, ...]) -> None:
        source = self._source
        source.line(f"n = {self._dialect.draw(source, Draw(bucket, 'split', arms=arms))}")
        decisions = [self._made.drawn(rule, arm.variant) for arm in arms]
        if len(arms) > _FEW_ARMS:
            self._many_arms([cut(arm.stop) for arm in arms], decisions)
            return
        for arm, decision in zip(arms, decisions, strict=True):
            if arm.stop == BUCKETS:
                self._return(decision)
            else:
                with source.block(f"if n < {source.constant(cut(arm.stop))}:"):
                    self._return(decision)

    def _many_arms(self, stops: list[int], decisions: list[Decision]) -> None:
        source = self._source
        names = [source.constant(value) for value in (fresh, decisions, bisect_right, stops)]
        source.line("return {}({}[{}({}, n)])".format(*names))

    def _return(self, decision: Decision) -> None:
        name = self._source.constant(decision)
        if fresh(decision) is not decision:
            name = f"{self._source.constant(fresh)}({name})"
        self._source.line(f"return {name}")


def _draws(rule: Rule) -> bool:
    return not isinstance(rule.outcome, Serve) or rule.outcome.share is not None
