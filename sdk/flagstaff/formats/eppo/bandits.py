"""Contextual bandits: which action to take, once a flag has come to a bandit.

Scores are linear in the attributes of subject and action; the better an action scores, the likelier it is
taken, by inverse gap weighting (Abe and Long 1999). Subjects are drawn by hash, so the same one gets the same
action as long as model, attributes and actions stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.core.context import Context
from flagstaff.core.decision import Decision
from flagstaff.core.schemes import Scheme
from flagstaff.errors import Problem, RulesError

from .values import number, text

__all__ = ["Bandits", "Choice"]

_SHARDS = 10_000
_draw = Scheme("md5_32", "mod", _SHARDS).ranking()


class Choice(NamedTuple):
    """An action, and how it came about: its ``probability``, and how far its score is below the best."""

    action: str
    probability: float
    optimality_gap: float
    bandit: str
    model_version: str


class Bandits:
    """The bandits of a configuration, with their models.

    ``flags`` is the configuration that flags are decided by, ``models`` what Eppo answers to
    ``GET /flag-config/v1/bandits``. RulesError where one of them is something else.
    """

    def __init__(self, flags: Mapping[str, Any], models: Mapping[str, Any]) -> None:
        read = _object(models.get("bandits"), "bandits")
        self._models: dict[str, _Model] = {key: _model(key, model) for key, model in read.items()}
        self._bandits: dict[tuple[str, str], str] = {}
        for key, variations in _object(flags.get("bandits", {}), "bandits").items():
            for variation in variations if isinstance(variations, list) else []:
                if isinstance(variation, Mapping):
                    at = str(variation.get("flagKey")), str(variation.get("variationValue"))
                    self._bandits[at] = key

    def choose(
        self, decision: Decision, subject: Context, actions: Mapping[str, Mapping[str, Any]] | Iterable[str]
    ) -> Choice | None:
        """The action for a subject; None where the decision comes to no bandit, or there are no actions.

        ``actions`` are names with their attributes. Numbers are numeric attributes, text and booleans
        categorical ones, unless they are sorted into ``numericAttributes`` and ``categoricalAttributes``.
        """
        value = decision.value
        bandit = self._bandits.get((decision.flag, value)) if isinstance(value, str) else None
        model = None if bandit is None else self._models.get(bandit)
        known = actions if isinstance(actions, Mapping) else {action: {} for action in actions}
        return None if model is None or not known else _choose(decision.flag, subject, known, model)


class _Attributes(NamedTuple):
    """What is known of a subject or of an action, by kind."""

    numeric: Mapping[str, Any]
    categorical: Mapping[str, Any]


class _Numeric(NamedTuple):
    """What a number adds to a score."""

    attribute: str
    coefficient: float
    missing: float

    def of(self, attributes: _Attributes) -> float:
        value = attributes.numeric.get(self.attribute)
        known = None if isinstance(value, str) else number(value)
        return self.missing if known is None or not math.isfinite(known) else self.coefficient * known


class _Categorical(NamedTuple):
    """What a text adds to a score."""

    attribute: str
    coefficients: Mapping[str, float]
    missing: float

    def of(self, attributes: _Attributes) -> float:
        value = text(attributes.categorical.get(self.attribute))
        return self.missing if value is None else self.coefficients.get(value, self.missing)


class _Action(NamedTuple):
    """What is known of one action."""

    intercept: float
    of_subject: tuple[_Numeric | _Categorical, ...]
    of_action: tuple[_Numeric | _Categorical, ...]


class _Model(NamedTuple):
    """One bandit's coefficients."""

    bandit: str
    version: str
    gamma: float
    floor: float
    unknown: float
    actions: Mapping[str, _Action]

    def score(self, action: str, subject: _Attributes, own: _Attributes) -> float:
        """How good an action is said to be for a subject."""
        known = self.actions.get(action)
        if known is None:
            return self.unknown
        score = known.intercept
        for coefficient in known.of_subject:
            score += coefficient.of(subject)
        for coefficient in known.of_action:
            score += coefficient.of(own)
        return score

    def weights(self, scores: Mapping[str, float]) -> tuple[str, dict[str, float]]:
        """The best action, and how likely each is to be taken."""
        best = min(scores, key=lambda action: (-scores[action], action))
        least = self.floor / len(scores)
        made = {
            action: max(least, 1 / (len(scores) + self.gamma * (scores[best] - score)))
            for action, score in scores.items()
            if action != best
        }
        made[best] = max(0.0, 1 - sum(made.values()))
        return best, made


def _model(bandit: str, given: Any) -> _Model:
    """A model, as Eppo sends it. RulesError."""
    try:
        data = given["modelData"]
        gamma, floor, unknown = (
            float(data[name]) for name in ("gamma", "actionProbabilityFloor", "defaultActionScore")
        )
        actions = {str(key): _action(action) for key, action in data["coefficients"].items()}
        return _Model(bandit, str(given["modelVersion"]), gamma, floor, unknown, actions)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        problem = f"is no model of a bandit of eppo: {type(error).__name__}: {error}"
        raise RulesError([Problem(f"bandits.{bandit}", problem)]) from None


def _action(given: Mapping[str, Any]) -> _Action:
    of_subject, of_action = (tuple(_coefficients(given, kind)) for kind in ("subject", "action"))
    return _Action(float(given["intercept"]), of_subject, of_action)


def _coefficients(given: Mapping[str, Any], kind: str) -> Iterator[_Numeric | _Categorical]:
    for each in given[f"{kind}NumericCoefficients"]:
        missing = float(each["missingValueCoefficient"])
        yield _Numeric(str(each["attributeKey"]), float(each["coefficient"]), missing)
    for each in given[f"{kind}CategoricalCoefficients"]:
        known = {str(value): float(worth) for value, worth in each["valueCoefficients"].items()}
        yield _Categorical(str(each["attributeKey"]), known, float(each["missingValueCoefficient"]))


def _choose(flag: str, subject: Context, actions: Mapping[str, Mapping[str, Any]], model: _Model) -> Choice:
    of_subject = _sorted(subject.attributes)
    scores = {
        action: model.score(action, of_subject, _sorted(attributes)) for action, attributes in actions.items()
    }
    best, weights = model.weights(scores)
    key = f"{flag}-{subject.targeting_key}"
    drawn = _draw(key) / _SHARDS
    order = sorted(weights, key=lambda action: (_draw(f"{key}-{action}"), action))
    taken, total = order[-1], 0.0
    for action in order:
        total += weights[action]
        if total > drawn:
            taken = action
            break
    return Choice(taken, weights[taken], scores[best] - scores[taken], model.bandit, model.version)


def _sorted(given: Mapping[str, Any]) -> _Attributes:
    """Attributes by kind."""
    numeric, categorical = given.get("numericAttributes"), given.get("categoricalAttributes")
    if isinstance(numeric, Mapping) or isinstance(categorical, Mapping):
        return _Attributes(numeric or {}, categorical or {})
    numbers = {
        name: value
        for name, value in given.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return _Attributes(numbers, {name: value for name, value in given.items() if name not in numbers})


def _object(given: Any, path: str) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return given
    raise RulesError([Problem(path, "of a document of eppo must be an object")])
