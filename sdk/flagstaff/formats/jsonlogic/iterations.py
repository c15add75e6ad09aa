"""JsonLogic's iterations, each of which takes its share of what an evaluation may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .operations import fail

__all__ = ["ITERATIONS", "compared", "weighed"]


def _spend(budget: list[int], steps: int) -> None:
    """Take steps from what an evaluation may take."""
    budget[0] -= steps
    if budget[0] < 0:
        fail("the targeting takes too many steps")


def weighed(budget: list[int], values: Any) -> Any:
    """The values, once the steps are taken that long ones cost."""
    _spend(budget, _weight(values) // 8)
    return values


def compared(test: Callable[[Any, Any], bool], budget: list[int], left: Any, right: Any) -> bool:
    """A comparison that takes its steps."""
    weighed(budget, (left, right))
    return test(left, right)


def _weight(value: Any) -> int:
    if isinstance(value, list | tuple):
        return len(value) + sum(map(_weight, value))
    return len(value) if isinstance(value, str) else 0


def _reduced(items: list[Any], visit: Callable[[Any], Any]) -> Any:
    """What a list comes to, from its first item on; of an empty one None."""
    if not items:
        return None
    total, *rest = items
    for item in rest:
        total = visit({"accumulator": total, "current": item})
        inner = total.values() if isinstance(total, Mapping) else total
        if isinstance(inner, list | tuple) and any(isinstance(one, list | tuple | Mapping) for one in inner):
            fail("reduce nests lists or objects")
    return total


def _items(budget: list[int], size: int, items: Any) -> list[Any]:
    if items and not isinstance(items, list | tuple):
        fail("an iteration takes a list")
    _spend(budget, size * len(items or ()))
    return items or []


def _map(budget: list[int], size: int, items: Any, visit: Callable[[Any], Any]) -> list[Any]:
    return [visit(item) for item in _items(budget, size, items)]


def _filter(budget: list[int], size: int, items: Any, visit: Callable[[Any], Any]) -> list[Any]:
    return [item for item in _items(budget, size, items) if visit(item)]


def _all(budget: list[int], size: int, items: Any, visit: Callable[[Any], Any]) -> bool:
    found = _items(budget, size, items)
    return bool(found) and all(visit(item) for item in found)


def _some(budget: list[int], size: int, items: Any, visit: Callable[[Any], Any]) -> bool:
    return any(visit(item) for item in _items(budget, size, items))


def _none(budget: list[int], size: int, items: Any, visit: Callable[[Any], Any]) -> bool:
    return not _some(budget, size, items, visit)


def _reduce(
    budget: list[int], size: int, items: Any, visit: Callable[[Any], Any], start: tuple[Any, ...]
) -> Any:
    return _reduced([*start, *_items(budget, size, items)], visit)


ITERATIONS: Mapping[str, Callable[..., Any]] = {
    "map": _map,
    "filter": _filter,
    "all": _all,
    "some": _some,
    "none": _none,
    "reduce": _reduce,
}
