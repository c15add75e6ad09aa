"""Documents in which something is not what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["odd"]

_ODD: tuple[Any, ...] = (
    None,
    True,
    7,
    -1.5,
    10**400,
    "",
    "odd",
    "\x00",
    "\ud800",
    [],
    ["odd"],
    [[]],
    {},
    {"odd": []},
)


def odd(document: Any) -> Iterator[Any]:
    """The document with each of its parts, one at a time, left out or replaced by something else."""
    for part, replaced in _parts(document):
        yield replaced(_LEFT_OUT)
        for value in _ODD:
            if type(value) is not type(part) or value != part:
                yield replaced(value)


_LEFT_OUT = object()


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in entries:

        def replaced(other: Any, key: Any = key) -> Any:
            return _with(value, key, other)

        yield part, replaced
        for inner, replaced_inside in _parts(part):
            yield inner, lambda other, outer=replaced, inside=replaced_inside: outer(inside(other))


def _with(value: Any, key: Any, part: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name != key or part is not _LEFT_OUT}
        return kept if part is _LEFT_OUT else kept | {key: part}
    copy = [*value]
    copy[key : key + 1] = [] if part is _LEFT_OUT else [part]
    return copy
