"""Eppo's contextual bandits: a flag that comes to one, models at random, and the action that is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from flagstaff import Context, Decision
from flagstaff.formats.eppo import Bandits

__all__ = ["FLAG", "MODELS", "Answer", "actions", "answer", "flag", "models", "references"]

FLAG = "b0"
MODELS = "banditModels"
"""Where a document has its models, which in truth are another document."""

_BANDITS = ("b1", "b2", "gone")
_ACTIONS = ("a", "b", "c", "d", "\u00e9", "")
_NUMERIC = ("age", "price", "rank")
_CATEGORICAL = ("country", "plan", "new")
_NUMBERS: list[Any] = [0, 7, 7.5, -3, 1e6, "7", True]
_TEXTS: list[Any] = ["NL", "nl", "", "7", True, False, 7, "true"]


class Answer(NamedTuple):
    """What the SDK says, and what it takes to choose an action."""

    value: str
    action: str | None
    bandits: Bandits
    context: Context
    actions: Mapping[str, Any]

    def differs(self, decision: Decision) -> str | None:
        if decision.value != self.value:
            return "value"
        choice = self.bandits.choose(decision, self.context, self.actions)
        return None if (choice and choice.action) == self.action else f"action {choice}"


def flag(random: Random) -> dict[str, Any]:
    names = [*_BANDITS, "control"]
    start = random.randint(0, 10)
    shards = [{"salt": "s", "ranges": [{"start": 0, "end": start}]}]
    splits = [
        {"variationKey": random.choice(names), "shards": shards},
        {"variationKey": random.choice(names), "shards": []},
    ]
    return {
        "key": FLAG,
        "enabled": random.random() < 0.95,
        "variationType": "STRING",
        "variations": {name: {"key": name, "value": name} for name in names},
        "totalShards": 10,
        "allocations": [{"key": "all", "splits": splits, "doLog": True}],
    }


def references() -> dict[str, Any]:
    def variation(name: str) -> dict[str, str]:
        return {"key": name, "flagKey": FLAG, "variationKey": name, "variationValue": name}

    return {name: [variation(name)] for name in _BANDITS}


def models(random: Random) -> dict[str, Any]:
    return {
        "updatedAt": "2023-09-13T04:52:06.462Z",
        "bandits": {name: _model(random, name) for name in _BANDITS if name != "gone"},
    }


def _model(random: Random, name: str) -> dict[str, Any]:
    known = random.sample(_ACTIONS, random.randint(0, 4))
    data = {
        "gamma": random.choice((0.0, 0.1, 1.0, 10.5)),
        "defaultActionScore": random.choice((0.0, 1.5, -2.0)),
        "actionProbabilityFloor": random.choice((0.0, 0.05, 0.5, 1.0)),
        "coefficients": {action: _coefficients(random, action) for action in known},
    }
    return {
        "banditKey": name,
        "modelName": "falcon",
        "modelVersion": "v1",
        "updatedAt": "2023-09-13T04:52:06.462Z",
        "modelData": data,
    }


def _coefficients(random: Random, action: str) -> dict[str, Any]:
    def numeric() -> list[dict[str, Any]]:
        return [
            {"attributeKey": name, "coefficient": _worth(random), "missingValueCoefficient": _worth(random)}
            for name in random.sample(_NUMERIC, random.randint(0, 2))
        ]

    def categorical() -> list[dict[str, Any]]:
        return [
            {
                "attributeKey": name,
                "valueCoefficients": {value: _worth(random) for value in ("NL", "true", "7", "")},
                "missingValueCoefficient": _worth(random),
            }
            for name in random.sample(_CATEGORICAL, random.randint(0, 2))
        ]

    return {
        "actionKey": action,
        "intercept": _worth(random),
        "subjectNumericCoefficients": numeric(),
        "subjectCategoricalCoefficients": categorical(),
        "actionNumericCoefficients": numeric(),
        "actionCategoricalCoefficients": categorical(),
    }


def _worth(random: Random) -> float:
    return random.choice((0.0, 1.0, -1.0, 0.25, 2.5, random.uniform(-2, 2)))


def actions(random: Random) -> dict[str, Any]:
    """Actions with what is known of them."""
    return {
        action: {
            name: random.choice(_NUMBERS if name in _NUMERIC else _TEXTS)
            for name in (*_NUMERIC, *_CATEGORICAL)
            if random.random() < 0.5
        }
        for action in random.sample(_ACTIONS, random.randint(0, 4))
    }


def answer(client: Any, document: Mapping[str, Any], given: Mapping[str, Any], context: Context) -> Answer:
    attributes = {name: value for name, value in given["subjectAttributes"].items() if value is not None}
    found = client.get_bandit_action(FLAG, given["subjectKey"], attributes, given["actions"], "none")
    made = Bandits(document, document[MODELS])
    return Answer(found.variation, found.action, made, context, given["actions"])
