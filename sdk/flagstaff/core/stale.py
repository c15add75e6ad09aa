"""Deciding by rules that are older than allowed."""

from __future__ import annotations

from typing import Any

from .compiler import Decide
from .context import Context
from .decision import Decision, Reason, shared
from .evaluate import Snapshot
from .explain import Explanation

__all__ = ["StaleSnapshot"]

_MOST_KEPT = 10_000  # decisions; nearly all are made once and shared, but a document may have more


class StaleSnapshot(Snapshot):
    """The decisions of another snapshot with the reason STALE; what it was says ``metadata["reason"]``.

    Values, variants and experiments stay: the unit does meet that variant. Decisions that are errors or
    overrides stay as they are.
    """

    def __init__(self, fresh: Snapshot) -> None:
        super().__init__(fresh.rules, fresh.now)
        self._fresh = fresh
        # By identity, which holds for as long as the decision is kept beside its copy.
        self._marked: dict[int, tuple[Decision, Decision]] = {}

    def fixed(self, key: str) -> Decision | None:
        decision = self._fresh.fixed(key)
        return None if decision is None else self._mark(decision)

    def function(self, key: str) -> Decide | None:
        function = self._fresh.function(key)
        if function is None:
            return None
        mark = self._mark
        return lambda context: mark(function(context))

    def decide(self, key: str, context: Context, default: Any = None) -> Decision:
        return self._mark(self._fresh.decide(key, context, default))

    def explain(self, key: str, context: Context, default: Any = None) -> Explanation:
        found = self._fresh.explain(key, context, default)
        return Explanation(_aged(found.decision), found.context, found.steps)

    def _mark(self, decision: Decision) -> Decision:
        found = self._marked.get(id(decision))
        if found is not None and found[0] is decision:
            return found[1]
        marked = _aged(decision)
        if marked is not decision and len(self._marked) < _MOST_KEPT:
            self._marked[id(decision)] = decision, marked
        return marked


def _aged(decision: Decision) -> Decision:
    if decision.error is not None or decision.reason is Reason.OVERRIDE:
        return decision
    metadata = {**decision.metadata, "reason": decision.reason}
    return shared(decision.replace(reason=Reason.STALE, metadata=metadata))
