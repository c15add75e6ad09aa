from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Adapter(Peer):
    """Its rules come from its own file source; an exposure is a full event for every evaluation."""

    title: ClassVar[str] = "LaunchDarkly"
    package: ClassVar[str] = "launchdarkly-server-sdk"
    imports: ClassVar[str] = "import ldclient"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps({"flags": {flag.key: _flag(flag) for flag in flags}}).encode()

    def start(self, setting: Setting) -> None:
        import ldclient
        from ldclient.integrations import Files

        source = Files.new_data_source(
            paths=[str(setting.document)],
            auto_update=setting.refresh is not None,
            force_polling=True,
            poll_interval=setting.refresh or 1,
        )
        config = ldclient.Config(
            "sdk-bench",
            update_processor_class=source,
            send_events=setting.exposing,
            events_uri=setting.url,
            diagnostic_opt_out=True,
        )
        self._new = ldclient.Context.builder
        self._client = ldclient.LDClient(config, start_wait=20)
        if not self._client.is_initialized():
            raise RuntimeError("not initialised")

    def settle(self) -> None:
        self._client.flush()
        super().settle()

    def close(self) -> None:
        self._client.close()

    def context(self, user: User) -> Any:
        builder = self._new(user.key).set("country", user.country).set("plan", user.plan)
        return builder.set("version", user.version).set("email", user.email).build()

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        return self._client.variation(flag, context, "none" if text else False)

    def static(self, contexts: Sequence[Any]) -> None:
        value = self._client.variation
        for context in contexts:
            value("static-flag", context, False)

    def targeted(self, contexts: Sequence[Any]) -> None:
        value = self._client.variation
        for context in contexts:
            value("targeted-flag", context, False)

    def experiment(self, contexts: Sequence[Any]) -> None:
        value = self._client.variation
        for context in contexts:
            value("experiment-flag", context, "control")

    def everything(self, contexts: Sequence[Any]) -> None:
        evaluate_all = self._client.all_flags_state
        for context in contexts:
            evaluate_all(context)

    def static_built(self, users: Sequence[User]) -> None:
        value, new = self._client.variation, self._new
        for key, country, plan, version, email in users:
            builder = new(key).set("country", country).set("plan", plan)
            context = builder.set("version", version).set("email", email).build()
            value("static-flag", context, False)

    def targeted_built(self, users: Sequence[User]) -> None:
        value, new = self._client.variation, self._new
        for key, country, plan, version, email in users:
            builder = new(key).set("country", country).set("plan", plan)
            context = builder.set("version", version).set("email", email).build()
            value("targeted-flag", context, False)

    def experiment_built(self, users: Sequence[User]) -> None:
        value, new = self._client.variation, self._new
        for key, country, plan, version, email in users:
            builder = new(key).set("country", country).set("plan", plan)
            context = builder.set("version", version).set("email", email).build()
            value("experiment-flag", context, "control")


def _flag(flag: Flag) -> dict[str, Any]:
    found: dict[str, Any] = {
        "key": flag.key,
        "version": 1,
        "on": flag.kind != "off",
        "salt": flag.key,
        "variations": [True, False],
        "offVariation": 1,
        "fallthrough": {"variation": 0},
        "targets": [],
        "rules": [],
        "prerequisites": [],
        "trackEvents": False,
        "clientSide": True,
    }
    match flag.kind:
        case "rollout":
            found["fallthrough"] = {"rollout": _share(flag.percent)}
        case "targeted":
            found["fallthrough"] = {"variation": 1}
            found["rules"] = [
                {"id": "country", "clauses": [_clause("country", "in", *flag.countries)], "variation": 0},
                {"id": "plan", "clauses": [_clause("plan", "in", flag.plan)], "variation": 0},
                {
                    "id": "version",
                    "clauses": [_clause("version", "semVerGreaterThan", flag.version)],
                    "rollout": _share(flag.percent),
                },
            ]
        case "experiment":
            found |= _experiment()
    return found


def _experiment() -> dict[str, Any]:
    weights = [
        {"variation": number, "weight": percent * 1000, "untracked": False}
        for number, (_, percent) in enumerate(ARMS)
    ]
    return {
        "variations": [name for name, _ in ARMS],
        "offVariation": 0,
        "fallthrough": {"rollout": {"kind": "experiment", "seed": 61, "variations": weights}},
        "trackEvents": True,
        "trackEventsFallthrough": True,
    }


def _clause(attribute: str, operator: str, *values: str) -> dict[str, Any]:
    return {"attribute": attribute, "op": operator, "values": values, "negate": False}


def _share(percent: int) -> dict[str, Any]:
    weights = ((0, percent * 1000), (1, 100_000 - percent * 1000))
    return {"variations": [{"variation": variation, "weight": weight} for variation, weight in weights]}
