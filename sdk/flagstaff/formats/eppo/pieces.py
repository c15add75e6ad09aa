"""Pieces that Eppo's SDK insists on: a flag that lacks one is refused as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.formats.foreign import Unexpected, items, path_of, table

__all__ = ["optional", "tables"]


def tables(given: Mapping[str, Any], field: str, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path and the content of every object in a list that must be there. Unexpected."""
    where = path_of(path, field)
    if given.get(field) is None:
        raise Unexpected(where, "must be a list, and is missing")
    for index, item in enumerate(items(given[field], where)):
        at = path_of(where, index)
        yield at, table(item, at)


def optional(given: Mapping[str, Any], field: str, path: str, kind: type, expected: str) -> Any:
    """What a field holds; None where there is no such field, while null is unexpected. Unexpected."""
    if field in given and not isinstance(given[field], kind):
        raise Unexpected(path_of(path, field), f"must be {expected}")
    return given.get(field)
