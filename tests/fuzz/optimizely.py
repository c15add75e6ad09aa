from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from optimizely import config_manager
from optimizely.decision.optimizely_decide_option import OptimizelyDecideOption
from optimizely.helpers.sdk_settings import OptimizelySdkSettings
from optimizely.optimizely import Optimizely

from flagstaff import Decision
from tests.fuzz.vendor import Answers, Vendor

__all__ = ["Fuzz"]

ATTRIBUTES = ("country", "age", "version", "pro", "tags", "targeting_key", "a.b", "ünï")
TEXTS = ("NL", "BE", "", "nl", "NL ", "1", "true", "null", "ü", "\U0001f600")
NUMBERS = (0, 1, -1, 1.0, 1.5, 18, 2**53, 2**53 + 1, -(2**53) - 1, 1e300, -0.0)
VERSIONS = (
    *("2", "2.0", "2.0.0", "2.0.9", "2.1", "2.1.0-beta", "2.1.0-beta.2", "2.1.0+build"),
    *("2.1.0-beta+b", "v2"),
    *("2.1.0+a-b", "2.0.0.1", "", ".", "2.", "2.0-", "2.0+", "2 .0", "-1", "02.1", "2.1.x", "2-7", "2-alpha"),
)
MATCHES = (
    *("exact", "exact", None, "exists", "gt", "ge", "lt", "le", "substring", "qualified", "strange", ""),
    *("semver_eq", "semver_gt", "semver_ge", "semver_lt", "semver_le", "unknown"),
)
TYPES = ("custom_attribute",) * 12 + ("third_party_dimension", "strange", None)
SEGMENTS = ("s1", "s2", "")
USERS = (*(f"user-{number}" for number in range(40)), "", "ü", "\U0001f600", "a b")


class _NoDescription:
    """In place of what describes a datafile to people, which not every datafile that works is fit for."""

    def __init__(self, *_given: Any) -> None:
        pass

    def get_config(self) -> None:
        return None


class Fuzz(Vendor):
    """What a remote service has to say is left out: the arms of contextual bandits."""

    format: ClassVar[str] = "optimizely"

    def __init__(self) -> None:
        config_manager.OptimizelyConfigService = _NoDescription

    def document(self, random: Random) -> dict[str, Any]:
        return _Datafile(random).whole()

    def contexts(self, random: Random, document: Mapping[str, Any]) -> list[dict[str, Any]]:  # noqa: ARG002 - they suit any
        return [_user(random) for _ in range(40)]

    def oracle(self, document: Mapping[str, Any], contexts: Sequence[Mapping[str, Any]]) -> list[Answers]:
        logging.getLogger("optimizely").setLevel(logging.CRITICAL + 1)
        settings = OptimizelySdkSettings(odp_disabled=True)
        sdk = Optimizely(json.dumps(document), skip_json_validation=True, settings=settings)
        try:
            if not sdk.is_valid:
                raise ValueError("the SDK doesn't take the datafile")
            keys = [flag["key"] for flag in document["featureFlags"]]
            return [_answers(sdk, keys, given) for given in contexts]
        finally:
            sdk.close()

    def compare(self, decision: Decision, answer: Any) -> str | None:
        if "raised" in answer:
            return None
        told = (decision.variant, decision.enabled, decision.rule)
        if told != (answer["variation_key"], answer["enabled"], answer["rule_key"]):
            return "variation, enabled or rule"
        expected = answer["variables"]
        return None if _text(decision.value) == _text(expected) else "variables"


def _answers(sdk: Optimizely, keys: Sequence[str], given: Mapping[str, Any]) -> Answers:
    user = sdk.create_user_context(given["user_id"], given["attributes"])
    if given["qualified_segments"] is not None:
        user.set_qualified_segments(given["qualified_segments"])
    return {key: _answer(user, key) for key in keys}


def _answer(user: Any, key: str) -> dict[str, Any]:
    try:
        decision = user.decide(key, [OptimizelyDecideOption.DISABLE_DECISION_EVENT])
    except Exception as error:  # noqa: BLE001 - the SDK doesn't cope with it, so there is nothing to compare with
        return {"raised": repr(error)}
    fields = ("variation_key", "enabled", "rule_key", "variables")
    return {name: getattr(decision, name) for name in fields}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _user(random: Random) -> dict[str, Any]:
    attributes = {name: _value(random) for name in random.sample(ATTRIBUTES, random.randint(0, 6))}
    if random.random() < 0.15:
        attributes["$opt_bucketing_id"] = random.choice([*USERS, 12, None])
    segments = random.choice([None, None, [], random.sample(SEGMENTS, 2)])
    return {"user_id": random.choice(USERS), "attributes": attributes, "qualified_segments": segments}


