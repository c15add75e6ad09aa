from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Fetches its rules from the sink; every evaluation makes an impression, deduplicated by the hour."""

    title: ClassVar[str] = "Split"
    package: ClassVar[str] = "splitio_client"
    imports: ClassVar[str] = "from splitio import get_factory"

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        found = [_flag(number, flag) for number, flag in enumerate(flags)]
        return json.dumps({"ff": {"d": found, "s": -1, "t": 1}, "rbs": {"d": [], "s": -1, "t": -1}}).encode()

    @staticmethod
    def answers() -> Mapping[str, bytes]:
        nothing = {"ff": {"d": [], "s": 1, "t": 1}, "rbs": {"d": [], "s": -1, "t": -1}}
        return {"/api/splitChanges?s=1.3&since=1": json.dumps(nothing).encode()}

    def start(self, setting: Setting) -> None:
        from splitio import get_factory

        url = f"{setting.url}/api"
        config = {
            "streamingEnabled": False,
            "impressionsMode": "OPTIMIZED" if setting.exposing else "NONE",
            "featuresRefreshRate": 3600,
        }
        self._factory = get_factory(
            f"bench-{id(self)}",
            config=config,
            sdk_api_base_url=url,
            events_api_base_url=url,
            auth_api_base_url=url,
            telemetry_api_base_url=url,
        )
        self._factory.block_until_ready(20)
        self._client = self._factory.client()
        self._names = self._factory.manager().split_names()

    def close(self) -> None:
        ended = threading.Event()
        self._factory.destroy(ended)
        ended.wait(10)

    def context(self, user: User) -> Any:
        return user.key, {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        found = self._client.get_treatment(context[0], flag, context[1])
        return found if text else found == "on"

    def static(self, contexts: Sequence[Any]) -> None:
        treatment = self._client.get_treatment
        for key, attributes in contexts:
            treatment(key, "static-flag", attributes)

    def targeted(self, contexts: Sequence[Any]) -> None:
        treatment = self._client.get_treatment
        for key, attributes in contexts:
            treatment(key, "targeted-flag", attributes)

    def experiment(self, contexts: Sequence[Any]) -> None:
        treatment = self._client.get_treatment
        for key, attributes in contexts:
            treatment(key, "experiment-flag", attributes)

    def everything(self, contexts: Sequence[Any]) -> None:
        treatments, names = self._client.get_treatments, self._names
        for key, attributes in contexts:
            treatments(key, names, attributes)

    def static_built(self, users: Sequence[User]) -> None:
        treatment = self._client.get_treatment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            treatment(key, "static-flag", attributes)

    def targeted_built(self, users: Sequence[User]) -> None:
        treatment = self._client.get_treatment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            treatment(key, "targeted-flag", attributes)

    def experiment_built(self, users: Sequence[User]) -> None:
        treatment = self._client.get_treatment
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            treatment(key, "experiment-flag", attributes)


def _flag(number: int, flag: Flag) -> dict[str, Any]:
    return {
        "trafficTypeName": "user",
        "name": flag.key,
        "trafficAllocation": 100,
        "trafficAllocationSeed": 1_000_000 + number,
        "seed": 2_000_000 + number,
        "status": "ACTIVE",
        "killed": flag.kind == "off",
        "defaultTreatment": "control-arm" if flag.kind == "experiment" else "off",
        "changeNumber": 1,
        "algo": 2,
        "configurations": {},
        "conditions": _conditions(flag),
        "sets": [],
    }


def _conditions(flag: Flag) -> list[dict[str, Any]]:
    everybody = _matcher("ALL_KEYS")
    match flag.kind:
        case "targeted":
            countries = {"whitelistMatcherData": {"whitelist": list(flag.countries)}}
            plans = {"whitelistMatcherData": {"whitelist": [flag.plan]}}
            version = {"stringMatcherData": flag.version}
            return [
                _condition(_matcher("WHITELIST", "country", **countries), _share(100)),
                _condition(_matcher("WHITELIST", "plan", **plans), _share(100)),
                _condition(
                    _matcher("GREATER_THAN_OR_EQUAL_TO_SEMVER", "version", **version), _share(flag.percent)
                ),
                _condition(everybody, _share(0)),
            ]
        case "experiment":
            return [_condition(everybody, ARMS)]
        case _:
            return [_condition(everybody, _share(flag.percent))]


def _share(percent: int) -> Sequence[tuple[str, int]]:
    return (("on", percent), ("off", 100 - percent))


def _condition(matcher: dict[str, Any], parts: Sequence[tuple[str, int]]) -> dict[str, Any]:
    return {
        "conditionType": "ROLLOUT",
        "matcherGroup": {"combiner": "AND", "matchers": [matcher]},
        "partitions": [{"treatment": name, "size": percent} for name, percent in parts],
        "label": "rule",
    }


def _matcher(kind: str, attribute: str | None = None, **data: Any) -> dict[str, Any]:
    return {
        "keySelector": {"trafficType": "user", "attribute": attribute},
        "matcherType": kind,
        "negate": False,
        "userDefinedSegmentMatcherData": None,
        "whitelistMatcherData": None,
        "unaryNumericMatcherData": None,
        "betweenMatcherData": None,
        **data,
    }
