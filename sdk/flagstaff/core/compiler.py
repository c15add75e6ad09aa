"""Rules into functions: each flag becomes one straight piece of Python.

Walking a tree of rules on every call costs a Python call per node; a function written for the flag's *shape*
costs none. The text of such a function is made of fixed phrases and running numbers alone: keys, salts,
operands, variants and every other word of a document go in as constants, by reference, so no document can
say what is compiled (see ``source``). How a test or a draw is written is up to the ``dialect``, and how
conditions go together to ``logic``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from .context import Context
from .decision import Decision
from .dialect import Dialect, Draw
from .logic import holds, in_range, is_whole, there, within
from .rules import LAST, STOP, Arm, Bucket, Computed, Experiment, Flag, Rule, Serve, Share, Split
from .schemes import Number, Rank, Scheme
from .source import Source
from .subjects import TARGETING_KEY, Reader, Subject
from .verdicts import Choices, Verdicts

__all__ = ["Decide", "compile_flag"]

Decide: TypeAlias = Callable[[Context], Decision]

_FEW_ARMS = 8


def compile_flag(flag: Flag, dialect: Dialect) -> Decide:
    """A function that decides a flag for a context. It may raise: Undecidable, or what a context raises."""
    return _FlagWriter(flag, dialect).write()


class _FlagWriter:
    """Writes one flag's function."""

    def __init__(self, flag: Flag, dialect: Dialect) -> None:
        self._flag = flag
        self._dialect = dialect
        self._source = Source()
        self._verdicts = Verdicts(flag)
        self._misses = any(_draws(rule) for rule in flag.rules[:-1])
        self._ends = False  # the last rule is being written
        self._skips = False

    def write(self) -> Decide:
        flag, source = self._flag, self._source
        if not flag.enabled:
            self._return(self._verdicts.disabled())
            return source.function()
        for gate in flag.gates:
            with source.block(f"if not {holds(source, self._dialect, gate)}:"):
                self._return(self._verdicts.gated(gate))
        if self._misses:
            source.line("missed = False")
        if any(rule.miss == LAST for rule in flag.rules):
            source.line("skip = False")
        self._pins(flag.pins, TARGETING_KEY, None)
        for number, rule in enumerate(flag.rules, 1):
            self._ends = number == len(flag.rules)
            self._rule(rule)
        self._default()
        return source.function()

    def _default(self) -> None:
        if self._misses:
            with self._source.block("if missed:"):
                self._return(self._verdicts.without_unit())
        self._return(self._verdicts.default())

    def _rule(self, rule: Rule) -> None:
        conditions = ["not skip"] if self._skips and not rule.last else []
        if not conditions:
            self._dialect.begin(self._source, rule)
        if rule.when is not None:
            conditions.append(holds(self._source, self._dialect, rule.when))
        if not conditions:
            self._held(rule)
            return
        with self._source.block(f"if {' and '.join(conditions)}:"):
            self._held(rule)

    def _held(self, rule: Rule) -> None:
        """What follows when the rule's condition is true."""
        self._outcome(rule)
        if rule.miss == STOP:
            self._default()
        elif rule.miss == LAST:
            self._source.line("skip = True")
            self._skips = True

    def _outcome(self, rule: Rule) -> None:
        match rule.outcome:
            case Serve(variant, share):
                self._serve(rule, variant, share)
            case Split(bucket, arms, share, absent):
                with self._unit(bucket.unit, absent), self._share(share, "traffic"):
                    self._arms(rule, bucket, arms, absent)
            case Experiment() as experiment:
                self._experiment(rule, experiment)
            case Computed() as computed:
                self._computed(rule, computed)
            case broken:
                self._source.line(self._dialect.broken(self._source, broken))

    def _serve(self, rule: Rule, variant: str | None, share: Share | None) -> None:
        if share is None:
            self._return(self._verdicts.served(rule, variant))
            return
        with self._unit(share.bucket.unit), self._share(share, "rollout"):
            self._return(self._verdicts.drawn(rule, variant))

    def _experiment(self, rule: Rule, experiment: Experiment) -> None:
        unit = experiment.bucket.unit
        self._pins(experiment.pins, unit, rule)
        if not experiment.running:
            self._source.line("pass")
            return
        with self._unit(unit):
            for name, share in experiment.holdouts:
                with self._share(share, f"holdout {name}"):
                    self._return(self._verdicts.held_out(rule, name))
            with self._share(experiment.share, "traffic"):
                self._arms(rule, experiment.bucket, experiment.arms)

    def _computed(self, rule: Rule, computed: Computed) -> None:
        source = self._source
        chosen = Choices({name: self._verdicts.served(rule, name) for name in self._flag.variants})
        source.line(f"v = {self._dialect.computed(source, computed)}")
        with source.block("if v is not None:"):
            source.line(f"return {source.constant(chosen)}[v]")

    def _pins(self, pins: Mapping[str, str], subject: Subject, rule: Rule | None) -> None:
        if not pins:
            return
        decisions = {unit: self._verdicts.pinned(variant, rule) for unit, variant in pins.items()}
        name = self._source.constant(decisions)
        self._source.line(f"u = {self._dialect.unit(self._source, subject)}")
        with self._source.block(f"if u in {name}:"):
            self._dialect.pinned(self._source)
            self._source.line(f"return {name}[u]")

    @contextmanager
    def _unit(self, subject: Subject, absent: Number | None = None) -> Iterator[None]:
        """What follows is written for a context that has the unit, or gets along without."""
        self._source.line(f"u = {self._dialect.unit(self._source, subject)}")
        if absent is not None:
            yield
            return
        with self._source.block(f"if {there(subject)}:"):
            yield
        with self._source.block("else:"):
            self._dialect.missing(self._source, subject)
            if isinstance(subject, Reader):
                self._source.line("pass")
            elif self._ends:
                self._return(self._verdicts.without_unit())
            else:
                self._source.line("missed = True")

    @contextmanager
    def _share(self, share: Share | None, purpose: str) -> Iterator[None]:
        """What follows is written for a unit that lies in the share."""
        if share is None or (self._dialect.brief and is_whole(share)):
            yield
            return
        source = self._source
        source.line(f"n = {self._dialect.draw(source, Draw(share.bucket, purpose, share))}")
        with source.block(f"if {within(source, self._dialect, share)}:"):
            yield

    def _arms(self, rule: Rule, bucket: Bucket, arms: tuple[Arm, ...], absent: Number | None = None) -> None:
        source = self._source
        if self._dialect.brief and arms and _is_gapless(arms[:1], bucket.scheme):
            self._return(self._verdicts.drawn(rule, arms[0].variant))
            return
        number = self._dialect.draw(source, Draw(bucket, "split", arms=arms))
        if absent is not None:
            missing = source.constant(bucket.scheme.cut(absent))
            number = f"{number} if {there(bucket.unit)} else {missing}"
        source.line(f"n = {number}")
        decisions = [self._verdicts.drawn(rule, arm.variant) for arm in arms]
        cut = bucket.scheme.cut
        if len(arms) > _FEW_ARMS and _is_gapless(arms, bucket.scheme):
            self._many_arms([cut(arm.stop) for arm in arms], decisions)
            return
        covered: Number = 0
        for arm, decision in zip(arms, decisions, strict=True):
            if arm.start != covered:
                condition = in_range(source, cut(arm.start), cut(arm.stop))
            elif bucket.scheme.ends_at(arm.stop):
                self._return(decision)
                return
            else:
                condition = in_range(source, 0, cut(arm.stop))
                covered = arm.stop
            with source.block(f"if {condition}:"):
                self._return(decision)

    def _many_arms(self, stops: list[Rank], decisions: list[Decision]) -> None:
        source = self._source
        names = [source.constant(value) for value in (decisions, bisect_right, stops)]
        source.line("return {}[{}({}, n)]".format(*names))

    def _return(self, decision: Decision) -> None:
        self._source.line(f"return {self._source.constant(decision)}")


def _draws(rule: Rule) -> bool:
    """Whether a rule may miss because a context has no unit."""
    match rule.outcome:
        case Serve(share=Share(bucket)) | Split(bucket, absent=None) | Experiment(bucket=bucket):
            return not isinstance(bucket.unit, Reader)
        case _:
            return False


def _is_gapless(arms: tuple[Arm, ...], scheme: Scheme) -> bool:
    """Whether every bucket belongs to an arm, in order."""
    starts = (arm.start for arm in arms)
    return [*starts] == [0, *(arm.stop for arm in arms[:-1])] and scheme.ends_at(arms[-1].stop)
