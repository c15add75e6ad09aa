from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, Flag, User


class Client(Peer):
    """The OpenFeature client, which providers stand behind; an exposure ends in a hook."""

    def _open(self, provider: Any, setting: Setting) -> None:
        from openfeature import api
        from openfeature.evaluation_context import EvaluationContext

        api.clear_hooks()
        api.set_provider_and_wait(provider)
        if setting.exposing:
            api.add_hooks([_hook()])
        self._api = api
        self._context = EvaluationContext
        self._client = api.get_client()

    def close(self) -> None:
        self._api.shutdown()

    def context(self, user: User) -> Any:
        attributes = {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }
        return self._context(targeting_key=user.key, attributes=attributes)

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        if text:
            return self._client.get_string_value(flag, "none", context)
        return self._client.get_boolean_value(flag, False, context)

    def static(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.get_boolean_value
        for context in contexts:
            enabled("static-flag", False, context)

    def targeted(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.get_boolean_value
        for context in contexts:
            enabled("targeted-flag", False, context)

    def experiment(self, contexts: Sequence[Any]) -> None:
        value = self._client.get_string_value
        for context in contexts:
            value("experiment-flag", "control", context)

    def static_built(self, users: Sequence[User]) -> None:
        enabled, new = self._client.get_boolean_value, self._context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("static-flag", False, new(targeting_key=key, attributes=attributes))

    def targeted_built(self, users: Sequence[User]) -> None:
        enabled, new = self._client.get_boolean_value, self._context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            enabled("targeted-flag", False, new(targeting_key=key, attributes=attributes))

    def experiment_built(self, users: Sequence[User]) -> None:
        value, new = self._client.get_string_value, self._context
        for key, country, plan, version, email in users:
            attributes = {"country": country, "plan": plan, "version": version, "email": email}
            value("experiment-flag", "control", new(targeting_key=key, attributes=attributes))


class Adapter(Client):
    """Its in-memory provider has no rules: they are a few lines of ours, so this is what the client costs."""

    title: ClassVar[str] = "OpenFeature, in memory"
    package: ClassVar[str] = "openfeature-sdk"
    imports: ClassVar[str] = "from openfeature.provider.in_memory_provider import InMemoryProvider"

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps([vars(flag) for flag in flags]).encode()

    def start(self, setting: Setting) -> None:
        from openfeature.provider.in_memory_provider import InMemoryProvider

        flags = [Flag(**given) for given in json.loads(setting.document.read_bytes())]
        self._open(InMemoryProvider({flag.key: _flag(flag) for flag in flags}), setting)


def _hook() -> Any:
    from openfeature.hook import Hook

    class Counting(Hook):
        seen = 0

        def after(self, hook_context: Any, details: Any, hints: Mapping[Any, Any]) -> None:  # noqa: ARG002
            Counting.seen += 1

    return Counting()


def _flag(flag: Flag) -> Any:
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider.in_memory_provider import InMemoryFlag

    if flag.kind in {"on", "off"}:
        return InMemoryFlag(flag.kind, {"on": True, "off": False})
    names = [name for name, _ in ARMS] if flag.kind == "experiment" else ["off", "on"]
    values = {name: name if flag.kind == "experiment" else name == "on" for name in names}
    choose = _rule(flag)

    def evaluate(_flag: Any, context: Any) -> Any:
        name = choose(context)
        return FlagResolutionDetails(value=values[name], reason=Reason.TARGETING_MATCH, variant=name)

    return InMemoryFlag(names[0], values, context_evaluator=evaluate)


def _rule(flag: Flag) -> Callable[[Any], str]:
    def draw(context: Any) -> int:
        return zlib.crc32(f"{flag.key}:{context.targeting_key}".encode()) % 100

    def split(context: Any) -> str:
        drawn = draw(context)
        return "control" if drawn < 34 else "blue" if drawn < 67 else "green"

    def rollout(context: Any) -> str:
        return "on" if draw(context) < flag.percent else "off"

    countries, plan, least = frozenset(flag.countries), flag.plan, _numbers(flag.version)

    def targeted(context: Any) -> str:
        attributes = context.attributes
        if attributes["country"] in countries or attributes["plan"] == plan:
            return "on"
        return rollout(context) if _numbers(attributes["version"]) >= least else "off"

    return {"experiment": split, "rollout": rollout}.get(flag.kind, targeted)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()
