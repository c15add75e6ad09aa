from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User

_BOOLEAN, _TEXT = 0, 1
_IS_ONE_OF, _AT_LEAST = 0, 9


class Adapter(Peer):
    """Has no exposures. Its rules come from a file, as its documentation suggests for work offline."""

    title: ClassVar[str] = "ConfigCat"
    package: ClassVar[str] = "configcat-client"
    imports: ClassVar[str] = "import configcatclient"
    exposes: ClassVar[bool] = False

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        settings = {flag.key: _setting(flag) for flag in flags}
        return json.dumps(
            {"p": {"u": "http://127.0.0.1", "r": 0, "s": "bench"}, "s": [], "f": settings}
        ).encode()

    def start(self, setting: Setting) -> None:
        import configcatclient
        from configcatclient.localfiledatasource import LocalFileFlagOverrides
        from configcatclient.overridedatasource import OverrideBehaviour
        from configcatclient.user import User as Person

        file = LocalFileFlagOverrides(str(setting.document), OverrideBehaviour.LocalOnly)
        options = configcatclient.ConfigCatOptions(flag_overrides=file)
        self._user = Person
        self._client = configcatclient.ConfigCatClient.get(f"bench-{id(self)}", options)

    def close(self) -> None:
        self._client.close()

    def context(self, user: User) -> Any:
        custom = {"country": user.country, "plan": user.plan, "version": user.version}
        return self._user(user.key, email=user.email, custom=custom)

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        return self._client.get_value(flag, "none" if text else False, context)

    def static(self, contexts: Sequence[Any]) -> None:
        value = self._client.get_value
        for context in contexts:
            value("static-flag", False, context)

    def targeted(self, contexts: Sequence[Any]) -> None:
        value = self._client.get_value
        for context in contexts:
            value("targeted-flag", False, context)

    def experiment(self, contexts: Sequence[Any]) -> None:
        value = self._client.get_value
        for context in contexts:
            value("experiment-flag", "control", context)

    def everything(self, contexts: Sequence[Any]) -> None:
        evaluate_all = self._client.get_all_values
        for context in contexts:
            evaluate_all(context)

    def static_built(self, users: Sequence[User]) -> None:
        value, new = self._client.get_value, self._user
        for key, country, plan, version, email in users:
            custom = {"country": country, "plan": plan, "version": version}
            value("static-flag", False, new(key, email=email, custom=custom))

    def targeted_built(self, users: Sequence[User]) -> None:
        value, new = self._client.get_value, self._user
        for key, country, plan, version, email in users:
            custom = {"country": country, "plan": plan, "version": version}
            value("targeted-flag", False, new(key, email=email, custom=custom))

    def experiment_built(self, users: Sequence[User]) -> None:
        value, new = self._client.get_value, self._user
        for key, country, plan, version, email in users:
            custom = {"country": country, "plan": plan, "version": version}
            value("experiment-flag", "control", new(key, email=email, custom=custom))


def _setting(flag: Flag) -> dict[str, Any]:
    match flag.kind:
        case "on" | "off":
            return {"t": _BOOLEAN, "v": {"b": flag.kind == "on"}}
        case "rollout":
            return {"t": _BOOLEAN, "v": {"b": False}, "p": _shares(flag.percent)}
        case "targeted":
            rules = [
                {**_rule("country", _IS_ONE_OF, l=list(flag.countries)), "s": {"v": {"b": True}}},
                {**_rule("plan", _IS_ONE_OF, l=[flag.plan]), "s": {"v": {"b": True}}},
                {**_rule("version", _AT_LEAST, s=flag.version), "p": _shares(flag.percent)},
            ]
            return {"t": _BOOLEAN, "v": {"b": False}, "r": rules}
        case "experiment":
            shares = [{"p": percent, "v": {"s": name}} for name, percent in ARMS]
            return {"t": _TEXT, "v": {"s": "control"}, "p": shares}


def _rule(attribute: str, comparator: int, **operand: Any) -> dict[str, Any]:
    return {"c": [{"u": {"a": attribute, "c": comparator, **operand}}]}


def _shares(percent: int) -> list[dict[str, Any]]:
    return [{"p": percent, "v": {"b": True}}, {"p": 100 - percent, "v": {"b": False}}]
