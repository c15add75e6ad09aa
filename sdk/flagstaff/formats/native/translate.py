"""From one part of a document to the engine's noun. The part has passed ``checks``: every name exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

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
    Serve,
    Share,
    Split,
    Variant,
)

from . import document as model
from .canonical import condition_of, default_of, off_of, serve_of, variants_of, weights_of, when_of
from .document import kind_of, thousandths

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
        variants={name: Variant(worth.value, worth.enabled) for name, worth in variants_of(flag).items()},
        default=_checked(default_of(flag)),
        off=_checked(off_of(flag)),
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
    when, experiment = when_of(rule), rule.get("experiment")
    return Rule(
        id=rule.get("id") or str(index),
        when=None if when is None else _condition(when),
        outcome=_outcome(rule, rule.get("salt") or flag.get("salt") or key)
        if experiment is None
        else _experiment(experiment, shared),
    )


def _outcome(rule: model.RuleModel, salt: str) -> Outcome:
    path, split = _path(rule.get("unit") or "targeting_key"), rule.get("split")
    if split is not None:
        share = _rollout(rule, Bucket.salted(f"{salt}:traffic", path))
        return Split(Bucket.salted(salt, path), _arms(split), share)
    return Serve(_checked(serve_of(rule)), _rollout(rule, Bucket.salted(salt, path)))


def _experiment(key: str, shared: Shared) -> Outcome:
    experiment = shared.experiment(key)
    status = experiment.get("status", "running")
    if status == "decided":
        return Serve(_checked(experiment.get("winner")))
    salt, path = experiment.get("salt") or key, _path(experiment.get("unit", "targeting_key"))
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
    experiment: model.ExperimentModel, salt: str, path: tuple[str, ...], shared: Shared
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
        bucket = Bucket.salted(holdout.get("salt") or name, _path(holdout.get("unit", "targeting_key")))
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


def _condition(node: Any) -> Condition:
    match kind_of(node):
        case "attribute":
            operand = node.get("value", True)
            return Leaf(_path(node["attribute"]), node["op"], operand, prepare(node["op"], operand))
        case "all":
            return AllOf(tuple(_condition(item) for item in node["all"]))
        case "any":
            return AnyOf(tuple(_condition(item) for item in node["any"]))
        case "not":
            return Not(_condition(node["not"]))
        case "segment":
            return InSegment(node["segment"])
        case "flag":
            return _prerequisite(node)
        case "bucket":
            bucket = Bucket.salted(node["bucket"]["salt"], _path(node["bucket"].get("unit", "targeting_key")))
            return Drawn(Share(bucket, _ranges(node["in"])))
        case _:
            start, end = node["time"].get("start"), node["time"].get("end")
            return Between(_seconds(start) if start else None, _seconds(end) if end else None)


def _prerequisite(node: model.PrerequisiteCondition) -> Prerequisite:
    variant, enabled = node.get("variant"), node.get("enabled")
    if variant is None:
        return Prerequisite(node["flag"], None, True if enabled is None else enabled)
    return Prerequisite(node["flag"], (variant,) if isinstance(variant, str) else tuple(variant), enabled)
