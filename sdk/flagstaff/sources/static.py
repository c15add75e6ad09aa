"""Rules that are simply given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.formats import Format
    from flagstaff.runtime.clock import Clock
    from flagstaff.sources.source import Publish

__all__ = ["StaticSource"]


class StaticSource:
    """A document in memory: read once, never looked at again."""

    def __init__(self, document: bytes | Mapping[str, Any], *, format: Format, clock: Clock) -> None:  # noqa: A002
        self.fault: str | None = None
        self.checked: float | None = None
        self._loaded = format.load(document)
        self._clock = clock

    def describe(self) -> str:
        return "document in memory"

    def attach(self, publish: Publish) -> None:
        self.checked = self._clock.monotonic()
        publish(self._loaded)
