from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Evaluates locally. An exposure is a call of its own after the flag was read."""

    title: ClassVar[str] = "Flagsmith"
    package: ClassVar[str] = "flagsmith"
    imports: ClassVar[str] = "from flagsmith import Flagsmith"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return _Document().read(flags)

    def start(self, setting: Setting) -> None:
        from flagsmith import Flagsmith
        from flagsmith.analytics import EventProcessorConfig

        more: dict[str, Any] = {}
        if setting.exposing:
            config = EventProcessorConfig(events_api_url=f"{setting.url}/events/")
            more = {"enable_events": True, "event_processor_config": config}
        self._exposing = setting.exposing
        self._client = Flagsmith(
            environment_key="ser.bench",
            api_url=f"{setting.url}/api/v1/",
            enable_local_evaluation=True,
            environment_refresh_interval_seconds=setting.refresh or 3600,
            **more,
        )

    def context(self, user: User) -> Any:
        return user.key, {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        key, traits = context
        flags = self._client.get_identity_flags(key, traits)
        if not text:
            return flags.is_feature_enabled(flag)
        value = flags.get_feature_value(flag)
        if self._exposing:
            self._client.track_exposure_event(flag, key, value, traits)
        return value

    def static(self, contexts: Sequence[Any]) -> None:
        find = self._client.get_identity_flags
        for key, traits in contexts:
            find(key, traits).is_feature_enabled("static-flag")

    def targeted(self, contexts: Sequence[Any]) -> None:
        find = self._client.get_identity_flags
        for key, traits in contexts:
            find(key, traits).is_feature_enabled("targeted-flag")

    def experiment(self, contexts: Sequence[Any]) -> None:
        find, expose = self._client.get_identity_flags, self._client.track_exposure_event
        exposing = self._exposing
        for key, traits in contexts:
            value = find(key, traits).get_feature_value("experiment-flag")
            if exposing:
                expose("experiment-flag", key, value, traits)

    def everything(self, contexts: Sequence[Any]) -> None:
        find = self._client.get_identity_flags
        for key, traits in contexts:
            find(key, traits).all_flags()

    def static_built(self, users: Sequence[User]) -> None:
        find = self._client.get_identity_flags
        for key, country, plan, version, email in users:
            traits = {"country": country, "plan": plan, "version": version, "email": email}
            find(key, traits).is_feature_enabled("static-flag")

    def targeted_built(self, users: Sequence[User]) -> None:
        find = self._client.get_identity_flags
        for key, country, plan, version, email in users:
            traits = {"country": country, "plan": plan, "version": version, "email": email}
            find(key, traits).is_feature_enabled("targeted-flag")

    def experiment_built(self, users: Sequence[User]) -> None:
        find, expose = self._client.get_identity_flags, self._client.track_exposure_event
        exposing = self._exposing
        for key, country, plan, version, email in users:
            traits = {"country": country, "plan": plan, "version": version, "email": email}
            value = find(key, traits).get_feature_value("experiment-flag")
            if exposing:
                expose("experiment-flag", key, value, traits)


class _Document:
    """An environment document in the making: rules are segments that override a feature's state."""

    def __init__(self) -> None:
        self._segments: list[dict[str, Any]] = []

    def read(self, flags: Sequence[Flag]) -> bytes:
        states = [self._state(number, flag) for number, flag in enumerate(flags, 1)]
        organisation = {
            "id": 1,
            "name": "bench",
            "feature_analytics": False,
            "persist_trait_data": True,
            "stop_serving_flags": False,
        }
        project = {
            "id": 1,
            "name": "bench",
            "organisation": organisation,
            "hide_disabled_flags": False,
            "segments": self._segments,
        }
        environment = {
            "id": 1,
            "api_key": "ser.bench",
            "name": "bench",
            "updated_at": "2026-01-01T00:00:00Z",
            "project": project,
            "feature_states": states,
            "identity_overrides": [],
        }
        return json.dumps(environment).encode()

    def _state(self, number: int, flag: Flag) -> dict[str, Any]:
        tested = flag.kind == "experiment"
        feature = {"id": number, "name": flag.key, "type": "MULTIVARIATE" if tested else "STANDARD"}
        for priority, conditions in enumerate(_rules(flag)):
            self._add_segment(feature, priority, conditions)
        return {
            **_feature_state(feature, number),
            "enabled": flag.kind in {"on", "experiment"},
            "feature_state_value": "control" if tested else None,
            "multivariate_feature_state_values": _arms(number) if tested else [],
        }

    def _add_segment(self, feature: Any, priority: int, conditions: list[dict[str, str]]) -> None:
        number = len(self._segments) + 1
        inner = {"type": "ALL", "rules": [], "conditions": conditions}
        state = {**_feature_state(feature, 1_000_000 + number), "feature_segment": {"priority": priority}}
        self._segments.append(
            {
                "id": number,
                "name": f"segment-{number}",
                "rules": [{"type": "ALL", "rules": [inner], "conditions": []}],
                "feature_states": [state],
            }
        )


def _feature_state(feature: Any, number: int) -> dict[str, Any]:
    return {
        "feature": feature,
        "enabled": True,
        "feature_state_value": None,
        "django_id": number,
        "featurestate_uuid": f"00000000-0000-0000-0000-{number:012d}",
        "feature_segment": None,
        "multivariate_feature_state_values": [],
    }


def _arms(number: int) -> list[dict[str, Any]]:
    """All variants but the first, which is the feature's own value."""
    return [
        {
            "id": number * 10 + at,
            "mv_fs_value_uuid": f"00000000-0000-0000-{at:04d}-{number:012d}",
            "percentage_allocation": float(percent),
            "multivariate_feature_option": {"value": name, "id": number * 10 + at},
        }
        for at, (name, percent) in enumerate(ARMS[1:])
    ]


def _rules(flag: Flag) -> list[list[dict[str, str]]]:
    share = _condition("", "PERCENTAGE_SPLIT", str(flag.percent))
    match flag.kind:
        case "rollout":
            return [[share]]
        case "targeted":
            return [
                [_condition("country", "IN", ",".join(flag.countries))],
                [_condition("plan", "EQUAL", flag.plan)],
                [_condition("version", "GREATER_THAN_INCLUSIVE", f"{flag.version}:semver"), share],
            ]
        case _:
            return []


def _condition(trait: str, operator: str, value: str) -> dict[str, str]:
    return {"operator": operator, "property_": trait, "value": value}
