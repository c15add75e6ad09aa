"""From the document to the engine's rules. The document has passed ``checks``: every name exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from flagstaff.core.conditions import parse_instant, prepare
from flagstaff.core.rules import (
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
    Outcome,
    Prerequisite,
    Rule,
    Rules,
    Serve,
    Share,
    Split,
    Variant,
)

from . import document as model
from .canonical import condition_of, default_of, off_of, serve_of, variants_of, weights_of, when_of
from .document import Document, thousandths

__all__ = ["translate"]

_T = TypeVar("_T")


def translate(document: Document, malformed: Mapping[str, str]) -> Rules:
    """The engine's rules; ``malformed`` names flags to leave out, and why."""
    flags = _Flags(document)
    return Rules(
        flags={key: flags.flag(key, flag) for key, flag in document.flags.items() if key not in malformed},
        segments={name: _condition(condition_of(given)) for name, given in document.segments.items()},
        malformed=malformed,
        project=document.project,
        environment=document.environment,
        revision=document.revision,
    )


class _Flags:
    """Makes flags, and what they share."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def flag(self, key: str, flag: model.FlagModel) -> Flag:
        return Flag(
            key=key,
            variants={name: Variant(worth.value, worth.enabled) for name, worth in variants_of(flag).items()},
            default=_checked(default_of(flag)),
            off=_checked(off_of(flag)),
            enabled=flag.enabled,
            gates=tuple(_condition(gate) for gate in flag.gates),
            pins=flag.pins,
            rules=tuple(self._rule(key, flag, index, rule) for index, rule in enumerate(flag.rules)),
            metadata=flag.metadata,
        )

    def _rule(self, key: str, flag: model.FlagModel, index: int, rule: model.RuleModel) -> Rule:
        when = when_of(rule)
        return Rule(
            id=rule.id or str(index),
            when=None if when is None else _condition(when),
            outcome=self._outcome(rule, rule.salt or flag.salt or key),
        )

    def _outcome(self, rule: model.RuleModel, salt: str) -> Outcome:
        if rule.experiment is not None:
            return self._experiment(rule.experiment)
        path = _path(rule.unit or "targeting_key")
        if rule.split is not None:
            share = _rollout(rule, Bucket.salted(f"{salt}:traffic", path))
            return Split(Bucket.salted(salt, path), _arms(rule.split), share)
        return Serve(_checked(serve_of(rule)), _rollout(rule, Bucket.salted(salt, path)))

    def _experiment(self, key: str) -> Outcome:
        experiment = self._document.experiments[key]
        if experiment.status == "decided":
            return Serve(_checked(experiment.winner))
        salt, path = experiment.salt or key, _path(experiment.unit)
        return Experiment(
            key=key,
            revision=experiment.revision,
            bucket=Bucket.salted(salt, path),
            arms=_arms(experiment.split),
            share=self._participation(experiment, salt, path),
            holdouts=tuple(self._holdouts(key)),
            pins=experiment.pins if experiment.status in ("qa", "running") else {},
            running=experiment.status == "running",
        )

    def _participation(
        self, experiment: model.ExperimentModel, salt: str, path: tuple[str, ...]
    ) -> Share | None:
        if experiment.layer is not None:
            layer = self._document.layers[experiment.layer]
            return Share(Bucket.salted(layer.salt or experiment.layer, path), _ranges(experiment.slots or []))
        if experiment.traffic is None or experiment.traffic == 100:
            return None
        return Share(Bucket.salted(f"{salt}:traffic", path), _ranges([[0, experiment.traffic]]))

    def _holdouts(self, experiment: str) -> list[tuple[str, Share]]:
        return [
            (
                name,
                Share(Bucket.salted(holdout.salt or name, _path(holdout.unit)), _ranges([[0, holdout.size]])),
            )
            for name, holdout in self._document.holdouts.items()
            if experiment in holdout.experiments
        ]


def _rollout(rule: model.RuleModel, bucket: Bucket) -> Share | None:
    if rule.rollout is None:
        return None
    if isinstance(rule.rollout, list):
        steps = tuple((_seconds(step.at), thousandths(step.percent)) for step in rule.rollout)
        return Share(bucket, steps=steps)
    return Share(bucket, _ranges([[0, rule.rollout]]))


def _ranges(percents: Sequence[Sequence[float]]) -> tuple[tuple[int, int], ...]:
    bounds = ((thousandths(low), thousandths(high)) for low, high in percents)
    return tuple((start, stop) for start, stop in bounds if start < stop)


def _arms(split: dict[str, float] | list[model.WeightModel]) -> tuple[Arm, ...]:
    arms, start = [], 0
    for part in weights_of(split):
        stop = start + thousandths(part.weight)
        if stop > start:
            arms.append(Arm(part.variant, start, stop))
        start = stop
    return tuple(arms)


def _path(given: str | list[str]) -> tuple[str, ...]:
    path = (given,) if isinstance(given, str) else tuple(given)
    return TARGETING_KEY if path == TARGETING_KEY else path  # the one object, so that a look at it is enough


def _seconds(text: str) -> float:
    return _checked(parse_instant(text))


def _checked(value: _T | None) -> _T:
    """A value that the checks have found to be there."""
    if value is None:
        raise AssertionError("translated before it was checked")
    return value


def _condition(node: model.Condition) -> Condition:
    match node:
        case model.LeafCondition():
            return Leaf(_path(node.attribute), node.op, node.value, prepare(node.op, node.value))
        case model.AllCondition():
            return AllOf(tuple(_condition(item) for item in node.all))
        case model.AnyCondition():
            return AnyOf(tuple(_condition(item) for item in node.any))
        case model.NotCondition():
            return Not(_condition(node.not_))
        case model.SegmentCondition():
            return InSegment(node.segment)
        case model.PrerequisiteCondition():
            return _prerequisite(node)
        case model.DrawCondition():
            return Drawn(Share(Bucket.salted(node.bucket.salt, _path(node.bucket.unit)), _ranges(node.in_)))
        case _:
            start, end = node.time.start, node.time.end
            return Between(_seconds(start) if start else None, _seconds(end) if end else None)


def _prerequisite(node: model.PrerequisiteCondition) -> Prerequisite:
    variants = [node.variant] if isinstance(node.variant, str) else node.variant
    enabled = True if variants is None and node.enabled is None else node.enabled
    return Prerequisite(node.flag, None if variants is None else tuple(variants), enabled)
