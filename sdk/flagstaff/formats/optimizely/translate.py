"""A datafile as a native document: each flag's holdouts, experiments and rollout are one list of rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, TypeAlias

from flagstaff.errors import ConfigError, Problem
from flagstaff.formats.foreign import Unexpected, broken, is_name, items, key_of, path_of, table
from flagstaff.formats.translated import Translated

from .audiences import Audiences
from .datafile import Datafile, Entity
from .variants import Variants

__all__ = ["check_options", "translate"]

_Variation: TypeAlias = tuple[str, Mapping[str, Any]]
"""A variation and its path."""

_SIZE = 10_000
_UNIT = {"read": "optimizely:bucketing_id", "of": None}


def check_options(options: Mapping[str, Any]) -> None:
    """ConfigError for an option that there isn't, or that isn't what it should be."""
    for name, value in options.items():
        if name != "experiments":
            raise ConfigError("format_options", f"of Optimizely are experiments, not {name!r}")
        if not isinstance(value, bool):
            raise ConfigError("format_options", f"experiments must be true or false, not {value!r}")


def translate(document: Mapping[str, Any], options: Mapping[str, Any]) -> Translated:
    """The native document of a datafile. RulesError where it is none.

    Experiments that belong to no flag are flags of their own, by their keys: the option ``experiments`` makes
    them of all.
    """
    return _Translation(Datafile(document), options).translated()


class _Translation:
    def __init__(self, datafile: Datafile, options: Mapping[str, Any]) -> None:
        self._datafile = datafile
        self._audiences = Audiences(datafile)
        self._warnings = datafile.warnings
        self._flags = datafile.flags_by_experiment()
        self._all_experiments = options.get("experiments") is True

    def translated(self) -> Translated:
        flags: dict[str, Any] = {}
        for entity in self._datafile.flags:
            key = entity.data.get("key")
            if is_name(key):
                flags[str(key)] = self._whole(str(key), entity, self._flag)
            else:
                self._warnings.append(Problem(entity.path, "has no key, and was left out"))
        for key, entity in self._experiments().items():
            if key not in flags:
                flags[key] = self._whole(key, entity, self._experiment)
        document = {**self._identity(), "segments": self._audiences.segments, "flags": flags}
        return Translated(document, [*self._warnings, *self._audiences.warnings])

    def _experiments(self) -> dict[str, Entity]:
        """Those that can be decided by their own key; of namesakes the last."""
        return {
            entity.key: entity
            for entity in self._datafile.own_experiments
            if (self._all_experiments or entity.number not in self._flags) and is_name(entity.data.get("key"))
        }

    def _identity(self) -> dict[str, Any]:
        """What the datafile says of itself."""
        given = self._datafile.document
        found: dict[str, Any] = {"version": 1}
        names = {"project": given.get("projectId"), "environment": given.get("environmentKey")}
        revision = given.get("revision")
        found |= {name: value for name, value in names.items() if is_name(value)}
        if isinstance(revision, str) and revision.isascii() and revision.isdigit() and len(revision) < 16:
            found["revision"] = int(revision)
        return found

    def _whole(self, key: str, entity: Entity, make: Any) -> dict[str, Any]:
        try:
            made: dict[str, Any] = make(entity)
        except Unexpected as error:
            self._warnings.append(Problem(error.path, error.expected, key))
            return broken(str(error))
        return made

    # -- flags ---------------------------------------------------------------------------------------

    def _flag(self, entity: Entity) -> dict[str, Any]:
        variants = Variants(entity, self._warnings)
        rules = _Rules(self._datafile, self._audiences, variants, self._warnings)
        made = [*rules.of(entity)]
        return {"variants": variants.made(), "default": variants.none, "rules": made}

    def _experiment(self, entity: Entity) -> dict[str, Any]:
        """An experiment that is asked for by its own key."""
        variants = Variants(None, self._warnings)
        rules = _Rules(self._datafile, self._audiences, variants, self._warnings)
        flag = self._flags.get(entity.number, entity)
        made = [*rules.experiment(flag, entity)] if entity.is_running else []
        return {"variants": variants.made(), "default": None, "off": None, "rules": made}


class _Rules:
    """The rules of one flag."""

    def __init__(
        self, datafile: Datafile, audiences: Audiences, variants: Variants, warnings: list[Problem]
    ) -> None:
        self._datafile = datafile
        self._audiences = audiences
        self._variants = variants
        self._warnings = warnings
        self._held: list[dict[str, Any]] = []
        """Conditions that keep a user out of all but targeted deliveries."""

    def of(self, flag: Entity) -> Iterator[dict[str, Any]]:
        for holdout in self._datafile.holdouts:
            yield from self._global_holdout(holdout)
        for experiment in self._listed(flag):
            targeted = experiment.data.get("type") == "td"
            free = [] if targeted else [{"not": held} for held in self._held]
            for rule in self._experiment_rules(flag, experiment):
                yield rule | _when(*free, rule.get("when"))
        yield from self._rollout(flag)

    def _listed(self, flag: Entity) -> Iterator[Entity]:
        path = path_of(flag.path, "experimentIds")
        for index, number in enumerate(items(flag.data.get("experimentIds"), path)):
            entity = self._datafile.experiments.get(number) if isinstance(number, str) else None
            if entity is None:
                self._warnings.append(Problem(path_of(path, index), f"no such experiment: {number!r:.100}"))
            else:
                yield entity

    # -- holdouts ------------------------------------------------------------------------------------

    def _global_holdout(self, holdout: Entity) -> Iterator[dict[str, Any]]:
        arms = self._arms(holdout, _each(holdout))
        free = [{"not": held} for held in self._held]
        if holdout.data.get("excludeTargetedDeliveries") is True:
            ranges = [bounds for _, bounds in arms]
            drawn = {"bucket": _bucket(holdout.id), "ranges": ranges}
            self._held.append({"known": _when(*free, self._audiences.of(holdout), drawn)["when"]})
        else:
            yield self._holdout(holdout, arms) | _when(*free, self._audiences.of(holdout))

    def _local_holdouts(self, rule: Entity) -> Iterator[dict[str, Any]]:
        for holdout in self._datafile.local_holdouts.get(rule.id, ()):
            yield self._holdout(holdout, self._arms(holdout, _each(holdout))) | _when(
                self._audiences.of(holdout)
            )

    def _holdout(self, holdout: Entity, arms: list[tuple[str, list[int]]]) -> dict[str, Any]:
        return _named(holdout) | _draw(holdout, arms) | {"reason": "HOLDOUT", "measure": _measure(holdout)}

    # -- experiments ---------------------------------------------------------------------------------

    def _experiment_rules(self, flag: Entity, experiment: Entity) -> Iterator[dict[str, Any]]:
        yield from self._local_holdouts(experiment)
        if experiment.is_running:
            yield from self.experiment(flag, experiment)

    def experiment(self, flag: Entity, experiment: Entity) -> Iterator[dict[str, Any]]:
        """Who is listed gets what the list says; everybody else is drawn."""
        added = self._everyone_else(flag) if experiment.data.get("type") == "fr" else None
        yield from self._whitelist(experiment, added)
        when = _when(self._audiences.of(experiment), self._group(experiment))
        if experiment.data.get("cmab"):
            yield self._adaptive(experiment, when)
        else:
            arms = self._arms(experiment, _distinct(experiment), added)
            yield _named(experiment) | when | _draw(experiment, arms) | {"measure": _measure(experiment)}

    def _whitelist(self, experiment: Entity, added: _Variation | None) -> Iterator[dict[str, Any]]:
        path = path_of(experiment.path, "forcedVariations")
        users: dict[str, list[str]] = {}
        for user, key in table(experiment.data.get("forcedVariations") or {}, path).items():
            users.setdefault(str(key), []).append(user)
        variations = _distinct(experiment)
        if added is not None:
            variations[str(added[1].get("key"))] = added
        for key, (entry, variation) in variations.items():
            if key in users:
                name = self._variants.add(experiment, variation, entry)
                when = {"attribute": "targeting_key", "op": "in", "value": users[key]}
                yield {**_named(experiment), "when": when, "serve": name, "measure": _measure(experiment)}

    def _group(self, experiment: Entity) -> dict[str, Any] | None:
        """The slots that an experiment has in its group; None: it is in none where that matters."""
        group = self._datafile.groups.get(experiment.id)
        if group is None:
            return None
        ranges = [bounds for number, bounds in _allocated(group) if number == experiment.id]
        return {"bucket": _bucket(group.id), "ranges": ranges}

    def _adaptive(self, experiment: Entity, when: dict[str, Any]) -> dict[str, Any]:
        """Whoever is in the traffic of a contextual bandit gets nothing: the arm is a remote service's."""
        problem = "is decided by a remote service: without it, users in its traffic get no variation"
        self._warnings.append(Problem(path_of(experiment.path, "cmab"), problem))
        ranges = [bounds for number, bounds in _allocated(experiment) if number]
        drawn = {"bucket": _bucket(experiment.id), "ranges": ranges}
        return {
            **_when(when.get("when"), drawn),
            "anonymous": True,
            "reason": "DEFAULT",
            "serve": self._variants.none,
        }

    def _everyone_else(self, flag: Entity) -> _Variation | None:
        """The first variation of the last rule of the flag's rollout."""
        rules = self._datafile.rollouts.get(str(flag.data.get("rolloutId")), [])
        return next(rules[-1].list("variations"), None) if rules else None

    # -- rollouts ------------------------------------------------------------------------------------

    def _rollout(self, flag: Entity) -> Iterator[dict[str, Any]]:
        number = flag.data.get("rolloutId")
        if number and str(number) not in self._datafile.rollouts:
            self._warnings.append(
                Problem(path_of(flag.path, "rolloutId"), f"no such rollout: {number!r:.100}")
            )
        rules = self._datafile.rollouts.get(str(number), [])
        for rule in rules[:-1]:
            yield from self._local_holdouts(rule)
            yield self._delivery(rule) | {"miss": "last"}
        for last in rules[-1:]:
            for holdout in self._local_holdouts(last):
                yield holdout | {"last": True}
            yield self._delivery(last) | {"last": True}

    def _delivery(self, rule: Entity) -> dict[str, Any]:
        return _named(rule) | _when(self._audiences.of(rule)) | _draw(rule, self._arms(rule, _distinct(rule)))

    # -- traffic -------------------------------------------------------------------------------------

    def _arms(
        self, entity: Entity, given: Mapping[str, _Variation], added: _Variation | None = None
    ) -> list[tuple[str, list[int]]]:
        """The variants that traffic is allotted to; what is allotted to nothing is left out."""
        variations = {str(variation.get("id")): (path, variation) for path, variation in given.values()}
        more = []
        if added is not None:
            variations[str(added[1].get("id"))] = added
            more = [(str(added[1].get("id")), _SIZE)]
        return [
            (self._variants.add(entity, variations[number][1], variations[number][0]), bounds)
            for number, bounds in _allocated(entity, more)
            if number in variations and entity.key.strip()
        ]


