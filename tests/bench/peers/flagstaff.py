from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tests.bench.peers.peer import Peer, Setting
from tests.bench.scenario import ARMS, VERSION, Flag, User


class Adapter(Peer):
    title: ClassVar[str] = "flagstaff"
    package: ClassVar[str] = "flagstaff"
    imports: ClassVar[str] = "from flagstaff import Client, Context"
    refreshes: ClassVar[bool] = True

    _client: Any  # a Client, or inside an event loop an AsyncClient

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        from flagstaff.formats import load

        arms = dict(ARMS)
        written: Mapping[str, Any] = {
            "version": 1,
            "project": "bench",
            "environment": "bench",
            "revision": VERSION,
            "flags": {flag.key: _flag(flag) for flag in flags},
            "experiments": {flag.key: {"split": arms} for flag in flags if flag.kind == "experiment"},
        }
        return load(json.dumps(written).encode()).canonical_json  # as a server sends it

    def start(self, setting: Setting) -> None:
        from flagstaff import Client, Context

        self._context = Context
        events = setting.url if setting.exposing else None
        if setting.refresh is None:
            self._client = Client.from_document(setting.document.read_bytes(), events=events)
        else:
            self._client = Client(
                setting.url, events=events, poll_interval=setting.refresh, directory=_directory()
            )
        if not self._client.wait_ready(30):
            raise TimeoutError(str(self._client.status()))

    async def astart(self, setting: Setting) -> None:
        from flagstaff import AsyncClient, Context

        self._context = Context
        events = setting.url if setting.exposing else None
        self._client = AsyncClient(
            setting.url, events=events, poll_interval=setting.refresh, directory=_directory()
        )
        if not await self._client.wait_ready(30):
            raise TimeoutError(str(self._client.status()))

    def settle(self) -> None:
        self._client.flush(30)

    def waiting(self) -> int:
        return int(self._client.stats()["pending"])

    def lost(self) -> int:
        return sum(self._client.stats()["dropped"].values())

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        await self._client.close(0.1)

    def context(self, user: User) -> Any:
        attributes = {
            "country": user.country,
            "plan": user.plan,
            "version": user.version,
            "email": user.email,
        }
        return self._context(user.key, attributes)

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        return self._client.value(flag, context, "none" if text else False)

    def static(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.enabled
        for context in contexts:
            enabled("static-flag", context)

    def targeted(self, contexts: Sequence[Any]) -> None:
        enabled = self._client.enabled
        for context in contexts:
            enabled("targeted-flag", context)

    def experiment(self, contexts: Sequence[Any]) -> None:
        value = self._client.value
        for context in contexts:
            value("experiment-flag", context, "control")

    def everything(self, contexts: Sequence[Any]) -> None:
        decide_all = self._client.decide_all
        for context in contexts:
            decide_all(context)

    def static_built(self, users: Sequence[User]) -> None:
        enabled = self._client.enabled
        for key, country, plan, version, email in users:
            user = {
                "targetingKey": key,
                "country": country,
                "plan": plan,
                "version": version,
                "email": email,
            }
            enabled("static-flag", user)

    def targeted_built(self, users: Sequence[User]) -> None:
        enabled = self._client.enabled
        for key, country, plan, version, email in users:
            user = {
                "targetingKey": key,
                "country": country,
                "plan": plan,
                "version": version,
                "email": email,
            }
            enabled("targeted-flag", user)

    def experiment_built(self, users: Sequence[User]) -> None:
        value = self._client.value
        for key, country, plan, version, email in users:
            user = {
                "targetingKey": key,
                "country": country,
                "plan": plan,
                "version": version,
                "email": email,
            }
            value("experiment-flag", user, "control")


def _directory() -> str:
    """A place of its own: the last good rules of an earlier process may be newer than those served now."""
    from tempfile import mkdtemp

    return mkdtemp(prefix="flagstaff-bench-")


def _flag(flag: Flag) -> dict[str, Any]:
    match flag.kind:
        case "on":
            return {"default": "on"}
        case "off":
            return {"enabled": False}
        case "rollout":
            return {"rules": [{"rollout": flag.percent}]}
        case "targeted":
            return {
                "rules": [
                    {"when": _leaf("country", "in", flag.countries), "serve": "on"},
                    {"when": _leaf("plan", "eq", flag.plan), "serve": "on"},
                    {"when": _leaf("version", "semver_ge", flag.version), "rollout": flag.percent},
                ]
            }
        case "experiment":
            variants = {name: name for name, _ in ARMS}
            return {"variants": variants, "default": "control", "rules": [{"experiment": flag.key}]}


def _leaf(attribute: str, op: str, value: Any) -> dict[str, Any]:
    return {"attribute": attribute, "op": op, "value": value}
