"""What goes wrong in a flag that others ask for, and takes the askers along.

LaunchDarkly gives up on a whole evaluation where a clause can't be worked out: where segments go in circles,
or a reference is none. So a flag whose prerequisite runs into that is malformed itself, while one whose
prerequisite merely comes to no variation has failed it. (Of a flag that may do both, the first is said.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["with_failures"]

_ALWAYS: dict[str, Any] = {"all": []}


def with_failures(flags: Mapping[str, Any], segments: Mapping[str, Any]) -> dict[str, Any]:
    """The flags; those that ask for a flag that may give up look for that before anything else."""
    broken = _broken(segments)
    failing = {key for key, flag in flags.items() if _may_give_up(flag, broken)}
    asked = {key: {gate["flag"] for gate in flag.get("gates", ())} for key, flag in flags.items()}
    while more := {key for key, others in asked.items() if key not in failing and others & failing}:
        failing |= more
    return {key: _looking(flag, failing) if asked[key] & failing else flag for key, flag in flags.items()}


def _broken(segments: Mapping[str, Any]) -> frozenset[str]:
    """The segments that are broken somewhere, and all that refer to them."""
    broken = set[str]()
    while more := {
        name
        for name, condition in segments.items()
        if name not in broken and _gives_up(condition, frozenset(broken))
    }:
        broken |= more
    return frozenset(broken)


def _may_give_up(flag: Mapping[str, Any], segments: frozenset[str]) -> bool:
    return any(_gives_up(rule.get("when"), segments) for rule in flag.get("rules", ()))


def _gives_up(condition: Any, segments: frozenset[str]) -> bool:
    """Whether a condition is broken somewhere, or refers to such segments."""
    waiting = [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, Mapping):
            if "broken" in node or node.get("segment") in segments:
                return True
            waiting += [node[name] for name in ("all", "any", "not", "known") if name in node]
    return False


def _looking(flag: Mapping[str, Any], failing: set[str]) -> dict[str, Any]:
    rules = [rule for gate in flag["gates"] for rule in _asking(gate, flag["off"], failing)]
    return {**flag, "gates": [], "rules": [*rules, *flag.get("rules", ())]}


def _asking(gate: Mapping[str, Any], off: str | None, failing: set[str]) -> Iterator[dict[str, Any]]:
    key = gate["flag"]
    if key in failing:
        answers = {"known": {**gate, "that": _ALWAYS}}
        yield {"broken": f"the prerequisite {key!r:.100} is malformed", "when": {"not": answers}}
    told = {"anonymous": True, "reason": "PREREQUISITE_FAILED", "metadata": {"prerequisite": key}}
    outcome = {"nothing": True} if off is None else {"serve": off}
    yield {**told, **outcome, "when": {"not": {"known": gate}}}
