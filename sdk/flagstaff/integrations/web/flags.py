"""A request's flags when somebody watches what is decided: a debug panel, or the host's signals."""

from __future__ import annotations

from flagstaff import BoundFlags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from flagstaff import AsyncClient, Client, Context, Decision, Explanation

    Watcher: TypeAlias = Callable[[Decision], None]

__all__ = ["Recorded", "WatchedFlags"]


class Recorded:
    """A decision that a request has asked for, how it came about, and how often it was asked for."""

    __slots__ = ("count", "decision", "explanation")

    def __init__(self, decision: Decision, explanation: Explanation) -> None:
        self.decision: Decision = decision
        self.explanation: Explanation = explanation
        self.count: int = 0


class WatchedFlags(BoundFlags):
    """The getters of ``BoundFlags``, each of which tells what was decided."""

    __slots__ = ("_record", "_watchers")

    def __init__(
        self,
        client: Client | AsyncClient,
        context: Context,
        watchers: list[Watcher],
        record: dict[str, Recorded] | None,
    ) -> None:
        super().__init__(client, context)
        self._watchers = watchers
        self._record = record

    def enabled(self, flag: str, default: bool = False, *, exposure: bool = True) -> bool:
        """As ``Client.enabled``."""
        self._tell(flag, None)
        return super().enabled(flag, default, exposure=exposure)

    def value(self, flag: str, default: Any = None, *, exposure: bool = True) -> Any:
        """As ``Client.value``."""
        self._tell(flag, default)
        return super().value(flag, default, exposure=exposure)

    def variant(self, flag: str, *, exposure: bool = True) -> str | None:
        """As ``Client.variant``."""
        self._tell(flag, None)
        return super().variant(flag, exposure=exposure)

    def decide(self, flag: str, default: Any = None, *, exposure: bool = True) -> Decision:
        """As ``Client.decide``."""
        self._tell(flag, default)
        return super().decide(flag, default, exposure=exposure)

    def _tell(self, flag: str, default: Any) -> None:
        if self._record is None:
            decision = super().decide(flag, default, exposure=False)
        else:
            explanation = super().explain(flag, default)
            decision = explanation.decision
            known = self._record.setdefault(decision.flag, Recorded(decision, explanation))
            known.count += 1
        for watcher in self._watchers:
            watcher(decision)
