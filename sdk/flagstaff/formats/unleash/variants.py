"""Unleash's variants: who gets which, and what they are worth."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, items, key_of, path_of, table, unknown_fields

from .constraints import Constraints, all_of, any_of
from .strategies import bucket

__all__ = ["Share", "Variants", "Worth", "variants_of"]

_SEED = 86028157
_KNOWN = frozenset({"name", "weight", "weightType", "stickiness", "payload", "overrides"})


class Share(NamedTuple):
    """A variant's part of all units, and the tests of those who get it in any case."""

    name: str
    payload: Mapping[str, Any] | None
    weight: int
    chosen: list[Mapping[str, Any]]


class Variants(NamedTuple):
    """Variants that are drawn with one another: by what, and in which group."""

    shares: list[Share]
    stickiness: str
    group: str

    @property
    def total(self) -> int:
        return sum(share.weight for share in self.shares)

    @property
    def unit(self) -> Mapping[str, Any]:
        return {"read": "unleash:unit_or_random", "of": self.stickiness}

    def drawn(self) -> Mapping[str, Any]:
        """The draw of all."""
        return bucket(self.group, self.unit, self.total, _SEED)

    def ranges(self) -> Iterator[tuple[Share, list[int]]]:
        """Each variant that units are drawn for, with its buckets."""
        start = 0
        for share in self.shares:
            if share.weight:
                yield share, [start, start + share.weight]
            start += share.weight

    def chosen(self) -> Iterator[tuple[Share, Mapping[str, Any]]]:
        """Each variant that is given to some in any case, with the condition on them: the first one wins."""
        others: list[Mapping[str, Any]] = []
        for share in self.shares:
            for test in share.chosen:
                yield share, all_of([test, *({"not": other} for other in others)])
                others.append(test)

    def left(self) -> list[Mapping[str, Any]]:
        """The conditions on those who are drawn."""
        return [{"not": test} for share in self.shares for test in share.chosen]

    def gives(self, names: Collection[str]) -> Mapping[str, Any]:
        """The condition on those who get one of these, or none at all."""
        if not self.shares:
            return {"all": []}
        wanted = [test for share, test in self.chosen() if share.name in names]
        if not self.total:
            return any_of([*wanted, all_of(self.left())])
        ranges = [bounds for share, bounds in self.ranges() if share.name in names]
        return any_of([*wanted, all_of([*self.left(), {"bucket": self.drawn(), "ranges": ranges}])])


def variants_of(
    given: Any, path: str, constraints: Constraints, warn: Callable[[Problem], object]
) -> tuple[list[Share], str]:
    """The variants in a list, and the stickiness that the first of them names."""
    shares, stickiness = [], "default"
    for index, entry in enumerate(items(given, path)):
        where = path_of(path, index)
        variant = table(entry, where)
        for problem in unknown_fields(variant, _KNOWN, where):
            warn(problem)
        shares.append(_share(variant, where, constraints))
        if index == 0:
            stickiness = _stickiness(variant, where)
    return shares, stickiness


def _share(variant: Mapping[str, Any], path: str, constraints: Constraints) -> Share:
    name = key_of(variant, "name", path)
    if not is_name(name):
        raise Unexpected(
            path_of(path, "name"), "must have 1 to 256 characters, none of them a control character"
        )
    weight, payload = variant.get("weight"), variant.get("payload")
    if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight < 2**31:
        raise Unexpected(path_of(path, "weight"), "must be a whole number, not below 0")
    if payload is not None:
        payload = table(payload, path_of(path, "payload"))
    return Share(name, payload, weight, [*_chosen(variant.get("overrides"), path, constraints)])


def _chosen(given: Any, path: str, constraints: Constraints) -> Iterator[Mapping[str, Any]]:
    for index, entry in enumerate(items(given, path_of(path, "overrides"))):
        where = path_of(path_of(path, "overrides"), index)
        override = table(entry, where)
        values = items(override.get("values"), path_of(where, "values"))
        if not all(isinstance(value, str) for value in values):
            raise Unexpected(path_of(where, "values"), "must be a list of texts")
        subject = constraints.subject(key_of(override, "contextName", where))
        yield {"attribute": subject, "op": "unleash:in", "value": values}


def _stickiness(variant: Mapping[str, Any], path: str) -> str:
    found = variant.get("stickiness")
    if found is not None and not isinstance(found, str):
        raise Unexpected(path_of(path, "stickiness"), "must be text")
    return "default" if found is None else found


# -- what they are worth -----------------------------------------------------------------------------


class Worth:
    """The variants of one flag, each by a key of its own: two of one name may be worth different things.

    Two have no name of theirs: being on without a variant, and being off.
    """

    def __init__(self, shares: Iterator[Share], path: str, warn: Callable[[Problem], object]) -> None:
        self.variants: dict[str, dict[str, Any]] = {}
        self._path = path
        self._warn = warn
        self._keys: dict[tuple[str, str], str] = {}
        for share in shares:
            self.key(share)
        self.on: str = self._added("on", {"value": True, "enabled": True, "named": False})
        self.off: str = self._added("off", {"value": False, "enabled": False, "named": False})

    def key(self, share: Share) -> str:
        """The key of a variant."""
        same = (share.name, json.dumps(share.payload, sort_keys=True))
        if same not in self._keys:
            worth = self._worth(share.payload)
            key = self._added(share.name, worth)
            if key != share.name:
                worth["name"] = share.name
            self._keys[same] = key
        return self._keys[same]

    def _added(self, name: str, worth: dict[str, Any]) -> str:
        key, number = name, 1
        while key in self.variants:
            number += 1
            key = f"{name[:240]} ({number})"
        self.variants[key] = worth
        return key

    def _worth(self, payload: Mapping[str, Any] | None) -> dict[str, Any]:
        if payload is None:
            return {"value": None, "enabled": True, "valued": False}
        kind, written = payload.get("type"), payload.get("value")
        if not isinstance(kind, str) or not isinstance(written, str):
            raise Unexpected(self._path, "has a payload whose type and value aren't both text")
        return {"value": self._value(kind, written), "enabled": True}

    def _value(self, kind: str, written: str) -> Any:
        if kind not in ("json", "number"):
            return written
        try:
            value = json.loads(written, parse_constant=_refuse)
            if kind == "json" or (type(value) in (int, float) and math.isfinite(value)):
                return value
        except (ValueError, RecursionError):
            pass
        self._warn(Problem(self._path, f"has a payload that is no {kind}; it is served as text"))
        return written


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
