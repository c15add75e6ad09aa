"""The canonical form: what the short forms mean, spelled out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .document import (
    Conditions,
    Document,
    ExperimentModel,
    FlagModel,
    HoldoutModel,
    LayerModel,
    PrerequisiteCondition,
    RuleModel,
    WeightModel,
    WindowModel,
)
from .short import (
    Worth,
    condition_of,
    default_of,
    kind_of,
    off_of,
    serve_of,
    variants_of,
    weights_of,
    when_of,
)
from .values import briefly

__all__ = ["canonical"]


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
