from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Has an engine in Rust behind ctypes; an impression ends in a callback on a thread of its own."""

    title: ClassVar[str] = "Unleash (Rust)"
    package: ClassVar[str] = "UnleashClient"
    imports: ClassVar[str] = "from UnleashClient import UnleashClient"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps({"version": 2, "features": [_feature(flag) for flag in flags]}).encode()

    def start(self, setting: Setting) -> None:
        from UnleashClient import UnleashClient
        from UnleashClient.cache import FileCache

        cache = FileCache(f"bench-{id(self)}", directory=tempfile.mkdtemp())
        if setting.refresh is None:
            cache.bootstrap_from_dict(json.loads(setting.document.read_bytes()))
        self._seen = 0
        self._client = UnleashClient(
            f"{setting.url}/api",
            f"bench-{id(self)}",
            cache=cache,
            refresh_interval=int(setting.refresh or 3600),
            disable_registration=True,
            disable_metrics=not setting.exposing,
            event_callback=self._impression if setting.exposing else None,
        )
        self._client.initialize_client(fetch_toggles=setting.refresh is not None)

    def close(self) -> None:
        self._client.destroy()

    def context(self, user: User) -> Any:
        properties = {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }
        return {"userId": user.key, "properties": properties}

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        if text:
            return self._client.get_variant(flag, context)["name"]
        return self._client.is_enabled(flag, context)

    def static(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.is_enabled
        for context in contexts:
            enabled("static-flag", context)

    def targeted(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.is_enabled
        for context in contexts:
            enabled("targeted-flag", context)

    def experiment(self, contexts: Sequence[Any]) -> None:
        variant = self._client.get_variant
        for context in contexts:
            variant("experiment-flag", context)

    def static_built(self, users: Sequence[User]) -> None:
        enabled = self._client.is_enabled
        for key, country, plan, version, email in users:
            properties = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("static-flag", {"userId": key, "properties": properties})

    def targeted_built(self, users: Sequence[User]) -> None:
        enabled = self._client.is_enabled
        for key, country, plan, version, email in users:
            properties = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("targeted-flag", {"userId": key, "properties": properties})

    def experiment_built(self, users: Sequence[User]) -> None:
        variant = self._client.get_variant
        for key, country, plan, version, email in users:
            properties = {"country": country, "plan": plan, "version": version, "email": email}
            variant("experiment-flag", {"userId": key, "properties": properties})

    def _impression(self, _event: Any) -> None:
        self._seen += 1


def _feature(flag: Flag) -> dict[str, Any]:
    tested = flag.kind == "experiment"
    return {
        "name": flag.key,
        "type": "release",
        "project": "default",
        "enabled": flag.kind != "off",
        "stale": False,
        "impressionData": tested,
        "strategies": _strategies(flag),
        "variants": [_variant(name, percent) for name, percent in ARMS] if tested else [],
    }


def _strategies(flag: Flag) -> list[dict[str, Any]]:
    match flag.kind:
        case "on" | "off":
            return [{"name": "default", "parameters": {}}]
        case "rollout" | "experiment":
            return [_rollout(flag, flag.percent)]
        case "targeted":
            return [
                _rollout(flag, 100, _constraint("country", "IN", values=flag.countries)),
                _rollout(flag, 100, _constraint("plan", "IN", values=[flag.plan])),
                _rollout(flag, flag.percent, _constraint("version", "SEMVER_GT", value=flag.version)),
            ]


def _rollout(flag: Flag, percent: int, *constraints: dict[str, Any]) -> dict[str, Any]:
    parameters = {"rollout": str(percent), "stickiness": "userId", "groupId": flag.key}
    return {"name": "flexibleRollout", "parameters": parameters, "constraints": list(constraints)}


def _constraint(name: str, operator: str, **operand: Any) -> dict[str, Any]:
    return {"contextName": name, "operator": operator, "inverted": False, **operand}


def _variant(name: str, percent: int) -> dict[str, Any]:
    return {
        "name": name,
        "weight": percent * 10,
        "weightType": "fix",
        "stickiness": "userId",
        "payload": {"type": "string", "value": name},
    }
