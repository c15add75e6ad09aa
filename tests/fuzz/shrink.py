"""Making JSON smaller as long as something stays true of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["shrunk"]

_TRIES = 3000


def shrunk(value: Any, holds: Callable[[Any], bool], tries: int = _TRIES) -> Any:
    """The smallest that is found by leaving out keys and items, one at a time, until none can be spared."""
    left = tries
    again = True
    while again:
        again = False
        for path in reversed([*_paths(value)]):
            if left == 0:
                return value
            left -= 1
            smaller = _without(value, path)
            if holds(smaller):
                value, again = smaller, True
    return value


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every part is, the whole before its parts."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _without(value: Any, path: tuple[Any, ...]) -> Any:
    made = _copied(value)
    at = made
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return made


def _copied(value: Any) -> Any:
    """A copy, in which no two parts are one."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
