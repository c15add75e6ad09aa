from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

from tests.bench.peers.flagstaff import Adapter
from tests.bench.peers.peer import Peer, Setting
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
