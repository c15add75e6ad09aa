"""From a Flagsmith document to a native one.

Each override of a feature by a segment becomes rules that ask for the segment, the strongest first; then
comes what the environment has. Whoever is drawn into no variant gets the feature's own value, as "control".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.circles import circular
from flagstaff.formats.foreign import (
    Unexpected,
    broken,
    is_name,
    items,
    key_of,
    path_of,
    table,
    unknown_fields,
)
from flagstaff.formats.translated import Translated

from .environments import context_of
from .properties import Properties
from .segments import NEVER, Segments

__all__ = ["translate"]

_SHORT = 40
_FEATURE = frozenset(("key", "name", "enabled", "value", "variants", "priority", "metadata"))
_SEGMENT = frozenset(("key", "name", "rules", "overrides", "metadata"))


class _Override(NamedTuple):
    """A feature as a segment has it."""

    priority: float
    segment: str
    told: str
    feature: Mapping[str, Any]
    path: str


def translate(document: Mapping[str, Any], _options: Mapping[str, Any]) -> Translated:
    """The native document that decides alike. RulesError where this is no document of Flagsmith's.

    Both shapes are read: the evaluation context of the engine, and the environment document of a server.
    """
    try:
        warnings: list[Problem] = []
        context = context_of(document, warnings.append) if "feature_states" in document else document
        return _Document(context, warnings).translated()
    except Unexpected as error:
        raise RulesError([Problem(error.path, f"of a document of flagsmith {error.expected}")]) from None


class _Document:
    """One translation."""

    def __init__(self, context: Mapping[str, Any], warnings: list[Problem]) -> None:
        environment = table(context.get("environment"), "environment")
        self.environment: str = key_of(environment, "key", "environment")
        self._warnings = warnings
        self._overrides: dict[str, list[_Override]] = {}
        self._conditions: dict[str, Mapping[str, Any]] = {}
        self._features = {
            str(entry.get("name", name) if isinstance(entry, Mapping) else name): (
                entry,
                path_of("features", name),
            )
            for name, entry in table(context.get("features", {}), "features").items()
        }
        self._segments = Segments(
            Properties(context, self.environment), self._features.__contains__, self._warnings.append
        )
        self._given = table(context.get("segments", {}), "segments")
        self._circular = circular(self._asked())
        for key, entry in self._given.items():
            self._read(str(key), entry)

    def translated(self) -> Translated:
        flags = {name: self._flag(name, entry, path) for name, (entry, path) in self._features.items()}
        document = {"version": 1, "flags": flags, "segments": self._conditions}
        return Translated(document, dict.fromkeys(self._warnings))

    # -- segments -----------------------------------------------------------------------------------

    def _read(self, key: str, entry: Any) -> None:
        path = path_of("segments", key)
        try:
            segment = table(entry, path)
            self._warnings += unknown_fields(segment, _SEGMENT, path)
            name = key_of(segment, "name", path)
            own = self._named(name, key)
            condition = self._segments.condition(segment, path)
            overrides = [*_tables(segment.get("overrides"), path_of(path, "overrides"))]
        except Unexpected as error:
            self._warnings.append(Problem(error.path, f"{error.expected}, so the segment never holds"))
            return
        self._conditions[own] = NEVER if self._goes_in_circles(segment, path) else condition
        for where, feature in overrides:
            self._warnings += unknown_fields(feature, _FEATURE, where)
            priority = feature.get("priority")
            strength = priority if isinstance(priority, int | float) else math.inf
            override = _Override(strength, own, name, feature, where)
            self._overrides.setdefault(str(feature.get("name")), []).append(override)

    def _named(self, name: str, key: str) -> str:
        own = name if is_name(name) else f"segment {key}"
        return own if own not in self._conditions else f"{own[:200]} ({key[:50]})"

    def _asked(self) -> Mapping[str, set[str]]:
        """Of each flag that segments override those that the segments ask for."""
        asked: dict[str, set[str]] = {}
        for segment in self._given.values():
            if isinstance(segment, Mapping):
                flags = {*self._segments.asks_for(segment.get("rules"))}
                overrides = segment.get("overrides")
                for override in overrides if isinstance(overrides, list) else ():
                    if isinstance(override, Mapping):
                        asked.setdefault(str(override.get("name")), set()).update(flags)
        return asked

    def _goes_in_circles(self, segment: Mapping[str, Any], path: str) -> bool:
        """Whether a segment asks for a flag that depends on itself, or on one that does: it never holds."""
        asked = self._circular.intersection(self._segments.asks_for(segment.get("rules")))
        if asked:
            why = f"never holds: it asks for {min(asked)!r:.100}, which depends on itself in a circle"
            self._warnings.append(Problem(path, why))
        return bool(asked)

    # -- flags --------------------------------------------------------------------------------------

    def _flag(self, name: str, entry: Any, path: str) -> Mapping[str, Any]:
        try:
            feature = table(entry, path)
            self._warnings += unknown_fields(feature, _FEATURE, path)
            return _Flag(self.environment).written(feature, path, self._overrides.get(name, []))
        except Unexpected as error:
            self._warnings.append(Problem(error.path, f"{error.expected}, so the flag is malformed"))
            return broken(str(error))


class _Flag:
    """One of Flagsmith's features, in the making."""

    def __init__(self, environment: str) -> None:
        self._unit = {"read": "flagsmith:key", "of": environment}
        self._variants: dict[str, dict[str, Any]] = {}

    def written(self, feature: Mapping[str, Any], path: str, overrides: list[_Override]) -> Mapping[str, Any]:
        own = [*self._rules(feature, path, {"anonymous": True, "reason": "DEFAULT"}, [])]
        default = own.pop()["serve"]
        for rule in own[:1]:
            rule.pop("reason")  # a draw
        rules: list[Mapping[str, Any]] = []
        for override in sorted(overrides, key=lambda override: override.priority):
            told: dict[str, Any] = {"reason": "TARGETING_MATCH"}
            told |= {"id": override.told} if is_name(override.told) else {"anonymous": True}
            metadata = _metadata(override.feature)
            held: list[Mapping[str, Any]] = [{"segment": override.segment}]
            made = [*self._rules(override.feature, override.path, told, held)]
            if len(made) > 1:
                made[0].pop("reason")
            rules += [{**rule, "metadata": metadata} if metadata else rule for rule in made]
        flag = {"variants": self._variants, "default": default, "off": default, "rules": [*rules, *own]}
        return {**flag, "metadata": _metadata(feature)}

    def _rules(
        self, feature: Mapping[str, Any], path: str, told: Mapping[str, Any], held: list[Mapping[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """A draw of the variants, the control, and the value for whoever has no identity: it serves all."""
        enabled, value = feature.get("enabled"), feature.get("value")
        if not isinstance(enabled, bool):
            raise Unexpected(path_of(path, "enabled"), "must be true or false")
        arms = [*self._arms(feature, path, enabled)]
        if arms:
            key = str(feature.get("key"))
            bucket = {"hash": "md5_percent", "spread": "raw", "prefix": f"{key},", "unit": self._unit}
            yield {**told, **_when(held), "draw": {"bucket": bucket, "arms": arms}}
            known = {"attribute": self._unit, "op": "exists", "value": True}
            yield {**told, **_when([*held, known]), "serve": self._variant("control", value, enabled)}
        yield {**told, **_when(held), "serve": self._variant(None, value, enabled)}

    def _arms(self, feature: Mapping[str, Any], path: str, enabled: bool) -> Iterator[dict[str, Any]]:
        where = path_of(path, "variants")
        found = [*_tables(feature.get("variants"), where)]
        for place, variant in found:
            for field in ("weight", "priority"):
                number = variant.get(field)
                if not isinstance(number, int | float) or isinstance(number, bool):
                    raise Unexpected(path_of(place, field), "must be a number")
        start = 0.0
        for _, variant in sorted(found, key=lambda pair: pair[1]["priority"]):
            stop = variant["weight"] + start
            key = variant.get("key")
            name = self._variant(key if is_name(key) else None, variant.get("value"), enabled)
            yield {"variant": name, "ranges": [[start, stop]]}
            start = stop

    def _variant(self, told: str | None, value: Any, enabled: bool) -> str:
        """The key of a variant that is told by this name, or by none."""
        worth: dict[str, Any] = {"value": value, "enabled": enabled}
        base = _called(value, enabled) if told is None else told
        key, number = base, 1
        while True:
            made = (
                {**worth, "named": False}
                if told is None
                else worth
                if key == told
                else {**worth, "name": told}
            )
            known = self._variants.setdefault(key, made)
            if known == made and type(known["value"]) is type(value):
                return key
            number += 1
            key = f"{base[:240]} ({number})"


def _called(value: Any, enabled: bool) -> str:
    """What a variant is called that decisions don't tell: people see it in overrides and in rules."""
    if value is None or value == "":
        return "on" if enabled else "off"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    short = text if is_name(text) and len(text) <= _SHORT and not {",", "="} & {*text} else "value"
    return short if enabled else f"{short} off"


def _when(held: list[Mapping[str, Any]]) -> dict[str, Any]:
    if not held:
        return {}
    return {"when": held[0] if len(held) == 1 else {"all": held}}


def _metadata(feature: Mapping[str, Any]) -> dict[str, Any]:
    given = feature.get("metadata")
    found = given.items() if isinstance(given, Mapping) else ()
    return {name: value for name, value in found if is_name(name) and isinstance(value, str | int | float)}


def _tables(given: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for index, entry in enumerate(items(given, path)):
        yield path_of(path, index), table(entry, path_of(path, index))
