"""A datafile, indexed: who refers to what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.foreign import Unexpected, entries, items, key_of, path_of, table, unknown_fields

__all__ = ["Datafile", "Entity"]

_VERSIONS = ("2", "3", "4")
_DOCUMENT = frozenset(
    [
        "version",
        "accountId",
        "projectId",
        "revision",
        "sdkKey",
        "environmentKey",
        "anonymizeIP",
        "botFiltering",
        "sendFlagDecisions",
        "region",
        "attributes",
        "events",
        "audiences",
        "typedAudiences",
        "experiments",
        "groups",
        "rollouts",
        "featureFlags",
        "holdouts",
        "localHoldouts",
        "integrations",
        "variables",
        "dimensions",
    ]
)
_EXPERIMENT = frozenset(
    [
        "id",
        "key",
        "status",
        "layerId",
        "audienceIds",
        "audienceConditions",
        "forcedVariations",
        "trafficAllocation",
        "variations",
        "type",
        "cmab",
        "includedRules",
        "excludeTargetedDeliveries",
        "includedFlags",
        "excludedFlags",
        "percentageIncluded",
        "name",
        "groupId",
        "groupPolicy",
        "isFeatureEnabled",
    ]
)
_FLAG = frozenset(["id", "key", "experimentIds", "rolloutId", "variables"])


class Entity(NamedTuple):
    """An experiment, a rule of a rollout or a holdout, and where it stands."""

    path: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return key_of(self.data, "id", self.path)

    @property
    def number(self) -> str:
        """The id, for all who may refer to it; empty where there is none."""
        number = self.data.get("id")
        return number if isinstance(number, str) else ""

    @property
    def key(self) -> str:
        return key_of(self.data, "key", self.path)

    @property
    def is_running(self) -> bool:
        return self.data.get("status") == "Running"

    def list(self, field: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The objects of a list, each with its path."""
        path = path_of(self.path, field)
        for index, entry in enumerate(items(self.data.get(field), path)):
            place = path_of(path, index)
            yield place, table(entry, place)


class Datafile:
    """A document, its parts by their ids."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        if document.get("version") not in _VERSIONS:
            expected = f'must be "2", "3" or "4" in a datafile of Optimizely, not {document.get("version")!r}'
            raise RulesError([Problem("version", expected[:300])])
        self.document: Mapping[str, Any] = document
        self.warnings: list[Problem] = [*unknown_fields(document, _DOCUMENT, "")]
        self.audiences: dict[str, Entity] = self._audiences()
        self.rollouts: dict[str, list[Entity]] = {
            entity.number: self._rules(entity) for entity in self._entities("rollouts")
        }
        self.groups: dict[str, Entity] = {}
        self.experiments: dict[str, Entity] = {
            entity.number: entity for entity in self._entities("experiments")
        }
        self.own_experiments: list[Entity] = [*self.experiments.values()]
        self._add_rollouts()
        self._add_groups()
        self.holdouts: list[Entity] = [entity for entity in self._entities("holdouts") if entity.is_running]
        self.local_holdouts: dict[str, list[Entity]] = self._local_holdouts()
        self.flags: list[Entity] = [*self._entities("featureFlags")]
        self._look_for_unknown_fields()

    def _entities(self, section: str) -> Iterator[Entity]:
        for path, entry in entries(self.document, section, "Optimizely", self.warnings):
            yield Entity(path, entry)

    def _audiences(self) -> dict[str, Entity]:
        """By id; typed ones take the place of their namesakes."""
        both = (*self._entities("audiences"), *self._entities("typedAudiences"))
        return {entity.number: entity for entity in both if entity.number}

    def _rules(self, rollout: Entity) -> list[Entity]:
        try:
            return [Entity(path, rule) for path, rule in rollout.list("experiments")]
        except Unexpected as error:
            self.warnings.append(Problem(error.path, f"{error.expected}; the rollout was left out"))
            return []

    def _add_rollouts(self) -> None:
        for rules in self.rollouts.values():
            self.experiments.update((rule.number, rule) for rule in rules)

    def _add_groups(self) -> None:
        for group in self._entities("groups"):
            for entity in self._rules(group):
                self.experiments[entity.number] = entity
                self.own_experiments.append(entity)
                if group.data.get("policy") == "random":
                    self.groups[entity.number] = group

    def _local_holdouts(self) -> dict[str, list[Entity]]:
        found: dict[str, list[Entity]] = {}
        for entity in self._entities("localHoldouts"):
            rules = entity.data.get("includedRules")
            if not isinstance(rules, list):
                problem = "says no list of includedRules, and was left out"
                self.warnings.append(Problem(entity.path, problem))
            elif entity.is_running:
                for rule in rules:
                    found.setdefault(str(rule), []).append(entity)
        return found

    def _look_for_unknown_fields(self) -> None:
        rules = (rule for rollout in self.rollouts.values() for rule in rollout)
        for entity in (*self.own_experiments, *rules, *self.holdouts):
            self.warnings += unknown_fields(entity.data, _EXPERIMENT, entity.path)
        for flag in self.flags:
            self.warnings += unknown_fields(flag.data, _FLAG, flag.path)

    # -- asking --------------------------------------------------------------------------------------

    def conditions(self, audience: Entity) -> Any:
        """What an audience asks for: in older datafiles that is JSON in text."""
        given = audience.data.get("conditions")
        if not isinstance(given, str):
            return given
        try:
            return json.loads(given)
        except (ValueError, RecursionError):
            raise Unexpected(path_of(audience.path, "conditions"), "is no JSON") from None

    def flags_by_experiment(self) -> dict[str, Entity]:
        """The first flag that refers to an experiment, by the experiment's id."""
        found: dict[str, Entity] = {}
        for flag in self.flags:
            listed = flag.data.get("experimentIds")
            for number in listed if isinstance(listed, list) else ():
                found.setdefault(str(number), flag)
        return found
