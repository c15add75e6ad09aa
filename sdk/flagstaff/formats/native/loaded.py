"""What reading a rules document comes to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flagstaff.core.difference import changed_flags
from flagstaff.core.rules import Rules
from flagstaff.errors import Problem

from .index import Index
from .store import Store

if TYPE_CHECKING:
    from .document import Document

__all__ = ["Loaded"]


class Loaded:
    """A document that was read: ``rules`` for the engine, ``warnings`` for people, and its canonical form.

    ``translated`` says that it was written in another dialect.
    """

    def __init__(
        self,
        store: Store,
        index: Index,
        rules: Rules,
        warnings: Iterable[Problem],
        *,
        before: Loaded | None = None,
        suspects: frozenset[str] | None = None,
    ) -> None:
        self.rules: Rules = rules
        self.warnings: tuple[Problem, ...] = tuple(warnings)
        self.translated: bool = False
        self.store: Store = store
        self.index: Index = index
        self._before = None if before is None else before.store.token
        self._suspects = suspects

    def suspects(self, before: Loaded | None) -> frozenset[str] | None:
        """The flags that may be decided otherwise than by the rules before; None if it may be any."""
        same = before is not None and self._before is before.store.token
        return self._suspects if same else None

    def changed(self, before: Loaded | None) -> frozenset[str]:
        """The keys of the flags that are decided otherwise than by the rules before, or might be."""
        return changed_flags(before.rules if before else None, self.rules, self.suspects(before))

    def without_warnings(self) -> Loaded:
        """The same for somebody who has been told."""
        return Loaded(self.store, self.index, self.rules, ())

    @cached_property
    def document(self) -> Document:
        """The document as it was written, less what was left out."""
        return self.store.document()

    @property
    def canonical(self) -> dict[str, Any]:
        """The document in canonical form, as plain data."""
        from .canonical import canonical

        return canonical(self.document)

    @cached_property
    def canonical_json(self) -> bytes:
        """The canonical form as the server sends it: UTF-8 JSON."""
        import json

        return json.dumps(self.canonical, ensure_ascii=False, separators=(",", ":")).encode()
