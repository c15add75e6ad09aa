"""The canonical form: what the short forms mean, spelled out.

Every reader of a document (``translate``, ``checks``) goes through these functions, so a short form has one
meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from .document import (
    BOOLEAN_VARIANTS,
    Condition,
    Conditions,
    Document,
    ExperimentModel,
    FlagModel,
    HoldoutModel,
    LayerModel,
    PrerequisiteCondition,
    RuleModel,
    VariantModel,
    WeightModel,
    WindowModel,
    kind_of,
)
from .primitives import briefly

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
    valued: bool = True
    named: bool = True
    name: str | None = None


def variants_of(flag: FlagModel) -> dict[str, Worth]:
    """A flag's variants with every field given."""
    variants = flag.get("variants")
    if variants is None:
        return {name: Worth(value, value) for name, value in BOOLEAN_VARIANTS.items()}
    return {name: _worth(given) for name, given in variants.items()}


def variant_names(flag: FlagModel) -> Mapping[str, object]:
    """A flag's variants, for their names."""
    return flag.get("variants") or BOOLEAN_VARIANTS


def _worth(given: Any) -> Worth:
    if not isinstance(given, dict):
        return Worth(given, bool(given))
    variant = cast(VariantModel, given)
    value, enabled = variant["value"], variant.get("enabled")
    return Worth(
        value,
        bool(value) if enabled is None else enabled,
        variant.get("description"),
        variant.get("valued", True),
        variant.get("named", True),
        variant.get("name"),
    )


def default_of(flag: FlagModel) -> str | None:
    """The variant served when no rule serves; None where a flag with variants of its own has none."""
    default = flag.get("default")
    return "off" if default is None and flag.get("variants") is None else default


def off_of(flag: FlagModel) -> str | None:
    """The variant served when the flag is disabled: its own choice, else "off", else the default."""
    off = flag.get("off")
    if off is not None or ("off" in flag and flag.get("variants") is not None):
        return off
    return "off" if "off" in variant_names(flag) else default_of(flag)


def serve_of(rule: RuleModel) -> str | None:
    """The variant that a rule serves; "on" where it says nothing but a rollout."""
    serve = rule.get("serve")
    if serve is None and rule.get("rollout") is not None:
        return "on" if rule.get("split") is None and rule.get("experiment") is None else None
    return serve


def weights_of(split: dict[str, float] | list[WeightModel]) -> list[WeightModel]:
    """The parts of a split in document order."""
    if isinstance(split, dict):
        return [WeightModel(variant=name, weight=weight) for name, weight in split.items()]
    return split


def condition_of(given: Conditions) -> Condition:
    """One condition; a list means all of it."""
    if not isinstance(given, list):
        return given
    return given[0] if len(given) == 1 else {"all": given}


def when_of(rule: RuleModel) -> Condition | None:
    """Everything that must hold for a rule to fire, as one condition."""
    items: list[Condition] = []
    start, end, segment, when = rule.get("start"), rule.get("end"), rule.get("segment"), rule.get("when")
    if start is not None or end is not None:
        items.append({"time": WindowModel(start=start, end=end)})
    if segment is not None:
        items.append({"segment": segment})
    if when is not None:
        items.extend(when if isinstance(when, list) else [when])
    return condition_of(items) if items else None


# -- printing ------------------------------------------------------------------------------------------


def canonical(document: Document) -> dict[str, Any]:
    """The document as plain data in canonical form; reading that again changes nothing."""
    plain = _plain(document, {"project": "default", "environment": "default"}) | {"version": 1}
    for section, form in _FORMS.items():
        parts: Mapping[str, Any] = document.get(section) or {}  # type: ignore[assignment]
        plain[section] = {name: form(part) for name, part in parts.items()}
    return _in_order({key: value for key, value in plain.items() if value not in ({}, [])}, Document)


def _plain(part: Mapping[str, Any], implied: Mapping[str, Any]) -> dict[str, Any]:
    """What a part says, without what would be understood anyway."""
    return {
        name: value
        for name, value in part.items()
        if value is not None and not (name in implied and value == implied[name])
    }


def _condition(given: Conditions) -> dict[str, Any]:
    node: Any = condition_of(given)
    match kind_of(node):
        case "all" | "any" as kind:
            return {kind: [_condition(item) for item in node[kind]]}
        case "not" | "known" as kind:
            return {kind: _condition(node[kind])}
        case "attribute":
            return {"attribute": node["attribute"], "op": node["op"], "value": node.get("value", True)}
        case "flag":
            return _prerequisite(node)
        case "bucket":
            return {"bucket": _plain(node["bucket"], _UNIT), "in": _briefly(node["in"])}
        case "time":
            return {"time": _in_order(_plain(node["time"], {}), WindowModel)}
        case "ranges":
            return {"bucket": node["bucket"], "ranges": node["ranges"]}
        case kind:
            return {kind: node[kind]}


