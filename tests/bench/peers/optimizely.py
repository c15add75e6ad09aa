from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User

_ATTRIBUTES = ("country", "plan", "version", "email")


class Adapter(Peer):
    """An exposure is an impression for every decision, posted one by one as it comes by default."""

    title: ClassVar[str] = "Optimizely"
    package: ClassVar[str] = "optimizely-sdk"
    imports: ClassVar[str] = "from optimizely import optimizely"

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return _Datafile().read(flags)

    def start(self, setting: Setting) -> None:
        from optimizely import optimizely
        from optimizely.decision.optimizely_decide_option import OptimizelyDecideOption
        from optimizely.event.event_factory import EventFactory

        # The address of the collector can't be set.
        EventFactory.EVENT_ENDPOINTS = dict.fromkeys(EventFactory.EVENT_ENDPOINTS, f"{setting.url}/events")
        silent = [OptimizelyDecideOption.DISABLE_DECISION_EVENT]
        self._client = optimizely.Optimizely(
            datafile=setting.document.read_text(), default_decide_options=[] if setting.exposing else silent
        )
        if not self._client.is_valid:
            raise RuntimeError("not a valid datafile")

    def close(self) -> None:
        self._client.close()

    def context(self, user: User) -> Any:
        key, *values = user
        return self._client.create_user_context(key, dict(zip(_ATTRIBUTES, values, strict=True)))

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        decision = context.decide(flag)
        return decision.variation_key if text else decision.enabled

    def static(self, contexts: Sequence[Any]) -> None:
        for context in contexts:
            context.decide("static-flag")

    def targeted(self, contexts: Sequence[Any]) -> None:
        for context in contexts:
            context.decide("targeted-flag")

    def experiment(self, contexts: Sequence[Any]) -> None:
        for context in contexts:
            context.decide("experiment-flag")

    def everything(self, contexts: Sequence[Any]) -> None:
        for context in contexts:
            context.decide_all()

    def static_built(self, users: Sequence[User]) -> None:
        new = self._client.create_user_context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            new(key, attributes).decide("static-flag")

    def targeted_built(self, users: Sequence[User]) -> None:
        new = self._client.create_user_context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            new(key, attributes).decide("targeted-flag")

    def experiment_built(self, users: Sequence[User]) -> None:
        new = self._client.create_user_context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            new(key, attributes).decide("experiment-flag")


class _Datafile:
    """A datafile in the making: everything has a number and is referred to by it."""

    def __init__(self) -> None:
        self._numbers = count(1000)
        self._audiences: list[dict[str, Any]] = []
        self._experiments: list[dict[str, Any]] = []
        self._rollouts: list[dict[str, Any]] = []

    def read(self, flags: Sequence[Flag]) -> bytes:
        features = [self._feature(flag) for flag in flags]
        return json.dumps(
            {
                "version": "4",
                "revision": "1",
                "projectId": "1",
                "accountId": "1",
                "sdkKey": "bench",
                "environmentKey": "production",
                "anonymizeIP": True,
                "botFiltering": False,
                "sendFlagDecisions": True,
                "featureFlags": features,
                "rollouts": self._rollouts,
                "experiments": self._experiments,
                "typedAudiences": self._audiences,
                "audiences": [{"id": "none", "name": "none", "conditions": '["or"]'}],
                "attributes": [{"id": name, "key": name} for name in _ATTRIBUTES],
                "variables": [],
                "groups": [],
                "events": [],
                "integrations": [],
            }
        ).encode()

    def _feature(self, flag: Flag) -> dict[str, Any]:
        feature = {
            "id": self._number(),
            "key": flag.key,
            "rolloutId": "",
            "experimentIds": [],
            "variables": [],
        }
        if flag.kind == "experiment":
            found = self._rule(ARMS, None)
            self._experiments.append(found)
            return {**feature, "experimentIds": [found["id"]]}
        rollout = self._number()
        self._rollouts.append({"id": rollout, "experiments": self._rules(flag)})
        return {**feature, "rolloutId": rollout}

    def _rules(self, flag: Flag) -> list[dict[str, Any]]:
        match flag.kind:
            case "off":
                return [self._rule((("off", 100),), None)]
            case "targeted":
                countries = ["or", *(_condition("country", "exact", country) for country in flag.countries)]
                plan = ["and", _condition("plan", "exact", flag.plan)]
                version = ["and", _condition("version", "semver_ge", flag.version)]
                return [
                    self._rule((("on", 100),), self._audience(countries)),
                    self._rule((("on", 100),), self._audience(plan)),
                    self._rule((("on", flag.percent),), self._audience(version)),
                    self._rule((("off", 100),), None),
                ]
            case _:
                return [self._rule((("on", flag.percent),), None)]

    def _rule(self, arms: Sequence[tuple[str, int]], audience: str | None) -> dict[str, Any]:
        number, variations, shares, high = self._number(), [], [], 0
        for name, percent in arms:
            variation, high = self._number(), high + percent * 100
            enabled = name != "off"
            variations.append({"id": variation, "key": name, "featureEnabled": enabled, "variables": []})
            shares.append({"entityId": variation, "endOfRange": high})
        return {
            "id": number,
            "key": f"rule-{number}",
            "status": "Running",
            "layerId": number,
            "audienceIds": [audience] if audience else [],
            "audienceConditions": ["or", audience] if audience else [],
            "forcedVariations": {},
            "variations": variations,
            "trafficAllocation": shares,
        }

    def _audience(self, conditions: list[Any]) -> str:
        number = self._number()
        self._audiences.append({"id": number, "name": number, "conditions": conditions})
        return number

    def _number(self) -> str:
        return str(next(self._numbers))


def _condition(attribute: str, match: str, value: str) -> dict[str, str]:
    return {"name": attribute, "match": match, "type": "custom_attribute", "value": value}