def _value(random: Random) -> Any:
    pool = random.choice([TEXTS, TEXTS, NUMBERS, VERSIONS, (True, False), (None, ["NL"], {"a": 1})])
    return random.choice(pool)


class _Datafile:
    """A datafile in the making."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._count = 1000
        self._experiments: list[dict[str, Any]] = []
        self._rollouts: list[dict[str, Any]] = []
        self._audiences = [self._audience(number) for number in range(4)]

    def whole(self) -> dict[str, Any]:
        flags = [self._flag(f"flag-{number}") for number in range(5)]
        groups = self._groups()
        rules = [rule["id"] for rollout in self._rollouts for rule in rollout["experiments"]]
        rules += [experiment["id"] for experiment in self._experiments]
        rules += [experiment["id"] for group in groups for experiment in group["experiments"]]
        return {
            "version": "4",
            "revision": "7",
            "accountId": "1",
            "projectId": "2",
            "featureFlags": flags,
            "experiments": self._experiments,
            "groups": groups,
            "rollouts": self._rollouts,
            "typedAudiences": self._audiences[:2],
            "audiences": [
                {**one, "conditions": json.dumps(one["conditions"])} for one in self._audiences[1:]
            ],
            "attributes": [],
            "events": [],
            "holdouts": [self._holdout() for _ in range(self._few(0.3))],
            "localHoldouts": [self._local_holdout(rules) for _ in range(self._few(0.4))],
        }

    # -- audiences -----------------------------------------------------------------------------------

    def _audience(self, number: int) -> dict[str, Any]:
        name = self._random.choice(["somebody", f"audience {number}"])
        return {"id": f"a{number}", "name": name, "conditions": self._tree(self._leaf, 3)}

    def _tree(self, leaf: Any, depth: int) -> Any:
        random = self._random
        if depth == 0 or random.random() < 0.3:
            return leaf()
        operator = random.choice([["and"], ["or"], ["not"], ["or"], []])
        children = [self._tree(leaf, depth - 1) for _ in range(random.randint(0 if operator else 1, 3))]
        return [*operator, *children]

    def _leaf(self) -> dict[str, Any]:
        random = self._random
        match = random.choice(MATCHES)
        leaf = {
            "name": random.choice(ATTRIBUTES),
            "type": random.choice(TYPES),
            "value": self._operand(match),
        }
        return leaf if match is None and random.random() < 0.5 else {**leaf, "match": match}

    def _operand(self, match: str | None) -> Any:
        random = self._random
        if match is not None and match.startswith("semver") and random.random() < 0.9:
            return random.choice(VERSIONS)
        if match == "qualified" and random.random() < 0.9:
            return random.choice(SEGMENTS)
        value = _value(random)
        # The SDK takes a table for a condition of its own, and no list for a segment.
        strange = isinstance(value, dict) or (match == "qualified" and isinstance(value, list))
        return "" if strange else value

    def _asks(self) -> dict[str, Any]:
        """Whom a rule is for."""
        random = self._random
        known = [*(f"a{number}" for number in range(4)), "missing"]
        listed = random.sample(known, random.choice([0, 0, 1, 2]))
        kind = random.random()
        if kind < 0.4:
            return {"audienceIds": listed}
        if kind < 0.5:
            return {"audienceIds": listed, "audienceConditions": None}
        if kind < 0.6:
            return {"audienceIds": listed, "audienceConditions": []}
        tree = self._tree(lambda: random.choice(known), 2)
        return {"audienceIds": listed, "audienceConditions": tree}

    # -- rules ---------------------------------------------------------------------------------------

    def _flag(self, key: str) -> dict[str, Any]:
        random = self._random
        variables = [self._variable() for _ in range(random.randint(0, 3))]
        experiments = [self._experiment(variables) for _ in range(random.choice([0, 0, 1, 2]))]
        self._experiments += experiments
        rollout = ""
        if random.random() < 0.7:
            rollout = self._number()
            rules = [self._rule(variables) for _ in range(random.randint(0, 4))]
            self._rollouts.append({"id": rollout, "experiments": rules})
        numbers = [experiment["id"] for experiment in experiments]
        random.shuffle(numbers)
        return {
            "id": self._number(),
            "key": key,
            "rolloutId": rollout,
            "experimentIds": numbers,
            "variables": variables,
        }

    def _variable(self) -> dict[str, Any]:
        random = self._random
        kind = random.choice(["string", "integer", "double", "boolean", "json", "string"])
        found = {
            "id": self._number(),
            "key": f"v{random.randint(0, 4)}",
            "type": kind,
            "defaultValue": self._worth(kind),
        }
        return {**found, "subType": "json"} if kind == "string" and random.random() < 0.2 else found

    def _worth(self, kind: str) -> str:
        random = self._random
        good = {
            "string": TEXTS,
            "integer": ("1", "-7", "007", "1.0", ""),
            "double": ("1.5", "2", "-0", "x", "1e3"),
            "boolean": ("true", "false", "True", ""),
            "json": ('{"a": 1}', "[1, 2.0]", "null", '"x"', "{"),
        }
        return random.choice(good[kind])

    def _rule(self, variables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        random = self._random
        number = self._number()
        variations = [self._variation(variables) for _ in range(random.randint(1, 3))]
        numbers = [variation["id"] for variation in variations]
        rule = {
            "id": number,
            "key": random.choice([f"rule {number}"] * 9 + [number]),
            "status": random.choice(["Running", "Running", "Running", "Paused"]),
            "layerId": number,
            "forcedVariations": self._listed(variations),
            "variations": variations,
            "trafficAllocation": self._traffic([*numbers, *numbers, "", "missing"]),
        }
        return {**rule, **self._asks()}

    def _experiment(self, variables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        kind = self._random.choice([None, None, "ab", "td", "fr", "mab", "strange"])
        rule = self._rule(variables)
        return rule if kind is None else {**rule, "type": kind}

    def _listed(self, variations: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        random = self._random
        keys = [*(variation["key"] for variation in variations), "missing"]
        return {user: random.choice(keys) for user in random.sample(USERS, random.choice([0, 0, 3]))}

    def _variation(self, variables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        random = self._random
        used = [variable for variable in variables if random.random() < 0.6]
        values = [{"id": variable["id"], "value": self._worth(variable["type"])} for variable in used]
        key = random.choice(["on", "off", "control", "no variation", f"variation {random.randint(0, 3)}"])
        return {
            "id": self._number(),
            "key": key,
            "featureEnabled": random.random() < 0.7,
            "variables": values,
        }

    def _traffic(self, numbers: Sequence[str]) -> list[dict[str, Any]]:
        random = self._random
        ends = sorted(random.randint(0, 10_000) for _ in range(random.randint(0, 3)))
        if random.random() < 0.6:
            ends.append(10_000)
        if random.random() < 0.1:
            random.shuffle(ends)
        return [{"entityId": random.choice(numbers), "endOfRange": end} for end in ends]

    def _groups(self) -> list[dict[str, Any]]:
        """Some experiments move into groups."""
        random = self._random
        groups = []
        while self._experiments and random.random() < 0.4:
            count = random.randint(1, len(self._experiments))
            inside = [self._experiments.pop() for _ in range(count)]
            policy = random.choice(["random", "random", "overlapping"])
            traffic = self._traffic([*(one["id"] for one in inside), "", "missing"])
            number = self._number()
            groups.append(
                {"id": number, "policy": policy, "experiments": inside, "trafficAllocation": traffic}
            )
        return groups

    def _holdout(self) -> dict[str, Any]:
        rule = self._rule(())
        del rule["forcedVariations"], rule["layerId"]
        for variation in rule["variations"]:
            variation["featureEnabled"] = False  # of one that is enabled, the SDK can't tell the variables
        excluding = {"excludeTargetedDeliveries": True} if self._random.random() < 0.4 else {}
        return {**rule, "key": f"holdout {rule['id']}", "status": "Running", **excluding}

    def _local_holdout(self, rules: Sequence[str]) -> dict[str, Any]:
        included = self._random.sample(rules, min(2, len(rules)))
        return {**self._holdout(), "includedRules": included}

    def _few(self, chance: float) -> int:
        return 0 if self._random.random() > chance else self._random.randint(1, 2)

    def _number(self) -> str:
        self._count += 1
        return str(self._count)
