"""What people should know of a targeting: operands with which an operator only ever comes to null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem

__all__ = ["remarks"]

_PROPERTIES = ("$flagd", "$flagd.flagKey", "$flagd.timestamp")


def remarks(logic: Any, path: str) -> Iterator[Problem]:
    """One for each operand that its operator can't do anything with."""
    waiting = [logic]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list | tuple):
            waiting += node
        elif isinstance(node, Mapping) and len(node) == 1:
            ((name, operands),) = node.items()
            waiting.append(operands)
            listed = operands if isinstance(operands, list | tuple) else [operands]
            if name in _REVIEWS and (said := _REVIEWS[name](listed)):
                yield Problem(path, f"{name} {said}")


def _part(operands: Any) -> str | None:
    if len(operands) != 2:
        return "takes two texts, and comes to null"
    wrong = any(not isinstance(operand, str | Mapping) for operand in operands)
    return "takes texts, and comes to null" if wrong else None


def _variable(operands: Any) -> str | None:
    name = operands[0] if operands else None
    wrong = isinstance(name, str) and name.startswith("$flagd.") and name not in _PROPERTIES
    return f"{str(name)[:100]!r} is no property of flagd's" if wrong else None


def _fractional(operands: Any) -> str | None:
    for index, arm in enumerate(operands):
        if isinstance(arm, list | tuple):
            weight = arm[1] if len(arm) > 1 else 1
            if not isinstance(weight, Mapping) and (type(weight) is not int or weight < 0):
                return "takes whole weights, from 0 on"
        elif index:
            return "takes lists of a variant and a weight, and comes to null"
    return None


_REVIEWS = {"starts_with": _part, "ends_with": _part, "var": _variable, "fractional": _fractional}
