"""What one flag asks of another."""

from __future__ import annotations

from collections.abc import Callable

from .context import Context
from .decision import Decision, Reason, Undecidable
from .dialect import Dialect, Test
from .logic import compile_condition
from .rules import Prerequisite

__all__ = ["compile_prerequisite"]

_NO_VERDICT = frozenset(
    {Reason.FLAG_NOT_FOUND, Reason.NOT_READY, Reason.MALFORMED, Reason.GENERAL, Reason.TYPE_MISMATCH}
)


_LONGEST = 32
"""How many flags may ask one another in a row, where flags may go in circles."""

_MOST = 256
"""How often flags may ask others in all, for one decision, where they may go in circles."""


class _Trail:
    """What all ways that lead on from a first question share: how many were asked, what went wrong."""

    __slots__ = ("asked", "circle")

    def __init__(self) -> None:
        self.asked = 0
        self.circle: str | None = None

    def give_up(self, why: str) -> Undecidable:
        self.circle = why
        return Undecidable(why)


class _Visit(Context):
    """A context on its way through flags that may go in circles; ``visited`` are those behind it."""

    __slots__ = ("trail", "visited")

    visited: tuple[str, ...]
    trail: _Trail


def compile_prerequisite(
    node: Prerequisite, dialect: Dialect, decide: Callable[[str, Context], Decision]
) -> Test:
    """A test of another flag's decision, which ``decide`` makes. Undecidable where flags go in circles."""
    that = None if node.that is None else compile_condition(node.that, dialect)
    if node.inside is None:
        return lambda context: _verdict(node, decide(node.flag, context), that)

    def test(context: Context) -> bool | None:
        visit = _visiting(node, context)
        decision = decide(node.flag, visit)
        if visit.trail.circle is not None:  # whatever else is wrong with the other flag is its own affair
            raise Undecidable(visit.trail.circle)
        return _verdict(node, decision, that)

    return test


def _visiting(node: Prerequisite, context: Context) -> _Visit:
    before, trail = (context.visited, context.trail) if isinstance(context, _Visit) else ((), _Trail())
    visited = (*before, node.inside or "")
    trail.asked += 1
    if node.flag in visited:
        raise trail.give_up(f"flags go in circles: {' -> '.join([*visited, node.flag])}")
    if len(visited) > _LONGEST or trail.asked > _MOST:
        raise trail.give_up(f"flags ask too many others, {node.flag} among them")
    visit = _Visit(context.targeting_key, context.attributes)
    visit.visited, visit.trail = visited, trail
    return visit


def _verdict(node: Prerequisite, decision: Decision, that: Test | None) -> bool | None:
    if decision.reason in _NO_VERDICT:
        return None
    if node.variants is not None and decision.variant not in node.variants:
        return False
    if node.enabled is not None and decision.enabled is not node.enabled:
        return False
    return True if that is None else that(_told(decision))


def _told(decision: Decision) -> Context:
    told = {"value": decision.value, "variant": decision.variant, "enabled": decision.enabled}
    return Context(None, {**told, "reason": str(decision.reason)})
