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


class _Visit(Context):
    """A context on its way through flags that go in circles, with the flags that it has come by."""

    __slots__ = ("visited",)

    visited: tuple[str, ...]


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
    visited = (*(context.visited if isinstance(context, _Visit) else ()), node.inside or "")
    if node.flag in visited:
        raise Undecidable(f"flags go in circles: {' -> '.join([*visited, node.flag])}")
    visit = _Visit(context.targeting_key, context.attributes)
    visit.visited = visited
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
