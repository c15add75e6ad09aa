"""The canonical form: what the short forms mean, spelled out.

Every reader of a document (``translate``, ``checks``) goes through these functions, so a short form has one
meaning.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from pydantic import BaseModel

from .document import (
    BOOLEAN_VARIANTS,
    AllCondition,
    AnyCondition,
    Condition,
    Conditions,
    Document,
    ExperimentModel,
    FlagModel,
    LeafCondition,
    NotCondition,
    PrerequisiteCondition,
    RuleModel,
    SegmentCondition,
    TimeCondition,
    VariantModel,
    WeightModel,
    WindowModel,
    briefly,
)

__all__ = [
    "canonical",
    "condition_of",
    "default_of",
    "off_of",
    "serve_of",
    "variant_names",
    "variants_of",
    "weights_of",
    "when_of",
]


class Worth(NamedTuple):
    """What a variant is worth, with nothing left to imply."""

    value: Any
    enabled: bool
    description: str | None = None


def variants_of(flag: FlagModel) -> dict[str, Worth]:
    """A flag's variants with every field given."""
    if flag.variants is None:
        return {name: Worth(value, value) for name, value in BOOLEAN_VARIANTS.items()}
    return {name: _worth(given) for name, given in flag.variants.items()}


def variant_names(flag: FlagModel) -> Collection[str]:
    """The names of a flag's variants."""
    return BOOLEAN_VARIANTS if flag.variants is None else flag.variants


def _worth(given: Any) -> Worth:
    if not isinstance(given, VariantModel):
        return Worth(given, bool(given))
    enabled = bool(given.value) if given.enabled is None else given.enabled
    return Worth(given.value, enabled, given.description)


def default_of(flag: FlagModel) -> str | None:
    """The variant served when no rule serves; None where a flag with variants of its own names none."""
    return "off" if flag.default is None and flag.variants is None else flag.default


def off_of(flag: FlagModel) -> str | None:
    """The variant served when the flag is disabled: its own choice, else "off", else the default."""
    if flag.off is None and "off" in variant_names(flag):
        return "off"
    return default_of(flag) if flag.off is None else flag.off


def serve_of(rule: RuleModel) -> str | None:
    """The variant that a rule serves; "on" where it says nothing but a rollout."""
    implied = rule.serve is None and rule.split is None and rule.experiment is None
    return "on" if implied and rule.rollout is not None else rule.serve


def weights_of(split: dict[str, float] | list[WeightModel]) -> list[WeightModel]:
    """The parts of a split in document order."""
    if isinstance(split, dict):
        return [WeightModel(variant=name, weight=weight) for name, weight in split.items()]
    return split


def condition_of(given: Conditions) -> Condition:
    """One condition; a list means all of it."""
    if not isinstance(given, list):
        return given
    return given[0] if len(given) == 1 else AllCondition(all=given)


def when_of(rule: RuleModel) -> Condition | None:
    """Everything that must hold for a rule to fire, as one condition."""
    items: list[Condition] = []
    if rule.start is not None or rule.end is not None:
        items.append(TimeCondition(time=WindowModel(start=rule.start, end=rule.end)))
    if rule.segment is not None:
        items.append(SegmentCondition(segment=rule.segment))
    if rule.when is not None:
        items.extend(rule.when if isinstance(rule.when, list) else [rule.when])
    return condition_of(items) if items else None


# -- printing ------------------------------------------------------------------------------------------


def canonical(document: Document) -> dict[str, Any]:
    """The document as plain data in canonical form; reading that again changes nothing."""
    plain = _plain(document)
    plain["segments"] = {name: _condition(given) for name, given in document.segments.items()}
    plain["experiments"] = {name: _experiment(item) for name, item in document.experiments.items()}
    plain["flags"] = {key: _flag(flag) for key, flag in document.flags.items()}
    return {key: value for key, value in plain.items() if value not in ({}, [])}


def _plain(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True, exclude_defaults=True) | (
        {"version": 1} if isinstance(model, Document) else {}
    )


def _condition(given: Conditions) -> dict[str, Any]:
    node = condition_of(given)
    match node:
        case AllCondition():
            return {"all": [_condition(item) for item in node.all]}
        case AnyCondition():
            return {"any": [_condition(item) for item in node.any]}
        case NotCondition():
            return {"not": _condition(node.not_)}
        case LeafCondition():
            return {"attribute": node.attribute, "op": node.op, "value": node.value}
        case PrerequisiteCondition():
            return _prerequisite(node)
        case _:
            return _plain(node)


def _prerequisite(node: PrerequisiteCondition) -> dict[str, Any]:
    plain: dict[str, Any] = {"flag": node.flag}
    if node.variant is not None:
        plain["variant"] = [node.variant] if isinstance(node.variant, str) else node.variant
    if node.enabled is not None or node.variant is None:
        plain["enabled"] = node.enabled is not False
    return plain


def _experiment(experiment: ExperimentModel) -> dict[str, Any]:
    plain = _plain(experiment) | {"split": _split(experiment.split), "status": experiment.status}
    if experiment.layer is None:
        plain["traffic"] = 100 if experiment.traffic is None else briefly(experiment.traffic)
    return _in_order(plain, ExperimentModel)


def _split(split: dict[str, float] | list[WeightModel]) -> list[dict[str, Any]]:
    return [{"variant": part.variant, "weight": briefly(part.weight)} for part in weights_of(split)]


def _flag(flag: FlagModel) -> dict[str, Any]:
    variants = {name: _variant(worth) for name, worth in variants_of(flag).items()}
    plain = _plain(flag) | {"variants": variants, "default": default_of(flag), "off": off_of(flag)}
    if flag.gates:
        plain["gates"] = [_condition(gate) for gate in flag.gates]
    if flag.rules:
        plain["rules"] = [_rule(str(index), rule) for index, rule in enumerate(flag.rules)]
    return _in_order(plain, FlagModel)


def _variant(worth: Worth) -> dict[str, Any]:
    plain = {"value": worth.value, "enabled": worth.enabled}
    return plain if worth.description is None else plain | {"description": worth.description}


def _rule(index: str, rule: RuleModel) -> dict[str, Any]:
    plain = {
        key: value for key, value in _plain(rule).items() if key not in ("segment", "start", "end", "when")
    }
    when, serve = when_of(rule), serve_of(rule)
    plain["id"] = rule.id or index
    if when is not None:
        plain["when"] = _condition(when)
    if serve is not None:
        plain["serve"] = serve
    if rule.split is not None:
        plain["split"] = _split(rule.split)
    return _in_order(plain, RuleModel)


def _in_order(plain: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The fields in the model's order, so that a document in canonical form is printed as it was read."""
    return {name: plain[name] for name in model.model_fields if name in plain}
