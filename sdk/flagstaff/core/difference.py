"""Which flags another version of the rules decides differently, or might."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .rules import AllOf, AnyOf, Condition, Flag, InSegment, Known, Not, Prerequisite, Rules

__all__ = ["changed_flags"]


def changed_flags(
    before: Rules | None, after: Rules, suspects: Collection[str] | None = None
) -> frozenset[str]:
    """The keys of flags that are new, gone or changed, or that stand on a segment or a flag that is.

    ``suspects`` are the flags that may be among them, where that is known.
    """
    old = before or Rules({})
    if suspects is None:
        suspects = {*old.flags, *old.malformed, *after.flags, *after.malformed}
    changed = {("flag", key) for key in suspects if _state(old, key) != _state(after, key)}
    uses = {("flag", key): {*_used_by_flag(after.flags[key])} for key in suspects if key in after.flags}
    names = _reached({name for used in uses.values() for kind, name in used if kind == "segment"}, after)
    uses |= {("segment", name): {*_used(after.segments[name])} for name in names if name in after.segments}
    changed |= {
        ("segment", name) for name in names if repr(old.segments.get(name)) != repr(after.segments.get(name))
    }
    return frozenset(key for kind, key in _spread(changed, uses) if kind == "flag")


def _state(rules: Rules, key: str) -> tuple[str | None, str]:
    # As text: to Python's equality, a value that went from 1 to true is the same.
    return rules.malformed.get(key), repr(rules.flags.get(key))


def _reached(names: set[str], rules: Rules) -> set[str]:
    """These segments, and those that they stand on."""
    reached, work = {*names}, [*names]
    while work:
        condition = rules.segments.get(work.pop())
        for kind, name in _used(condition) if condition is not None else ():
            if kind == "segment" and name not in reached:
                reached.add(name)
                work.append(name)
    return reached


def _spread(
    changed: set[tuple[str, str]], uses: dict[tuple[str, str], set[tuple[str, str]]]
) -> set[tuple[str, str]]:
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
