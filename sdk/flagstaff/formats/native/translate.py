"""From one part of a document to the engine's noun. The part has passed ``checks``: every name exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from flagstaff.core.conditions import parse_instant
from flagstaff.core.rules import (
    NEXT,
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
    Serve,
    Share,
    Split,
    Variant,
)
from flagstaff.core.subjects import Subject
from flagstaff.formats.dialects import prepared

from .nouns import bucket_of, computed_of, measure_of, ranges_of, reason_of, split_of, subject_of
from .short import condition_of, default_of, kind_of, off_of, serve_of, variants_of, weights_of, when_of
from .values import thousandths

if TYPE_CHECKING:
    from . import document as model

__all__ = ["Shared", "translate_flag", "translate_segment"]

_T = TypeVar("_T")


class Shared(Protocol):
    """What flags share: where a flag's rules find the experiment that they run."""

    def experiment(self, name: str) -> model.ExperimentModel: ...
    def layer(self, name: str) -> model.LayerModel: ...
    def holdouts(self, experiment: str) -> Iterable[tuple[str, model.HoldoutModel]]:
        """The holdouts that keep units out of an experiment, in document order."""
        ...


def translate_flag(key: str, flag: model.FlagModel, shared: Shared) -> Flag:
    """The engine's flag."""
    return Flag(
        key=key,
        variants={
            name: Variant(worth.value, worth.enabled, worth.valued, worth.named, worth.name)
            for name, worth in variants_of(flag).items()
        },
        default=default_of(flag),
        off=off_of(flag),
        enabled=flag.get("enabled", True),
        gates=tuple(_condition(gate) for gate in flag.get("gates", ())),
        pins=flag.get("pins", {}),
        rules=tuple(
            _rule(key, flag, index, rule, shared) for index, rule in enumerate(flag.get("rules", ()))
        ),
        metadata=flag.get("metadata", {}),
    )


def translate_segment(given: model.Conditions) -> Condition:
    """The engine's condition."""
    return _condition(condition_of(given))


def _rule(key: str, flag: model.FlagModel, index: int, rule: model.RuleModel, shared: Shared) -> Rule:
    when = when_of(rule)
    return Rule(
        id=None if rule.get("anonymous") else rule.get("id") or str(index),
        when=None if when is None else _condition(when),
        outcome=_general(rule) or _outcome(rule, rule.get("salt") or flag.get("salt") or key, shared),
        reason=reason_of(rule.get("reason")),
        measure=measure_of(rule["measure"]) if "measure" in rule else None,
        miss=rule.get("miss", NEXT),
        last=rule.get("last", False),
        metadata=rule.get("metadata", {}),
    )


def _general(rule: model.RuleModel) -> Outcome | None:
    """The outcome of a rule in another dialect, if it is one."""
    if "draw" in rule:
        return split_of(rule["draw"])
    if "compute" in rule:
        return computed_of(rule["compute"])
    if "broken" in rule:
        return Broken(rule["broken"])
    return Serve(None) if "nothing" in rule else None


def _outcome(rule: model.RuleModel, salt: str, shared: Shared) -> Outcome:
    experiment = rule.get("experiment")
    if experiment is not None:
        return _experiment(experiment, shared)
    path, split = subject_of(rule.get("unit") or "targeting_key"), rule.get("split")
    if split is not None:
        share = _rollout(rule, Bucket.salted(f"{salt}:traffic", path))
        return Split(Bucket.salted(salt, path), _arms(split), share)
    return Serve(_checked(serve_of(rule)), _rollout(rule, Bucket.salted(salt, path)))


def _experiment(key: str, shared: Shared) -> Outcome:
    experiment = shared.experiment(key)
    status = experiment.get("status", "running")
    if status == "decided":
        return Serve(_checked(experiment.get("winner")))
    salt, path = experiment.get("salt") or key, subject_of(experiment.get("unit", "targeting_key"))
    return Experiment(
        key=key,
        revision=experiment.get("revision", 1),
        bucket=Bucket.salted(salt, path),
        arms=_arms(experiment["split"]),
        share=_participation(experiment, salt, path, shared),
        holdouts=tuple(_holdouts(key, shared)),
        pins=experiment.get("pins", {}) if status in ("qa", "running") else {},
        running=status == "running",
    )


