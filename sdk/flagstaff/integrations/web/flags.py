"""A request's flags: made before it is known for whom, or watched by a panel or the host's signals."""

from __future__ import annotations

from flagstaff import BoundFlags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from flagstaff import AsyncClient, Client, Context, Decision, Explanation

    Watcher: TypeAlias = Callable[[Decision], None]

__all__ = ["LazyFlags", "Recorded", "WatchedFlags"]


class Recorded:
    """A decision that a request has asked for, how it came about, and how often it was asked for."""

    __slots__ = ("count", "decision", "explanation")

    def __init__(self, decision: Decision, explanation: Explanation) -> None:
        self.decision: Decision = decision
        self.explanation: Explanation = explanation
        self.count: int = 0


class LazyFlags(BoundFlags):
    """The getters of ``BoundFlags`` for somebody who is found out when one of them is first called."""

    __slots__ = ("_whom",)

    def __init__(self, client: Client | AsyncClient, whom: Callable[[], Context]) -> None:
        self._flags = client
        self._whom = whom

    @property
    def context(self) -> Context:  # type: ignore[override]  # found out late
        """Whom the flags are decided for."""
        return self._whom()


class WatchedFlags(LazyFlags):
    """The same, each of which tells what was decided."""

    __slots__ = ("_record", "_watchers")

    def __init__(
        self,
        client: Client | AsyncClient,
        whom: Callable[[], Context],
        watchers: Sequence[Watcher],
        record: dict[str, Recorded] | None,
    ) -> None:
        super().__init__(client, whom)
        self._watchers = watchers
        self._record = record

    def enabled(self, flag: str, default: bool = False, exposure: bool = True) -> bool:
        """As ``Client.enabled``."""
        self._tell(flag, None)
        return super().enabled(flag, default, exposure=exposure)

    def value(self, flag: str, default: Any = None, exposure: bool = True) -> Any:
        """As ``Client.value``."""
        self._tell(flag, default)
        return super().value(flag, default, exposure=exposure)

    def variant(self, flag: str, exposure: bool = True) -> str | None:
        """As ``Client.variant``."""
        self._tell(flag, None)
        return super().variant(flag, exposure=exposure)

    def decide(self, flag: str, default: Any = None, exposure: bool = True) -> Decision:
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
