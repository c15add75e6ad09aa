"""No SDK at all: what nothing written in Python can go below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mmh3

from tests.bench.peers.peer import Loop, Peer, Setting
from tests.bench.scenario import User


class Adapter(Peer):
    title: ClassVar[str] = "floors"
    package: ClassVar[str] = "mmh3"
    imports: ClassVar[str] = "import mmh3"

    def start(self, setting: Setting) -> None:  # noqa: ARG002 - there are no rules
        self._table = {f"flag-{number:05d}": number for number in range(1000)}

    def context(self, user: User) -> Any:
        return user.key

    def loops(self) -> Mapping[str, Loop]:
        return {"method": self._method, "lookup": self._lookup, "hash": self._hash}

    def _nothing(self) -> None:
        pass

    def _method(self, keys: Sequence[str]) -> None:
        nothing = self._nothing
        for _ in keys:
            nothing()

    def _lookup(self, keys: Sequence[str]) -> None:
        table = self._table
        for _ in keys:
            table["flag-00500"]

    def _hash(self, keys: Sequence[str]) -> None:
        digest = mmh3.hash
        for key in keys:
            digest(key, 0, False)