def _participation(
    experiment: model.ExperimentModel, salt: str, path: Subject, shared: Shared
) -> Share | None:
    layer, traffic = experiment.get("layer"), experiment.get("traffic")
    if layer is not None:
        ranges = _ranges(experiment.get("slots") or [])
        return Share(Bucket.salted(shared.layer(layer).get("salt") or layer, path), ranges)
    if traffic is None or traffic == 100:
        return None
    return Share(Bucket.salted(f"{salt}:traffic", path), _ranges([[0, traffic]]))


def _holdouts(experiment: str, shared: Shared) -> Iterator[tuple[str, Share]]:
    for name, holdout in shared.holdouts(experiment):
        bucket = Bucket.salted(holdout.get("salt") or name, subject_of(holdout.get("unit", "targeting_key")))
        yield name, Share(bucket, _ranges([[0, holdout["size"]]]))


def _rollout(rule: model.RuleModel, bucket: Bucket) -> Share | None:
    rollout = rule.get("rollout")
    if rollout is None:
        return None
    if isinstance(rollout, list):
        steps = tuple((_seconds(step["at"]), thousandths(step["percent"])) for step in rollout)
        return Share(bucket, steps=steps)
    return Share(bucket, _ranges([[0, rollout]]))


def _ranges(percents: Sequence[Sequence[float]]) -> tuple[tuple[int, int], ...]:
    bounds = ((thousandths(low), thousandths(high)) for low, high in percents)
    return tuple((start, stop) for start, stop in bounds if start < stop)


def _arms(split: dict[str, float] | list[model.WeightModel]) -> tuple[Arm, ...]:
    arms, start = [], 0
    for part in weights_of(split):
        stop = start + thousandths(part["weight"])
        if stop > start:
            arms.append(Arm(part["variant"], start, stop))
        start = stop
    return tuple(arms)


def _seconds(text: str) -> float:
    return _checked(parse_instant(text))


def _checked(value: _T | None) -> _T:
    """A value that the checks have found to be there."""
    if value is None:
        raise AssertionError("translated before it was checked")
    return value


def _condition(node: Any) -> Condition:
    made: Condition = _CONDITIONS[kind_of(node)](node)
    return made


def _leaf(node: Any) -> Leaf:
    operand = node.get("value", True)
    return Leaf(subject_of(node["attribute"]), node["op"], operand, prepared(node["op"], operand))


def _drawn(node: model.DrawCondition) -> Drawn:
    bucket = Bucket.salted(node["bucket"]["salt"], subject_of(node["bucket"].get("unit", "targeting_key")))
    return Drawn(Share(bucket, _ranges(node["in"])))


def _between(node: model.TimeCondition) -> Between:
    start, end = node["time"].get("start"), node["time"].get("end")
    return Between(_seconds(start) if start else None, _seconds(end) if end else None)


def _prerequisite(node: model.PrerequisiteCondition) -> Prerequisite:
    variant, enabled = node.get("variant"), node.get("enabled")
    variants = None if variant is None else (variant,) if isinstance(variant, str) else tuple(variant)
    if variant is None and enabled is None and "that" not in node:
        enabled = True
    that = _condition(node["that"]) if "that" in node else None
    return Prerequisite(node["flag"], variants, enabled, that, node.get("inside"))


_CONDITIONS: dict[str, Callable[[Any], Condition]] = {
    "attribute": _leaf,
    "all": lambda node: AllOf(tuple(map(_condition, node["all"]))),
    "any": lambda node: AnyOf(tuple(map(_condition, node["any"]))),
    "not": lambda node: Not(_condition(node["not"])),
    "known": lambda node: Known(_condition(node["known"])),
    "segment": lambda node: InSegment(node["segment"]),
    "flag": _prerequisite,
    "bucket": _drawn,
    "ranges": lambda node: Drawn(Share(bucket_of(node["bucket"]), ranges_of(node["ranges"]))),
    "time": _between,
    "broken": lambda node: Broken(node["broken"]),
}
