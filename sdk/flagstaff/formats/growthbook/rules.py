"""One feature's rules: each is one or more native rules, tried in the same order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, NamedTuple

from flagstaff.errors import Problem
from flagstaff.formats.foreign import is_name, items, path_of, table, unknown_fields
from flagstaff.formats.javascript import number, text, truthy

from .contexts import EXTRA
from .draws import Scheme, fraction, namespace_of, pair, portions, unit_of, without
from .targeting import TRUE, Targeting, all_of
from .variants import Variants

__all__ = ["Feature"]

_RULE = frozenset(
    [
        "id",
        "condition",
        "parentConditions",
        "filters",
        "force",
        "coverage",
        "range",
        "seed",
        "hashAttribute",
        "fallbackAttribute",
        "hashVersion",
        "variations",
        "weights",
        "key",
        "namespace",
        "ranges",
        "meta",
        "phase",
        "name",
        "disableStickyBucketing",
        "bucketVersion",
        "minBucketVersion",
        "tracks",
        "contextualVariations",
        "contextualBanditRef",
        "type",
    ]
)


_NOBODY = {"bucket": {"hash": "fnv1a", "spread": "mod", "size": 1}, "arms": []}
"""What serves nobody: a rule that merely asks other features, which may lead into a circle."""


_MOST_VERSIONS = 1000
"""Older versions of an experiment that are looked at."""


class _Asked(NamedTuple):
    """What must hold for a rule: of other features, which are asked first, and of the unit."""

    parents: list[dict[str, Any]]
    who: list[dict[str, Any]]


class Feature:
    """Makes a flag of a feature."""

    def __init__(  # noqa: PLR0917 - what one feature is made of
        self,
        key: str,
        path: str,
        features: Mapping[str, Any],
        targeting: Targeting,
        bandits: Mapping[str, Any],
        circular: frozenset[str],
        warnings: list[Problem],
    ) -> None:
        self._key = key
        self._path = path
        self._features = features
        self._targeting = targeting
        self._bandits = bandits
        self._circular = circular
        self._warnings = warnings
        self._variants = Variants(warnings)
        self._ids: set[str] = set()

    def made(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The flag. Unexpected."""
        default = given.get("defaultValue")
        name = None if default is None else self._variants.value(default)
        rules: list[dict[str, Any]] = []
        path = path_of(self._path, "rules")
        for index, rule in enumerate(items(given.get("rules"), path)):
            place = path_of(path, index)
            rules += self._rule(table(rule, place), place)
        return {"variants": self._variants.made(), "default": name, "off": name, "rules": rules}

    def _rule(self, rule: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
        self._warnings += unknown_fields(rule, _RULE, path)
        parents: list[dict[str, Any]] = []
        yield from self._parents(rule, path, parents)
        filters = path_of(path, "filters")
        who = [*self._filters(rule["filters"], filters)] if truthy(rule.get("filters")) else []
        made = [*self._outcome(rule, path, parents, who)]
        if not made and parents and self._key in self._circular:
            made.append({"anonymous": True, "when": all_of(parents), "draw": _NOBODY})
        yield from made

    def _outcome(
        self, rule: Mapping[str, Any], path: str, parents: list[dict[str, Any]], who: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        if "force" in rule:
            yield from self._force(rule, path, [*parents, *who])
            return
        given = "contextualVariations" if rule.get("contextualVariations") else "variations"
        if truthy(rule.get(given)):
            variations = items(rule[given], path_of(path, given))
            if len(variations) > 1:
                yield from self._experiment(rule, path, _Asked(parents, who), variations)

    # -- other features ------------------------------------------------------------------------------

    def _parents(
        self, rule: Mapping[str, Any], path: str, when: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """What other features must come to; where one is a gate and doesn't, the feature is null."""
        path = path_of(path, "parentConditions")
        for index, entry in enumerate(items(rule.get("parentConditions"), path)):
            place = path_of(path, index)
            parent = table(entry, place)
            holds = self._parent(parent, place)
            if truthy(parent.get("gate")):
                told = {"anonymous": True, "reason": "PREREQUISITE_FAILED", **_metadata(parent.get("id"))}
                yield {**told, "when": all_of([*when, {"not": holds}]), "nothing": True}
            when.append(holds)

    def _parent(self, parent: Mapping[str, Any], path: str) -> dict[str, Any]:
        key, condition = parent.get("id"), parent.get("condition")
        known = isinstance(key, str) and isinstance(self._features.get(key), Mapping) and is_name(key)
        asked = self._targeting.of_value(condition or {}, path_of(path, "condition"), known=known)
        if not known:
            self._warnings.append(Problem(path_of(path, "id"), f"no such feature: {key!r:.100}; it is null"))
            return asked
        inside = {"inside": self._key} if key in self._circular else {}
        return {"flag": key, "that": asked, **inside}

    # -- who -----------------------------------------------------------------------------------------

    def _filters(self, given: Any, path: str) -> Iterator[dict[str, Any]]:
        for index, entry in enumerate(items(given, path)):
            place = path_of(path, index)
            one = table(entry, place)
            seed, version = one.get("seed"), one.get("hashVersion") or 2
            scheme = Scheme(text(seed) if truthy(seed) else "", _attribute(one, "attribute"), version)
            ranges = [
                part
                for bounds in items(one.get("ranges"), path_of(place, "ranges"))
                for part in scheme.ranges(*pair(bounds, path_of(place, "ranges")))
                if scheme.is_known
            ]
            yield {"bucket": scheme.bucket, "ranges": ranges}

    def _condition(self, rule: Mapping[str, Any], path: str) -> list[dict[str, Any]]:
        condition = rule.get("condition")
        if not truthy(condition) or condition == {}:
            return []
        return [self._targeting.of(condition, path_of(path, "condition"))]

    # -- values --------------------------------------------------------------------------------------

    def _force(
        self, rule: Mapping[str, Any], path: str, when: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        if rule.get("tracks"):
            problem = "are exposures of experiments that were decided elsewhere: not recorded"
            self._warnings.append(Problem(path_of(path, "tracks"), problem))
        name = self._variants.value(rule["force"])
        told = self._named(rule) | _when([*when, *self._condition(rule, path)])
        if not truthy(rule.get("range")) and "coverage" not in rule:
            yield {**told, "serve": name}
            return
        scheme = self._scheme(rule)
        ranges = self._rollout(rule, path, scheme) if scheme.is_known else []
        if ranges:
            arms = [{"variant": name, "ranges": ranges}]
            yield {**told, "draw": {"bucket": scheme.bucket, "arms": arms}}

    def _rollout(self, rule: Mapping[str, Any], path: str, scheme: Scheme) -> list[list[int]]:
        if truthy(rule.get("range")):
            return scheme.ranges(*pair(rule["range"], path_of(path, "range")))
        coverage = number(rule["coverage"])
        is_zero = coverage == 0 and rule["coverage"] is not None
        return scheme.up_to(coverage) if coverage >= 0 and not is_zero else []

    def _scheme(self, rule: Mapping[str, Any], key: str | None = None) -> Scheme:
        seed = rule.get("seed")
        name = text(seed) if truthy(seed) else key or self._key
        return Scheme(name, _drawn_by(rule), rule.get("hashVersion") or 1)

    # -- experiments ---------------------------------------------------------------------------------

    def _experiment(
        self, rule: Mapping[str, Any], path: str, asked: _Asked, variations: list[Any]
    ) -> Iterator[dict[str, Any]]:
        """Whoever forces a variation gets it, unexposed; everybody else is drawn."""
        key = text(rule["key"]) if truthy(rule.get("key")) else self._key
        names = self._variants.arms(key, rule, path, variations)
        measure = {
            "experiment": key if is_name(key) else self._key,
            "unit": unit_of(_drawn_by(rule)),
        }
        sticky = _sticky(rule, key)
        session = {"key": key, "count": len(variations)}
        forced = {"attribute": EXTRA, "op": "growthbook:forced", "value": session}
        expression = {"key": key, "variants": names}
        yield {
            **self._named(rule),
            **_when([*asked.parents, forced, *asked.who]),
            "compute": {"language": "growthbook:forced", "expression": expression},
            "reason": "OVERRIDE",
            "measure": {**measure, "exposed": False},
        }
        scheme = self._scheme(rule, key)
        if not scheme.is_known:
            return
        if sticky is not None:
            session = {**session, "sticky": sticky}
        drawn = {"attribute": EXTRA, "op": "growthbook:drawn", "value": session}
        who = [*asked.parents, drawn, *asked.who, *self._namespace(rule, path), *self._condition(rule, path)]
        for extra, weights, metadata in self._leaves(rule):
            arms = [*self._drawn(rule, path, scheme, names, weights)]
            told = {**self._named(rule), **_when([*who, *extra]), "measure": measure, **metadata}
            yield {**told, "draw": {"bucket": scheme.bucket, "arms": arms}}
        if sticky is not None:  # after the draw, which leaves them out: most people come to that
            stuck = {"attribute": EXTRA, "op": "growthbook:stuck", "value": session}
            given = {"language": "growthbook:stuck", "expression": {"sticky": sticky, "variants": names}}
            told = {"reason": "SPLIT", "measure": measure, **self._named(rule)}
            yield {**told, **_when([*asked.parents, stuck, *asked.who]), "compute": given}

    def _namespace(self, rule: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
        given = rule.get("namespace")
        if truthy(given) and not truthy(rule.get("filters")):
            yield namespace_of(given, _drawn_by(rule), path_of(path, "namespace"))

    def _drawn(
        self, rule: Mapping[str, Any], path: str, scheme: Scheme, names: list[str | None], weights: Any
    ) -> Iterator[dict[str, Any]]:
        """The arms of a draw. Those that let the next rule decide are none, but nobody else's either."""
        passing: list[list[int]] = []
        for name, (start, stop) in zip(names, self._portions(rule, path, len(names), weights), strict=False):
            ranges = scheme.ranges(start, stop)
            if name is None:
                passing += ranges
            else:
                yield {"variant": name, "ranges": without(ranges, passing)}

    def _portions(
        self, rule: Mapping[str, Any], path: str, count: int, weights: Any
    ) -> list[tuple[float, float]]:
        if truthy(rule.get("ranges")):
            place = path_of(path, "ranges")
            given = items(rule["ranges"], place)
            return [pair(bounds, path_of(place, index)) for index, bounds in enumerate(given)]
        place = path_of(path, "weights")
        parts = None
        if truthy(weights):
            parts = [
                fraction(item, path_of(place, index)) for index, item in enumerate(items(weights, place))
            ]
        coverage = fraction(rule.get("coverage") or 0, path_of(path, "coverage")) if "coverage" in rule else 1
        return portions(count, coverage, parts)

    def _leaves(self, rule: Mapping[str, Any]) -> Iterator[tuple[list[dict[str, Any]], Any, dict[str, Any]]]:
        """(conditions, weights, metadata): the leaves of a contextual bandit, or one for all."""
        reference = rule.get("contextualBanditRef")
        bandit = self._bandits.get(reference) if isinstance(reference, str) else None
        if not isinstance(bandit, Mapping) or not rule.get("contextualVariations"):
            yield [], rule.get("weights"), {}
            return
        version = bandit.get("banditVersion")
        place = path_of(path_of("contextualBandits", reference), "contexts")
        passed: list[dict[str, Any]] = []
        for index, entry in enumerate(items(bandit.get("contexts"), place)):
            leaf = table(entry, path_of(place, index))
            holds = self._leaf(str(reference), index, leaf, path_of(place, index))
            weights = leaf.get("weights")
            yield [*passed, holds], weights, _leaf_metadata(leaf.get("leafId"), version)
            passed = [*passed, {"not": holds}]
        yield passed, rule.get("weights"), _leaf_metadata(-1, version)

    def _leaf(self, reference: str, index: int, leaf: Mapping[str, Any], path: str) -> dict[str, Any]:
        condition = leaf.get("condition")
        if not truthy(condition) or condition == {}:
            return TRUE
        name = f"{reference[:200]} leaf {index}"
        made = self._targeting.of(condition, path_of(path, "condition"))
        if not is_name(name) or self._targeting.segments.setdefault(name, made) != made:
            return made
        return {"segment": name}

    def _named(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        name = rule.get("id")
        if not truthy(name) or not is_name(name):
            return {"anonymous": True}
        again = name in self._ids or str(name).isdigit()
        self._ids.add(str(name))
        return {"id": name, "miss": "next"} if again else {"id": name}


def _when(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"when": all_of(conditions)} if conditions else {}


def _attribute(given: Mapping[str, Any], field: str) -> str:
    return text(given[field]) if truthy(given.get(field)) else "id"


def _drawn_by(rule: Mapping[str, Any]) -> str | list[str]:
    """The attribute whose value is drawn; where there is another to fall back on, both."""
    first = _attribute(rule, "hashAttribute")
    if truthy(rule.get("disableStickyBucketing")) or not truthy(rule.get("fallbackAttribute")):
        return first
    return [first, text(rule["fallbackAttribute"])]


def _sticky(rule: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """How what was given before is found; None where nothing can be."""
    meta, fallback = rule.get("meta"), rule.get("fallbackAttribute")
    told = meta if isinstance(meta, list) else []
    keys = [each.get("key") if isinstance(each, Mapping) else None for each in told]
    least = number(rule.get("minBucketVersion") or 0)
    older = range(ceil(min(least, _MOST_VERSIONS)) if least > 0 else 0)
    blocked = [f"{key}__{version}" for version in older]
    if truthy(rule.get("disableStickyBucketing")) or not (any(map(truthy, keys)) or blocked):
        return None
    return {
        "experiment": key,
        "version": text(rule.get("bucketVersion") or 0),
        "blocked": blocked,
        "attribute": _attribute(rule, "hashAttribute"),
        "fallback": text(fallback) if truthy(fallback) else None,
        "keys": keys,
    }


def _metadata(parent: Any) -> dict[str, Any]:
    return {"metadata": {"prerequisite": parent}} if isinstance(parent, str) else {}


def _leaf_metadata(leaf: Any, version: Any) -> dict[str, Any]:
    known = {"leafId": leaf, "banditVersion": version}
    return {
        "metadata": {name: value for name, value in known.items() if isinstance(value, str | int | float)}
    }
