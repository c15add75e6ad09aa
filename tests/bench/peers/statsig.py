from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, VERSION, Flag, User


class Adapter(Peer):
    """Has a core in Rust, which deduplicates exposures and sends them from threads of its own."""

    title: ClassVar[str] = "Statsig core (Rust)"
    package: ClassVar[str] = "statsig-python-core"
    imports: ClassVar[str] = "import statsig_python_core"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return _Document().read(flags)

    def start(self, setting: Setting) -> None:
        import statsig_python_core as sdk

        self._user = sdk.StatsigUser
        options = sdk.StatsigOptions(
            specs_url=f"{setting.url}/v2/download_config_specs",
            log_event_url=f"{setting.url}/v1/log_event",
            specs_sync_interval_ms=int((setting.refresh or 3600) * 1000),
            disable_all_logging=not setting.exposing,
            disable_country_lookup=True,
            fallback_to_statsig_api=False,
            environment="production",
            output_log_level="none",
            init_timeout_ms=20_000,
        )
        self._client = sdk.Statsig("secret-bench", options)
        self._client.initialize().wait()
        details = self._client.get_initialize_details()
        if not details.is_config_spec_ready:
            raise RuntimeError(str(details.failure_details))

    def settle(self) -> None:
        self._client.flush_events().wait()

    def close(self) -> None:
        self._client.shutdown().wait()

    def context(self, user: User) -> Any:
        return self._user(
            user_id=user.key,
            country=user.country,
            app_version=user.version,
            email=user.email,
            custom={"plan": user.plan},
        )

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        if text:
            return self._client.get_experiment(context, flag).get_string("variant", "none")
        return self._client.check_gate(context, flag)

    def static(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.check_gate
        for context in contexts:
            enabled(context, "static-flag")

    def targeted(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.check_gate
        for context in contexts:
            enabled(context, "targeted-flag")

    def experiment(self, contexts: Sequence[Any]) -> None:
        find = self._client.get_experiment
        for context in contexts:
            find(context, "experiment-flag").get_string("variant", "control")

    def everything(self, contexts: Sequence[Any]) -> None:
        evaluate_all = self._client.get_client_initialize_response
        for context in contexts:
            evaluate_all(context)

    def static_built(self, users: Sequence[User]) -> None:
        enabled, new = self._client.check_gate, self._user
        for key, country, plan, version, email in users:
            custom = {"plan": plan}
            user = new(user_id=key, country=country, app_version=version, email=email, custom=custom)
            enabled(user, "static-flag")

    def targeted_built(self, users: Sequence[User]) -> None:
        enabled, new = self._client.check_gate, self._user
        for key, country, plan, version, email in users:
            custom = {"plan": plan}
            user = new(user_id=key, country=country, app_version=version, email=email, custom=custom)
            enabled(user, "targeted-flag")

    def experiment_built(self, users: Sequence[User]) -> None:
        find, new = self._client.get_experiment, self._user
        for key, country, plan, version, email in users:
            custom = {"plan": plan}
            user = new(user_id=key, country=country, app_version=version, email=email, custom=custom)
            find(user, "experiment-flag").get_string("variant", "control")


class _Document:
    """A document in the making: conditions stand in a table of their own, and rules refer to them."""

    def __init__(self) -> None:
        self._conditions: dict[str, Any] = {}
        self._everybody = self._condition("public", None, None)

    def read(self, flags: Sequence[Flag]) -> bytes:
        gates = {flag.key: self._gate(flag) for flag in flags if flag.kind != "experiment"}
        configs = {flag.key: self._config(flag) for flag in flags if flag.kind == "experiment"}
        return json.dumps(
            {
                "feature_gates": gates,
                "dynamic_configs": configs,
                "layer_configs": {},
                "layers": {},
                "condition_map": self._conditions,
                "experiment_to_layer": {},
                "has_updates": True,
                "time": 1_700_000_000_000 + VERSION,
                "response_format": "dcs-v2",
                "company_id": "bench",
                "sdk_configs": {},
                "diagnostics": {},
            }
        ).encode()

    def _gate(self, flag: Flag) -> dict[str, Any]:
        return {
            **self._common(flag, "feature_gate"),
            "enabled": flag.kind != "off",
            "defaultValue": False,
            "rules": self._rules(flag),
        }

    def _config(self, flag: Flag) -> dict[str, Any]:
        rules, low = [], 0
        for name, percent in ARMS:
            low += percent * 10  # thousandths
            drawn = self._condition("user_bucket", low, "lt", salt=flag.key)
            rule = self._rule(f"{flag.key}-{name}", 100, drawn, {"variant": name})
            rules.append({**rule, "groupName": name, "isExperimentGroup": True})
        return {
            **self._common(flag, "dynamic_config"),
            "entity": "experiment",
            "enabled": True,
            "isActive": True,
            "hasSharedParams": False,
            "explicitParameters": ["variant"],
            "defaultValue": {"variant": "control"},
            "rules": rules,
        }

    def _rules(self, flag: Flag) -> list[dict[str, Any]]:
        if flag.kind == "off":
            return []  # this core doesn't look at "enabled"
        if flag.kind != "targeted":
            return [self._rule(f"{flag.key}-all", flag.percent, self._everybody, True)]
        country = self._condition("user_field", list(flag.countries), "any", "country")
        plan = self._condition("user_field", [flag.plan], "any", "plan", custom_field="plan")
        version = self._condition("user_field", flag.version, "version_gte", "appVersion")
        return [
            self._rule(f"{flag.key}-country", 100, country, True),
            self._rule(f"{flag.key}-plan", 100, plan, True),
            self._rule(f"{flag.key}-version", flag.percent, version, True),
        ]

    def _common(self, flag: Flag, kind: str) -> dict[str, Any]:
        return {"type": kind, "entity": kind, "salt": flag.key, "idType": "userID", "version": VERSION}

    def _rule(self, name: str, percent: int, condition: str, value: Any) -> dict[str, Any]:
        return {
            "name": name,
            "id": name,
            "salt": name,
            "idType": "userID",
            "passPercentage": percent,
            "conditions": [condition],
            "returnValue": value,
        }

    def _condition(
        self, kind: str, target: Any, operator: str | None, field: str | None = None, **more: Any
    ) -> str:
        condition = {"type": kind, "targetValue": target, "operator": operator, "field": field}
        condition |= {"additionalValues": more, "idType": "userID"}
        name = str(zlib.crc32(json.dumps(condition).encode()))
        self._conditions[name] = condition
        return name
