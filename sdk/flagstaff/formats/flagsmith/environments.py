"""From the document that Flagsmith's servers have to the context that its engine evaluates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, items, key_of, path_of, table

__all__ = ["context_of"]

_Warn: TypeAlias = Callable[[Problem], object]


def context_of(document: Mapping[str, Any], warn: _Warn) -> Mapping[str, Any]:
    """The evaluation context of an environment document; ``warn`` is told of broken flags. Unexpected."""
    project = table(document.get("project"), "project")
    segments = {
        str(segment.get("id")): _segment(segment, path, warn)
        for path, segment in _tables(project.get("segments"), "project.segments")
    }
    features = _features(document.get("feature_states"), "feature_states", warn)
    return {
        "environment": {"key": key_of(document, "api_key", ""), "name": document.get("name")},
        "features": {feature["name"]: feature for feature in features},
        "segments": {**segments, **_identity_overrides(document.get("identity_overrides"), warn)},
    }


def _tables(given: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, entry in enumerate(items(given, path)):
        yield path_of(path, index), table(entry, path_of(path, index))


def _segment(given: Mapping[str, Any], path: str, warn: _Warn) -> Mapping[str, Any]:
    return {
        "key": str(given.get("id")),
        "name": key_of(given, "name", path),
        "rules": _rules(given.get("rules"), path_of(path, "rules")),
        "overrides": [*_features(given.get("feature_states"), path_of(path, "feature_states"), warn)],
    }


def _rules(given: Any, path: str) -> list[Mapping[str, Any]]:
    return [
        {
            "type": rule.get("type"),
            "conditions": [
                {
                    "property": condition.get("property_") or condition.get("property"),
                    "operator": condition.get("operator"),
                    "value": condition.get("value"),
                }
                for _, condition in _tables(rule.get("conditions"), path_of(where, "conditions"))
            ],
            "rules": _rules(rule.get("rules"), path_of(where, "rules")),
        }
        for where, rule in _tables(given, path)
    ]


def _features(given: Any, path: str, warn: _Warn) -> Iterator[dict[str, Any]]:
    for index, entry in enumerate(items(given, path)):
        where = path_of(path, index)
        try:
            yield _feature(table(entry, where), where)
        except Unexpected as error:
            warn(Problem(error.path, f"{error.expected}, so the flag is malformed"))
            told = entry.get("feature") if isinstance(entry, Mapping) else None
            name = told.get("name") if isinstance(told, Mapping) else None
            if isinstance(name, str):
                yield {"key": "", "name": name, "enabled": None}


def _feature(state: Mapping[str, Any], path: str) -> dict[str, Any]:
    feature = table(state.get("feature"), path_of(path, "feature"))
    segment = state.get("feature_segment")
    made: dict[str, Any] = {
        "key": str(state.get("django_id") or state.get("featurestate_uuid")),
        "name": key_of(feature, "name", path_of(path, "feature")),
        "enabled": state.get("enabled"),
        "value": state.get("feature_state_value"),
        "variants": [*_variants(state.get("multivariate_feature_state_values"), path)],
        "metadata": {"id": feature.get("id")},
    }
    if isinstance(segment, Mapping):
        made["priority"] = segment.get("priority")
    return made


def _variants(given: Any, path: str) -> Iterator[dict[str, Any]]:
    where = path_of(path, "multivariate_feature_state_values")
    for place, value in _tables(given, where):
        option = table(
            value.get("multivariate_feature_option"), path_of(place, "multivariate_feature_option")
        )
        yield {
            "value": option.get("value"),
            "weight": value.get("percentage_allocation"),
            "priority": value.get("id") or _uuid(value.get("mv_fs_value_uuid"), place),
            "key": option.get("key"),
        }


def _uuid(given: Any, path: str) -> int:
    try:
        return UUID(given).int
    except (AttributeError, TypeError, ValueError):
        raise Unexpected(path_of(path, "mv_fs_value_uuid"), "must be a UUID") from None


def _identity_overrides(given: Any, warn: _Warn) -> Mapping[str, Mapping[str, Any]]:
    """A segment for all identities that have the same overrides: they go before all others."""
    found: dict[str, Mapping[str, Any]] = {}
    for path, identity in _tables(given, "identity_overrides"):
        states = [*_features(identity.get("identity_features"), path_of(path, "identity_features"), warn)]
        if not states:
            continue
        overrides = [
            {**state, "key": "", "variants": [], "priority": -math.inf}
            for state in sorted(states, key=lambda state: str(state["name"]))
        ]
        known = json.dumps(overrides, sort_keys=True, default=str)
        if known not in found:
            test = {"property": "$.identity.identifier", "operator": "IN", "value": []}
            rule = {"type": "ALL", "conditions": [test]}
            found[known] = {"name": "identity_overrides", "rules": [rule], "overrides": overrides}
        listed: list[str] = found[known]["rules"][0]["conditions"][0]["value"]
        listed.append(key_of(identity, "identifier", path))
    return {f"identity overrides {number}": segment for number, segment in enumerate(found.values(), 1)}
