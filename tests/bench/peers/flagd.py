from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.peers.openfeature import Client
from tests.bench.peers.peer import Setting
from tests.bench.scenario import ARMS, STATIC, Flag


class Adapter(Client):
    """The provider that evaluates in the process, its rules from a file, behind the OpenFeature client."""

    title: ClassVar[str] = "flagd, in process"
    package: ClassVar[str] = "openfeature-provider-flagd"
    imports: ClassVar[str] = "from openfeature.contrib.provider.flagd import FlagdProvider"
    refreshes: ClassVar[bool] = True

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        return json.dumps({"flags": {flag.key: _flag(flag) for flag in flags}}).encode()

    def start(self, setting: Setting) -> None:
        from openfeature.contrib.provider.flagd import FlagdProvider
        from openfeature.contrib.provider.flagd.config import ResolverType

        file = setting.document.with_suffix(".json")  # the suffix tells it the format
        if not file.exists():
            file.symlink_to(setting.document)
        os.environ["FLAGD_OFFLINE_POLL_MS"] = str(int((setting.refresh or 3600) * 1000))
        provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(file))
        self._open(provider, setting)
        deadline = time.monotonic() + 20
        while not self._client.get_boolean_value(STATIC, False):
            if time.monotonic() > deadline:
                raise TimeoutError("the rules were not loaded")
            time.sleep(0.0005)


def _flag(flag: Flag) -> dict[str, Any]:
    tested = flag.kind == "experiment"
    return {
        "state": "DISABLED" if flag.kind == "off" else "ENABLED",
        "variants": {name: name for name, _ in ARMS} if tested else {"on": True, "off": False},
        "defaultVariant": "control" if tested else "on" if flag.kind == "on" else "off",
        **_targeting(flag),
    }


def _targeting(flag: Flag) -> dict[str, Any]:
    share = {"fractional": [["on", flag.percent], ["off", 100 - flag.percent]]}
    match flag.kind:
        case "rollout":
            return {"targeting": share}
        case "targeted":
            steps = [
                *({"in": [{"var": "country"}, list(flag.countries)]}, "on"),
                *({"==": [{"var": "plan"}, flag.plan]}, "on"),
                *({"sem_ver": [{"var": "version"}, ">=", flag.version]}, share),
                "off",
            ]
            return {"targeting": {"if": steps}}
        case "experiment":
            return {"targeting": {"fractional": [list(arm) for arm in ARMS]}}
        case _:
            return {}
