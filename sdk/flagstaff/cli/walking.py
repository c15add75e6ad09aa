"""What a flag's rules are made of, one piece after the other."""

from __future__ import annotations

from collections.abc import Iterator

from flagstaff.core.rules import AllOf, AnyOf, Condition, Flag, InSegment, Known, Not, Prerequisite, Rules

__all__ = ["conditions_of", "flags_behind", "nodes"]


def nodes(condition: Condition) -> Iterator[Condition]:
    """A condition and all that lie within it; a segment's own are not among them."""
    yield condition
    match condition:
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from nodes(item)
        case Not(item) | Known(item):
            yield from nodes(item)
        case _:
            pass


def conditions_of(flag: Flag) -> Iterator[Condition]:
    """Every condition in a flag's gates and rules, those within others included."""
    for condition in (*flag.gates, *(rule.when for rule in flag.rules if rule.when is not None)):
        yield from nodes(condition)


def flags_behind(rules: Rules, key: str) -> tuple[list[Flag], list[Condition]]:
    """A flag with the flags that it stands on, and every condition in them and in their segments."""
    flags: dict[str, Flag] = {}
    segments: set[str] = set()
    conditions: list[Condition] = []
    pending: list[Condition | str] = [key]
    while pending:
        match pending.pop():
            case str(name) | Prerequisite(name):
                if name in rules.flags and name not in flags:
                    flags[name] = rules.flags[name]
                    pending.extend(conditions_of(rules.flags[name]))
            case InSegment(name):
                if name not in segments:
                    segments.add(name)
                    pending.extend(nodes(rules.segments[name]))
            case condition:
                conditions.append(condition)
    return list(flags.values()), conditions
