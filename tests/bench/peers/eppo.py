from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Has a core in Rust. It ships no sender: an exposure ends in a callback on the evaluating thread."""

    title: ClassVar[str] = "Eppo (Rust)"
    package: ClassVar[str] = "eppo-server-sdk"
    imports: ClassVar[str] = "import eppo_client"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps(
            {
                "createdAt": "2026-01-01T00:00:00.000Z",
                "format": "SERVER",
                "environment": {"name": "bench"},
                "flags": {flag.key: _flag(flag) for flag in flags},
            }
        ).encode()

    def start(self, setting: Setting) -> None:
        import eppo_client

        class Logger(eppo_client.AssignmentLogger):  # type: ignore[misc]
            seen = 0

            def log_assignment(self, _event: Any) -> None:
                Logger.seen += 1

        document = setting.document.read_bytes()
        if not setting.exposing:
            document = document.replace(b'"doLog": true', b'"doLog": false')
        polling = setting.refresh is not None
        self._client = eppo_client.init(
            eppo_client.ClientConfig(
                api_key="bench",
                base_url=f"{setting.url}/api",
                assignment_logger=Logger(),
                poll_interval_seconds=max(1, int(setting.refresh or 1)) if polling else None,
                poll_jitter_seconds=0,
                initial_configuration=None
                if polling
                else eppo_client.Configuration(flags_configuration=document),
            )
        )
        if polling:
            self._client.wait_for_initialization()

    def close(self) -> None:
        self._client.shutdown()

    def context(self, user: User) -> Any:
        return user.key, _attributes(user)

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        if text:
            return self._client.get_string_assignment(flag, *context, "none")
        return self._client.get_boolean_assignment(flag, *context, False)

    def static(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.get_boolean_assignment
        for key, attributes in contexts:
            enabled("static-flag", key, attributes, False)

    def targeted(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.get_boolean_assignment
        for key, attributes in contexts:
            enabled("targeted-flag", key, attributes, False)

    def experiment(self, contexts: Sequence[Any]) -> None:
        value = self._client.get_string_assignment
        for key, attributes in contexts:
            value("experiment-flag", key, attributes, "control")

    def static_built(self, users: Sequence[User]) -> None:
        enabled = self._client.get_boolean_assignment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("static-flag", key, attributes, False)

    def targeted_built(self, users: Sequence[User]) -> None:
        enabled = self._client.get_boolean_assignment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("targeted-flag", key, attributes, False)

    def experiment_built(self, users: Sequence[User]) -> None:
        value = self._client.get_string_assignment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            value("experiment-flag", key, attributes, "control")


def _attributes(user: User) -> dict[str, str]:
    return {"country": user.country, "plan": user.plan, "version": user.version, "email": user.email}


def _flag(flag: Flag) -> Mapping[str, Any]:
    names = [name for name, _ in ARMS] if flag.kind == "experiment" else ["on", "off"]
    values = {name: name if flag.kind == "experiment" else name == "on" for name in names}
    return {
        "key": flag.key,
        "enabled": flag.kind != "off",
        "variationType": "STRING" if flag.kind == "experiment" else "BOOLEAN",
        "variations": {name: {"key": name, "value": value} for name, value in values.items()},
        "allocations": _allocations(flag),
        "totalShards": 10_000,
    }


def _allocations(flag: Flag) -> list[dict[str, Any]]:
    match flag.kind:
        case "on" | "off":
            return [_allocation(flag, "all", [_split("on")])]
        case "rollout":
            return [_allocation(flag, "share", [_split("on", flag.key, 0, flag.percent)])]
        case "targeted":
            rules = (
                ("country", "ONE_OF", list(flag.countries), 100),
                ("plan", "ONE_OF", [flag.plan], 100),
                ("version", "GTE", flag.version, flag.percent),
            )
            found = []
            for name, operator, value, percent in rules:
                condition = {"attribute": name, "operator": operator, "value": value}
                found.append(_allocation(flag, name, [_split("on", flag.key, 0, percent)], condition))
            return [*found, _allocation(flag, "rest", [_split("off")])]
        case "experiment":
            splits, low = [], 0
            for name, percent in ARMS:
                splits.append(_split(name, flag.key, low, low + percent))
                low += percent
            return [{**_allocation(flag, "split", splits), "doLog": True}]


def _allocation(
    flag: Flag, name: str, splits: list[dict[str, Any]], *conditions: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {"key": f"{flag.key}-{name}", "splits": splits, "doLog": False}
    if conditions:
        found["rules"] = [{"conditions": list(conditions)}]
    return found


def _split(variation: str, salt: str = "", low: int = 0, high: int = 100) -> dict[str, Any]:
    ranges = [{"start": low * 100, "end": high * 100}]
    return {"variationKey": variation, "shards": [{"salt": salt, "ranges": ranges}] if salt else []}