def _distinct(entity: Entity) -> dict[str, _Variation]:
    """An experiment's variations by their keys; of namesakes the last."""
    return {
        key_of(variation, "key", path): (path, variation) for path, variation in entity.list("variations")
    }


def _each(entity: Entity) -> dict[str, _Variation]:
    """A holdout's variations by their ids."""
    return {key_of(variation, "id", path): (path, variation) for path, variation in entity.list("variations")}


def _allocated(entity: Entity, more: list[tuple[str, int]] | None = None) -> list[tuple[str, list[int]]]:
    """(id, [start, stop)) for all that traffic is allotted to, in order."""
    given = [(entry.get("entityId"), _end(entry, path)) for path, entry in entity.list("trafficAllocation")]
    found, start = [], 0
    for number, stop in (*given, *(more or ())):
        if stop > start:
            found.append((str(number or ""), [start, min(stop, _SIZE)]))
            start = stop
        if start >= _SIZE:
            break
    return found


def _end(entry: Mapping[str, Any], path: str) -> int:
    end = entry.get("endOfRange")
    if end is None:
        return 0
    if isinstance(end, bool) or not isinstance(end, int | float):
        raise Unexpected(path_of(path, "endOfRange"), f"must be a number, not {json.dumps(end)[:100]}")
    return ceil(min(max(0, end), _SIZE))


def _bucket(parent: str) -> dict[str, Any]:
    scheme = {"hash": "murmur3", "spread": "scale", "size": _SIZE, "seed": 1}
    return {**scheme, "suffix": parent, "unit": _UNIT}


def _draw(entity: Entity, arms: list[tuple[str, list[int]]]) -> dict[str, Any]:
    made = [{"variant": name, "ranges": [bounds]} for name, bounds in arms]
    return {"draw": {"bucket": _bucket(entity.id), "arms": made}}


def _measure(entity: Entity) -> dict[str, Any]:
    return {"experiment": entity.key if is_name(entity.key) else entity.id}


def _named(entity: Entity) -> dict[str, Any]:
    return {"id": entity.key} if is_name(entity.key) else {"anonymous": True}


def _when(*conditions: dict[str, Any] | None) -> dict[str, Any]:
    given = [condition for condition in conditions if condition is not None]
    if not given:
        return {}
    return {"when": given[0] if len(given) == 1 else {"all": given}}