def _prerequisite(node: PrerequisiteCondition) -> dict[str, Any]:
    variant, enabled = node.get("variant"), node.get("enabled")
    plain: dict[str, Any] = {"flag": node["flag"]}
    if variant is not None:
        plain["variant"] = [variant] if isinstance(variant, str) else variant
    if enabled is not None or (variant is None and "that" not in node):
        plain["enabled"] = enabled is not False
    if "that" in node:
        plain["that"] = _condition(node["that"])
    if "inside" in node:
        plain["inside"] = node["inside"]
    return plain


def _experiment(experiment: ExperimentModel) -> dict[str, Any]:
    plain = _plain(experiment, _EXPERIMENT) | {
        "split": _split(experiment["split"]),
        "status": experiment.get("status", "running"),
    }
    if experiment.get("layer") is None:
        plain["traffic"] = 100 if experiment.get("traffic") is None else plain["traffic"]
    if experiment.get("metrics") is not None:
        plain["metrics"] = _plain(plain["metrics"], {"guardrails": []})
    return _in_order(_with_brief_percents(plain), ExperimentModel)


def _split(split: dict[str, float] | list[WeightModel]) -> list[dict[str, Any]]:
    return [{"variant": part["variant"], "weight": briefly(part["weight"])} for part in weights_of(split)]


def _flag(flag: FlagModel) -> dict[str, Any]:
    variants = {name: _variant(worth) for name, worth in variants_of(flag).items()}
    plain = _plain(flag, _FLAG) | {"variants": variants, "default": default_of(flag), "off": off_of(flag)}
    if "gates" in plain:
        plain["gates"] = [_condition(gate) for gate in plain["gates"]]
    if "rules" in plain:
        plain["rules"] = [_rule(str(index), rule) for index, rule in enumerate(plain["rules"])]
    return _in_order(plain, FlagModel)


def _variant(worth: Worth) -> dict[str, Any]:
    plain = {"value": worth.value, "enabled": worth.enabled}
    if worth.description is not None:
        plain["description"] = worth.description
    if worth.name is not None:
        plain["name"] = worth.name
    return plain | {name: False for name in ("valued", "named") if not getattr(worth, name)}


def _rule(index: str, rule: RuleModel) -> dict[str, Any]:
    plain = _plain(rule, {})
    for name in ("segment", "start", "end", "when"):
        plain.pop(name, None)
    when, serve, split = when_of(rule), serve_of(rule), rule.get("split")
    plain["id"] = rule.get("id") or index
    if when is not None:
        plain["when"] = _condition(when)
    if serve is not None:
        plain["serve"] = serve
    if split is not None:
        plain["split"] = _split(split)
    return _in_order(_with_brief_percents(plain), RuleModel)


def _layer(layer: LayerModel) -> dict[str, Any]:
    return _in_order(_plain(layer, _UNIT), LayerModel)


def _holdout(holdout: HoldoutModel) -> dict[str, Any]:
    return _in_order(_with_brief_percents(_plain(holdout, _UNIT)), HoldoutModel)


def _with_brief_percents(plain: dict[str, Any]) -> dict[str, Any]:
    return plain | {name: _briefly(plain[name]) for name in _PERCENTS if name in plain}


def _briefly(given: Any) -> Any:
    """A percentage, or those in a list of ranges or steps, as people write them."""
    match given:
        case list():
            return [_briefly(item) for item in given]
        case {"at": at, "percent": percent}:
            return {"at": at, "percent": briefly(percent)}
        case _:
            return briefly(given)


def _in_order(plain: dict[str, Any], model: type) -> dict[str, Any]:
    """The fields in the model's order, so that a document in canonical form is printed as it was read."""
    names: Iterable[str] = model.__annotations__
    return {name: plain[name] for name in names if name in plain}


_PERCENTS = ("rollout", "traffic", "slots", "size")
_UNIT = {"unit": "targeting_key"}
_EXPERIMENT = _UNIT | {"revision": 1, "pins": {}}
_FLAG: dict[str, Any] = {"enabled": True, "tags": [], "gates": [], "pins": {}, "rules": [], "metadata": {}}
_FORMS: dict[str, Any] = {
    "segments": _condition,
    "layers": _layer,
    "holdouts": _holdout,
    "experiments": _experiment,
    "flags": _flag,
}
