from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """One instance that every user is put into in turn; with its context built, an instance for each user.

    It ships no sender: an exposure ends in a callback on the evaluating thread.
    """

    title: ClassVar[str] = "GrowthBook"
    package: ClassVar[str] = "growthbook"
    imports: ClassVar[str] = "from growthbook import GrowthBook"

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps({"features": {flag.key: _feature(flag) for flag in flags}}).encode()

    def start(self, setting: Setting) -> None:
        from growthbook import GrowthBook

        features = json.loads(setting.document.read_bytes())["features"]
        self._seen = 0
        self._told: dict[str, Any] = {"on_experiment_viewed": self._viewed} if setting.exposing else {}
        self._new = GrowthBook
        self._client = GrowthBook(features=features, **self._told)
        self._features = self._client.get_features()

    def close(self) -> None:
        self._client.destroy()

    def context(self, user: User) -> Any:
        return {
            "id": user.key,
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        self._client.set_attributes(context)
        return self._client.get_feature_value(flag, "none" if text else False)

    def static(self, contexts: Sequence[Any]) -> None:
        put, enabled = self._client.set_attributes, self._client.is_on
        for context in contexts:
            put(context)
            enabled("static-flag")

    def targeted(self, contexts: Sequence[Any]) -> None:
        put, enabled = self._client.set_attributes, self._client.is_on
        for context in contexts:
            put(context)
            enabled("targeted-flag")

    def experiment(self, contexts: Sequence[Any]) -> None:
        put, value = self._client.set_attributes, self._client.get_feature_value
        for context in contexts:
            put(context)
            value("experiment-flag", "control")

    def static_built(self, users: Sequence[User]) -> None:
        new, features, told = self._new, self._features, self._told
        for key, country, plan, version, email in users:
            user = {"id": key, "country": country, "plan": plan, "version": version, "email": email}
            new(attributes=user, features=features, **told).is_on("static-flag")

    def targeted_built(self, users: Sequence[User]) -> None:
        new, features, told = self._new, self._features, self._told
        for key, country, plan, version, email in users:
            user = {"id": key, "country": country, "plan": plan, "version": version, "email": email}
            new(attributes=user, features=features, **told).is_on("targeted-flag")

    def experiment_built(self, users: Sequence[User]) -> None:
        new, features, told = self._new, self._features, self._told
        for key, country, plan, version, email in users:
            user = {"id": key, "country": country, "plan": plan, "version": version, "email": email}
            new(attributes=user, features=features, **told).get_feature_value("experiment-flag", "control")

    def _viewed(self, *_given: Any, **_named: Any) -> None:
        self._seen += 1


def _feature(flag: Flag) -> dict[str, Any]:
    match flag.kind:
        case "on" | "off":
            return {"defaultValue": flag.kind == "on", "rules": []}
        case "rollout":
            return {"defaultValue": False, "rules": [_force(flag, None, flag.percent)]}
        case "targeted":
            rules = [
                _force(flag, {"country": {"$in": flag.countries}}, 100),
                _force(flag, {"plan": flag.plan}, 100),
                _force(flag, {"version": {"$vgte": flag.version}}, flag.percent),
            ]
            return {"defaultValue": False, "rules": rules}
        case "experiment":
            rule = {
                "key": flag.key,
                "variations": [name for name, _ in ARMS],
                "weights": [percent / 100 for _, percent in ARMS],
                "coverage": 1,
                "hashAttribute": "id",
            }
            return {"defaultValue": "control", "rules": [rule]}


def _force(flag: Flag, condition: Any, percent: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"force": True}
    if condition is not None:
        rule["condition"] = condition
    if percent < 100:
        rule |= {"coverage": percent / 100, "hashAttribute": "id", "seed": flag.key}
    return rule
