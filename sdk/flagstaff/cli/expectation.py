"""How often each variant is to be expected: the rules worked out, with the draws of the unit left open.

This is arithmetic on shares, and no second way to decide: a draw divides a world (see ``worlds``) into the
part inside its range and the part outside. Everything else that a context says (attributes, pins, units other
than the one that is left open) is looked at as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from flagstaff.cli.worlds import World
from flagstaff.core.context import Context
from flagstaff.core.dialect import lookup, unit_of
from flagstaff.core.rules import (
    LAST,
    STOP,
    AllOf,
    AnyOf,
    Arm,
    Between,
    Broken,
    Bucket,
    Condition,
    Drawn,
    Experiment,
    Flag,
    InSegment,
    Known,
    Leaf,
    Not,
    Outcome,
    Prerequisite,
    Rule,
    Rules,
    Serve,
    Share,
    Split,
)
from flagstaff.core.subjects import TARGETING_KEY, Reader, Subject

__all__ = ["Shares", "expected_shares", "is_left_open", "verdict"]

Shares: TypeAlias = Mapping[str | None, float]
"""How often each variant is served, from 0 to 1; None stands for a flag that can't be decided."""

_MOST_WORLDS = 20_000

_Verdicts: TypeAlias = list[tuple[bool | None, World]]
_Served: TypeAlias = list[tuple[str | None, World]]


class _NoArithmeticError(Exception):
    """It would take longer than anybody wants to wait, or depends on more than shares."""


def expected_shares(rules: Rules, key: str, context: Context, unit: Subject, now: float) -> Shares | None:
    """How often a flag serves each variant to contexts like this one; None if it can't be worked out.

    ``unit`` is the path whose draws are left open; ``now`` the time, in seconds since the epoch.
    """
    shares: dict[str | None, float] = {}
    try:
        for variant, world in _Arithmetic(rules, context, unit, now).flag(key, World()):
            shares[variant] = shares.get(variant, 0.0) + world.weight
    except _NoArithmeticError:
        return None
    return {variant: round(share, 12) for variant, share in shares.items()}  # 0.3 + 0.3 + 0.4 is to be 1


def is_left_open(subject: Subject, unit: Subject, context: Context) -> bool:
    """Whether draws of a subject are those of the unit: another dialect may find that in its own way."""
    if not isinstance(subject, Reader):
        return subject == unit
    direct = subject.direct
    if direct is None or not context.attributes.keys().isdisjoint(direct.unless):
        return False
    return unit == (TARGETING_KEY if direct.attribute is None else (direct.attribute,))


def verdict(leaf: Leaf, context: Context) -> bool | None:
    """What a test says of a context."""
    return leaf.prepared.test(lookup(context, leaf.attribute))


