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


class _Visit(Context):
    """A context on its way through flags that may go in circles.

    ``visited`` are the flags that it has come by, ``asked`` how many were asked: in a list, since it is one
    count for all ways that lead on from here.
    """

    __slots__ = ("asked", "visited")

    visited: tuple[str, ...]
    asked: list[int]


def compile_prerequisite(
    node: Prerequisite, dialect: Dialect, decide: Callable[[str, Context], Decision]
) -> Test:
    """A test of another flag's decision, which ``decide`` makes. Undecidable where flags go in circles."""
    that = None if node.that is None else compile_condition(node.that, dialect)
    if node.inside is None:
        return lambda context: _verdict(node, decide(node.flag, context), that)

    def test(context: Context) -> bool | None:
        decision = decide(node.flag, _visiting(node, context))
        if decision.reason is Reason.MALFORMED:
            raise Undecidable(decision.error or "")
        return _verdict(node, decision, that)

    return test


def _visiting(node: Prerequisite, context: Context) -> Context:
    before, asked = (context.visited, context.asked) if isinstance(context, _Visit) else ((), [0])
    visited = (*before, node.inside or "")
    asked[0] += 1
    if node.flag in visited:
        raise Undecidable(f"flags go in circles: {' -> '.join([*visited, node.flag])}")
    if len(visited) > _LONGEST or asked[0] > _MOST:
        raise Undecidable(f"flags ask too many others, {node.flag} among them")
    visit = _Visit(context.targeting_key, context.attributes)
    visit.visited, visit.asked = visited, asked
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
