from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

from tests.bench.peers.flagstaff import Adapter
from tests.bench.peers.peer import Loop, Peer, Setting
from tests.bench.scenario import Flag, User

__all__ = ["speaking"]

_Attributes: TypeAlias = Mapping[str, str]

_CONTEXTS: Mapping[str, Callable[[str, _Attributes], Mapping[str, Any]]] = {
    "unleash": lambda key, known: {"userId": key, "properties": known},
    "growthbook": lambda key, known: {"attributes": {"id": key, **known}},
    "flagd": lambda key, known: {"targetingKey": key, **known},
    "optimizely": lambda key, known: {"user_id": key, "attributes": known},
    "eppo": lambda key, known: {"subjectKey": key, "subjectAttributes": known},
    "launchdarkly": lambda key, known: {"kind": "user", "key": key, **known},
    "flagsmith": lambda key, known: {"identifier": key, "traits": known},
}
"""A user as each vendor's SDK is told of one."""


def _murmur3(contexts: Sequence[Any]) -> None:
    from mmh3 import mmh3_32_uintdigest

    for context in contexts:
        mmh3_32_uintdigest(("experiment-flag" + context.targeting_key).encode())


def _md5(contexts: Sequence[Any]) -> None:
    from flagstaff.core.schemes import digester

    md5 = digester("md5")
    for context in contexts:
        md5(("experiment-flag" + context.targeting_key).encode()).digest()


def _sha1(contexts: Sequence[Any]) -> None:
    from flagstaff.core.schemes import digester

    sha1 = digester("sha1")
    for context in contexts:
        sha1(("experiment-flag" + context.targeting_key).encode()).digest()


def _fnv1a(contexts: Sequence[Any]) -> None:
    def fnv1a(data: bytes) -> int:
        number = 0x811C9DC5
        for byte in data:
            number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
        return number

    for context in contexts:
        fnv1a((context.targeting_key + "experiment-flag").encode())


_HASHES: Mapping[str, Loop] = {
    "native": _murmur3,
    "unleash": _murmur3,
    "growthbook": _fnv1a,
    "flagd": _murmur3,
    "optimizely": _murmur3,
    "eppo": _md5,
    "launchdarkly": _sha1,
    "flagsmith": _md5,
}
"""What hashing a salt and a user takes by the hash of each, in the fastest way that Python has."""


class _Speaking(Adapter):
    """flagstaff with the rules of another vendor, or with its own and the same loops."""

    format: ClassVar[str]
    written_by: ClassVar[type[Peer]]

    @classmethod
    def document(cls, flags: Sequence[Flag]) -> bytes:
        return cls.written_by.document(flags)

    def start(self, setting: Setting) -> None:
        from flagstaff import Client, Context

        self._context = Context
        if self.format != "native":
            self._translated = import_module(f"flagstaff.formats.{self.format}").context
        self._client = Client.from_document(setting.document.read_bytes(), format=self.format)

    def context(self, user: User) -> Any:
        known = {"country": user.country, "plan": user.plan, "version": user.version, "email": user.email}
        if self.format == "native":
            return self._context(user.key, known)
        return self._translated(_CONTEXTS[self.format](user.key, known))

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        decision = self._client.decide(flag, context)
        if not text:
            return decision.enabled
        return decision.variant if self.format == "optimizely" else decision.value

    def loops(self) -> Mapping[str, Loop]:
        return {**super().loops(), "hash": _HASHES[self.format]}

    def targeted(self, contexts: Sequence[Any]) -> None:
        decide = self._client.decide
        for context in contexts:
            decide("targeted-flag", context)

    def experiment(self, contexts: Sequence[Any]) -> None:
        decide = self._client.decide
        for context in contexts:
            decide("experiment-flag", context)


def speaking(vendor: str, written_by: type[Peer]) -> type[Peer]:
    """flagstaff, given the document that a vendor's SDK gets."""
    members = {"title": f"flagstaff, {vendor}", "format": vendor, "written_by": written_by}
    return type("Adapter", (_Speaking,), members)
