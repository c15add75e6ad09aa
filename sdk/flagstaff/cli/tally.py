"""What a flag served over many contexts, beside what its rules let expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from flagstaff.cli.expectation import Shares, expected_shares, is_left_open, verdict
from flagstaff.cli.walking import flags_behind
from flagstaff.core.context import Context
from flagstaff.core.dialect import unit_of
from flagstaff.core.rules import Bucket, Condition, Drawn, Experiment, Flag, Leaf, Rules, Serve, Share, Split
from flagstaff.core.subjects import TARGETING_KEY, Reader, Subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.cli.units import Units
    from flagstaff.core.decision import Decision
    from flagstaff.core.evaluate import Snapshot

__all__ = ["Row", "Tally"]

_Answer = Callable[[Context], Hashable]


class Row(NamedTuple):
    """One variant: how many units got it, and their share; the share expected, and how far off.

    ``deviation`` counts standard errors. It is None where chance has no part in it; both are None where the
    rules can't be worked out.
    """

    variant: str | None
    units: int
    share: float
    expected: float | None
    deviation: float | None


class Tally:
    """Counts what one flag serves. Contexts in which the rules find the same are expected to fare alike."""

    def __init__(self, snapshot: Snapshot, key: str, units: Units) -> None:
        self.key = key
        self._snapshot = snapshot
        self._units = units
        self._now = snapshot.now()
        self._served: Counter[str | None] = Counter()
        self._kinds: Counter[tuple[Hashable, ...]] = Counter()
        self._shares: dict[tuple[Hashable, ...], Shares | None] = {}
        self._asked = [
            answer for path, answer in _answers(snapshot.rules, key, units.path) if units.varies(path)
        ]

    def add(self, context: Context) -> None:
        """Decide for one more context."""
        self._served[self._variant(self._snapshot.decide(self.key, context))] += 1
        kind = tuple([answer(context) for answer in self._asked])
        self._kinds[kind] += 1
        if kind not in self._shares:
            self._shares[kind] = expected_shares(
                self._snapshot.rules, self.key, context, self._units.path, self._now
            )

    def _variant(self, decision: Decision) -> str | None:
        """The key of the variant that was served: decisions may tell it by another name, or by none."""
        flag = self._snapshot.rules.flags.get(self.key)
        served = (decision.variant, decision.enabled, decision.value)
        for key, variant in flag.variants.items() if flag else ():
            told = (variant.name or key) if variant.named else None
            if (told, variant.enabled, variant.value) == served:
                return key
        return decision.variant

    def rows(self) -> list[Row]:
        """A row for each of the flag's variants, and for none if it came to that."""
        flag = self._snapshot.rules.flags.get(self.key)
        names = dict.fromkeys([*(flag.variants if flag else ()), *self._served])
        return [self._row(name) for name in names]

    def _row(self, variant: str | None) -> Row:
        units, total = self._served[variant], self._served.total()
        chances = [
            (count, None if shares is None else shares.get(variant, 0.0))
            for count, shares in ((count, self._shares[kind]) for kind, count in self._kinds.items())
        ]
        known = [(count, chance) for count, chance in chances if chance is not None]
        if len(known) < len(chances):
            return Row(variant, units, units / total, None, None)
        expected = sum(count * chance for count, chance in known)
        error = sqrt(sum(count * chance * (1 - chance) for count, chance in known))
        return Row(
            variant, units, units / total, expected / total, (units - expected) / error if error else None
        )


# -- what a flag asks of a context, but for the draws that are left open -----------------------------


def _answers(rules: Rules, key: str, unit: Subject) -> Iterator[tuple[Subject, _Answer]]:
    """Each thing that a flag asks: the path it is found at, and the answer that a context gives."""
    flags, conditions = flags_behind(rules, key)
    for condition in conditions:
        if isinstance(condition, Leaf):
            yield condition.attribute, partial(verdict, condition)
    for bucket in _buckets(flags, conditions):
        yield bucket.unit, partial(_unit, bucket.unit, unit)
    for path, pins in _pins(flags):
        yield path, partial(_pinned, path, pins)


def _buckets(flags: list[Flag], conditions: list[Condition]) -> Iterator[Bucket]:
    yield from (condition.share.bucket for condition in conditions if isinstance(condition, Drawn))
    for outcome in (rule.outcome for flag in flags for rule in flag.rules):
        match outcome:
            case Serve(share=Share(bucket)) | Split(bucket) | Experiment(bucket=bucket):
                yield bucket
            case _:
                pass


def _pins(flags: list[Flag]) -> Iterator[tuple[Subject, Mapping[str, str]]]:
    for flag in flags:
        yield TARGETING_KEY, flag.pins
        for rule in flag.rules:
            if isinstance(rule.outcome, Experiment):
                yield rule.outcome.bucket.unit, rule.outcome.pins


def _unit(subject: Subject, unit: Subject, context: Context) -> Hashable:
    """What is drawn by; of what is left open, and of what can't be worked out, whether it is there."""
    found = unit_of(context, subject)
    is_open = is_left_open(subject, unit, context)
    return (is_open, found is not None) if is_open or isinstance(subject, Reader) else found


def _pinned(path: Subject, pins: Mapping[str, str], context: Context) -> str | None:
    return pins.get(unit_of(context, path) or "")