class _Arithmetic:
    def __init__(self, rules: Rules, context: Context, unit: Subject, now: float) -> None:
        self._rules = rules
        self._context = context
        self._unit = unit
        self._now = now
        self._worlds = 0

    # -- flags -------------------------------------------------------------------------------------

    def flag(self, key: str, world: World) -> _Served:
        """Which variant is served in which part of a world."""
        if key in self._rules.malformed or key not in self._rules.flags:
            return [(None, world)]
        flag = self._rules.flags[key]
        if not flag.enabled:
            return [(flag.off, world)]
        served: _Served = []
        worlds = [world]
        for gate in flag.gates:
            worlds, others = self._sorted_by(gate, worlds)
            served += [(flag.off, other) for other in others]
        pinned = flag.pins.get(self._text(TARGETING_KEY) or "")
        if pinned is not None:
            return served + [(pinned, part) for part in worlds]
        return served + self._ruled(flag, worlds)

    def _ruled(self, flag: Flag, worlds: list[World]) -> _Served:
        """What rules serve, in order; ``skipping`` are the worlds in which only the last ones are tried."""
        served: _Served = []
        skipping: list[World] = []
        over: list[World] = []
        for rule in flag.rules:
            got, worlds, missed = self._tried(rule, flag.default, worlds)
            served += got
            if rule.last:
                got, skipping, missed_too = self._tried(rule, flag.default, skipping)
                served += got
                (over if rule.miss == STOP else skipping).extend(missed_too)
            {STOP: over, LAST: skipping}.get(rule.miss, worlds).extend(missed)
        return served + [(flag.default, part) for part in [*worlds, *skipping, *over]]

    def _tried(
        self, rule: Rule, default: str | None, worlds: list[World]
    ) -> tuple[_Served, list[World], list[World]]:
        """What a rule serves, the worlds in which it doesn't hold, and those in which it serves nothing."""
        held, others = self._sorted_by(rule.when, worlds)
        served: _Served = []
        missed: list[World] = []
        for part in held:
            got, passed = self._outcome(rule.outcome, default, part)
            served += got
            missed += passed
        return served, others, missed

    def _sorted_by(self, condition: Condition | None, worlds: list[World]) -> tuple[list[World], list[World]]:
        """The worlds in which a condition holds, and those in which it doesn't."""
        if condition is None:
            return worlds, []
        parts = [part for world in worlds for part in self._condition(condition, world)]
        return [part for holds, part in parts if holds], [part for holds, part in parts if not holds]

    # -- outcomes ----------------------------------------------------------------------------------

    def _outcome(self, outcome: Outcome, default: str | None, world: World) -> tuple[_Served, list[World]]:
        """What is served in which part, and the parts that go on to the next rule."""
        match outcome:
            case Serve(variant, share):
                inside, outside = self._share(share, world)
                return [(variant, part) for part in inside], outside
            case Split(bucket, arms, None, absent) if absent is not None and not self._text(bucket.unit):
                return [(arm.variant, world) for arm in arms if arm.start <= absent < arm.stop], []
            case Split(bucket, arms, share):
                return self._split(bucket, arms, share, world)
            case Experiment():
                return self._experiment(outcome, default, world)
            case _:
                raise _NoArithmeticError

    def _experiment(
        self, experiment: Experiment, default: str | None, world: World
    ) -> tuple[_Served, list[World]]:
        unit = self._text(experiment.bucket.unit)
        pinned = experiment.pins.get(unit or "")
        if pinned is not None:
            return [(pinned, world)], []
        if not experiment.running or not unit:
            return [], [world]
        held_out: _Served = []
        worlds = [world]
        for _, share in experiment.holdouts:
            inside, worlds = self._shares(share, worlds)
            held_out += [(default, part) for part in inside]
        served, passed = held_out, list[World]()
        for part in worlds:
            got, rest = self._split(experiment.bucket, experiment.arms, experiment.share, part)
            served += got
            passed += rest
        return served, passed

    def _split(
        self, bucket: Bucket, arms: tuple[Arm, ...], share: Share | None, world: World
    ) -> tuple[_Served, list[World]]:
        if not self._text(bucket.unit):
            return [], [world]
        rest, outside = self._share(share, world)
        served: _Served = []
        for arm in arms:
            taken, rest = self._shares(Share(bucket, ((arm.start, arm.stop),)), rest)
            served += [(arm.variant, part) for part in taken]
        return served, outside + rest

    # -- draws -------------------------------------------------------------------------------------

    def _shares(self, share: Share, worlds: Iterable[World]) -> tuple[list[World], list[World]]:
        both = [self._share(share, world) for world in worlds]
        return [part for inside, _ in both for part in inside], [
            part for _, outside in both for part in outside
        ]

    def _share(self, share: Share | None, world: World) -> tuple[list[World], list[World]]:
        """The parts of a world in which the unit takes part, and those in which it doesn't."""
        if share is None:
            return [world], []
        unit = self._text(share.bucket.unit)
        if not unit:
            return [], [world]
        if not is_left_open(share.bucket.unit, self._unit, self._context):
            if isinstance(share.bucket.unit, Reader):
                raise _NoArithmeticError
            return ([world], []) if share.includes(share.bucket.rank(unit), self._now) else ([], [world])
        ranges = share.ranges_at(self._now)
        self._count()
        return _there(world.inside(share.bucket, ranges)), _there(world.outside(share.bucket, ranges))

    def _count(self) -> None:
        self._worlds += 1
        if self._worlds > _MOST_WORLDS:
            raise _NoArithmeticError

    def _text(self, path: Subject) -> str | None:
        return unit_of(self._context, path)

    # -- conditions --------------------------------------------------------------------------------

    def _condition(self, condition: Condition, world: World) -> _Verdicts:
        """Whether a condition is true, false or unknown, in which part of a world."""
        match condition:
            case Leaf():
                return [(verdict(condition, self._context), world)]
            case AllOf(items):
                return self._all(items, world)
            case AnyOf(items):
                return _negated(self._all([Not(item) for item in items], world))
            case Not(item):
                return _negated(self._condition(item, world))
            case Known(item):
                return [(bool(holds), part) for holds, part in self._condition(item, world)]
            case _:
                return self._whole(condition, world)

    def _whole(
        self, condition: InSegment | Prerequisite | Drawn | Between | Broken, world: World
    ) -> _Verdicts:
        match condition:
            case InSegment(name):
                return self._condition(self._rules.segments[name], world)
            case Prerequisite():
                return [(self._met(condition, got), part) for got, part in self.flag(condition.flag, world)]
            case Drawn(share):
                return self._drawn(share, world)
            case Between(start, end):
                since, until = start is None or start <= self._now, end is None or self._now < end
                return [(since and until, world)]
            case Broken():
                raise _NoArithmeticError

    def _all(self, items: Iterable[Condition], world: World) -> _Verdicts:
        settled: _Verdicts = []
        open_: _Verdicts = [(True, world)]
        for item in items:
            parts = [
                (False if now is False else None if now is None else before, part)
                for before, world in open_
                for now, part in self._condition(item, world)
            ]
            settled += [(holds, part) for holds, part in parts if holds is False]
            open_ = [(holds, part) for holds, part in parts if holds is not False]
        return settled + open_

    def _drawn(self, share: Share, world: World) -> _Verdicts:
        if not self._text(share.bucket.unit):
            return [(None, world)]
        inside, outside = self._share(share, world)
        return [*((True, part) for part in inside), *((False, part) for part in outside)]

    def _met(self, wanted: Prerequisite, variant: str | None) -> bool | None:
        if wanted.that is not None:
            raise _NoArithmeticError
        if variant is None:
            return None
        if wanted.variants is not None and variant not in wanted.variants:
            return False
        enabled = self._rules.flags[wanted.flag].variants[variant].enabled
        return wanted.enabled is None or enabled is wanted.enabled


def _negated(verdicts: _Verdicts) -> _Verdicts:
    return [(None if holds is None else not holds, part) for holds, part in verdicts]


def _there(world: World | None) -> list[World]:
    return [] if world is None else [world]
