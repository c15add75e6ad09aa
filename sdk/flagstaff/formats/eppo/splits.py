"""How an allocation is divided among subjects: splits, each with the shards that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, key_of, path_of, unknown_fields

from .pieces import optional, tables

__all__ = ["Split", "is_count", "read_splits"]

_SPLIT = frozenset(("variationKey", "shards", "extraLogging"))
_SHARD = frozenset(("salt", "ranges"))
_RANGE = frozenset(("start", "end"))
_MOST = 2**32
_SUBJECT = {"read": "eppo:subject", "of": None}


class Split(NamedTuple):
    """A variation, and the draws that must fall right for it. ``metadata`` is told with its decisions.

    ``alike`` is the same for splits that differ in nothing but the ranges of their last shard; None where
    there is no shard.
    """

    variation: str
    shards: list[Mapping[str, Any]]
    metadata: Mapping[str, Any]

    @property
    def alike(self) -> Any:
        return (self.shards[:-1], self.shards[-1]["bucket"]) if self.shards else None


def read_splits(
    allocation: Mapping[str, Any], path: str, total: int, warn: Callable[[Problem], None]
) -> Iterator[Split]:
    """The splits of an allocation, in order. Unexpected."""
    for at, split in tables(allocation, "splits", path):
        for problem in unknown_fields(split, _SPLIT, at):
            warn(problem)
        shards = [_shard(shard, where, total, warn) for where, shard in tables(split, "shards", at)]
        yield Split(key_of(split, "variationKey", at), shards, _metadata(split, at))


def _shard(
    given: Mapping[str, Any], path: str, total: int, warn: Callable[[Problem], None]
) -> Mapping[str, Any]:
    for problem in unknown_fields(given, _SHARD, path):
        warn(problem)
    salt = key_of(given, "salt", path)
    ranges = [_range(item, where) for where, item in tables(given, "ranges", path)]
    bucket = {"hash": "md5_32", "spread": "mod", "size": total, "prefix": f"{salt}-", "unit": _SUBJECT}
    return {"bucket": bucket, "ranges": ranges}


def _range(given: Mapping[str, Any], path: str) -> list[int]:
    for name in ("start", "end"):
        if not is_count(given.get(name)):
            raise Unexpected(path_of(path, name), "must be a whole number, not less than 0")
    return [given["start"], given["end"]]


def is_count(value: Any) -> bool:
    """Whether a value is a whole number that 32 bits can hold."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _metadata(split: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """What is logged beside, such as a holdout's key."""
    given = optional(split, "extraLogging", path, Mapping, "an object of texts") or {}
    if not all(isinstance(value, str) for value in given.values()):
        raise Unexpected(path_of(path, "extraLogging"), "must be an object of texts")
    return {key: value for key, value in given.items() if is_name(key)}
