from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Evaluates locally; an exposure is an event for every flag that a user is seen to read."""

    title: ClassVar[str] = "PostHog"
    package: ClassVar[str] = "posthog"
    imports: ClassVar[str] = "import posthog"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        found = [_flag(number, flag) for number, flag in enumerate(flags, 1)]
        return json.dumps({"flags": found, "group_type_mapping": {}, "cohorts": {}}).encode()

    def start(self, setting: Setting) -> None:
        import posthog

        self._exposing = setting.exposing
        self._client = posthog.Posthog(
            "phc_bench",
            host=setting.url,
            personal_api_key="phx_bench",
            poll_interval=int(setting.refresh or 3600),
        )
        self._client.load_feature_flags()

    def settle(self) -> None:
        self._client.flush()

    def close(self) -> None:
        self._client.shutdown()

    def context(self, user: User) -> Any:
        return user.key, {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        key, properties = context
        flags = self._client.evaluate_flags(
            key, person_properties=properties, only_evaluate_locally=True, flag_keys=[flag]
        )
        read = flags.get_flag if text else flags.is_enabled
        return read(flag, send_feature_flag_events=self._exposing)

    def static(self, contexts: Sequence[Any]) -> None:
        self._read("static-flag", contexts)

    def targeted(self, contexts: Sequence[Any]) -> None:
        self._read("targeted-flag", contexts)

    def experiment(self, contexts: Sequence[Any]) -> None:
        evaluate, keys, events = self._client.evaluate_flags, ["experiment-flag"], self._exposing
        for key, properties in contexts:
            found = evaluate(key, person_properties=properties, only_evaluate_locally=True, flag_keys=keys)
            found.get_flag("experiment-flag", send_feature_flag_events=events)

    def everything(self, contexts: Sequence[Any]) -> None:
        evaluate = self._client.evaluate_flags
        for key, properties in contexts:
            evaluate(key, person_properties=properties, only_evaluate_locally=True)

    def static_built(self, users: Sequence[User]) -> None:
        self.static([self.context(user) for user in users])

    def targeted_built(self, users: Sequence[User]) -> None:
        self.targeted([self.context(user) for user in users])

    def experiment_built(self, users: Sequence[User]) -> None:
        self.experiment([self.context(user) for user in users])

    def _read(self, flag: str, contexts: Sequence[Any]) -> None:
        evaluate, keys, events = self._client.evaluate_flags, [flag], self._exposing
        for key, properties in contexts:
            found = evaluate(key, person_properties=properties, only_evaluate_locally=True, flag_keys=keys)
            found.is_enabled(flag, send_feature_flag_events=events)


def _flag(number: int, flag: Flag) -> dict[str, Any]:
    filters: dict[str, Any] = {"groups": _groups(flag), "payloads": {}}
    if flag.kind == "experiment":
        variants = [{"key": name, "name": name, "rollout_percentage": percent} for name, percent in ARMS]
        filters["multivariate"] = {"variants": variants}
    return {
        "id": number,
        "team_id": 1,
        "name": flag.key,
        "key": flag.key,
        "filters": filters,
        "deleted": False,
        "active": flag.kind != "off",
        "ensure_experience_continuity": False,
        "version": 1,
    }


def _groups(flag: Flag) -> list[dict[str, Any]]:
    if flag.kind != "targeted":
        return [{"properties": [], "rollout_percentage": flag.percent}]
    return [
        _group("country", "exact", list(flag.countries), 100),
        _group("plan", "exact", [flag.plan], 100),
        _group("version", "semver_gte", flag.version, flag.percent),
    ]


def _group(name: str, operator: str, value: Any, percent: int) -> dict[str, Any]:
    condition = {"key": name, "value": value, "operator": operator, "type": "person"}
    return {"properties": [condition], "rollout_percentage": percent}
