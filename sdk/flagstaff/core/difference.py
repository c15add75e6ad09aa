"""Which flags another version of the rules decides differently, or might."""

from __future__ import annotations

from collections.abc import Iterator

from .rules import AllOf, AnyOf, Condition, Flag, InSegment, Known, Not, Prerequisite, Rules

__all__ = ["changed_flags"]


def changed_flags(before: Rules | None, after: Rules) -> frozenset[str]:
    """The keys of flags that are new, gone or changed, or that stand on a segment or a flag that is."""
    old = before or Rules({})
    keys = {*old.flags, *old.malformed, *after.flags, *after.malformed}
    changed = {("flag", key) for key in keys if _state(old, key) != _state(after, key)}
    names = {*old.segments, *after.segments}
    changed |= {
        ("segment", name) for name in names if repr(old.segments.get(name)) != repr(after.segments.get(name))
    }
    return frozenset(key for kind, key in _spread(changed, after) if kind == "flag")


def _state(rules: Rules, key: str) -> tuple[str | None, str]:
    # As text: to Python's equality, a value that went from 1 to true is the same.
    return rules.malformed.get(key), repr(rules.flags.get(key))


def _spread(changed: set[tuple[str, str]], rules: Rules) -> set[tuple[str, str]]:
    uses = {("flag", key): set(_used_by_flag(flag)) for key, flag in rules.flags.items()}
    uses |= {("segment", name): set(_used(condition)) for name, condition in rules.segments.items()}
    while True:
        more = {node for node, used in uses.items() if node not in changed and used & changed}
        if not more:
            return changed
        changed = changed | more


def _used_by_flag(flag: Flag) -> Iterator[tuple[str, str]]:
    for condition in (*flag.gates, *(rule.when for rule in flag.rules if rule.when is not None)):
        yield from _used(condition)


def _used(condition: Condition) -> Iterator[tuple[str, str]]:
    match condition:
        case InSegment(name):
            yield "segment", name
        case Prerequisite(flag):
            yield "flag", flag
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from _used(item)
        case Not(item) | Known(item):
            yield from _used(item)
        case _:
            pass
