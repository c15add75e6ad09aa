"""Unleash's strategies: whom each of them lets in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, path_of, table, unknown_fields

from .constraints import NEVER, Constraints, Uncompilable, quoted

__all__ = ["SIZE", "Rollout", "Strategies", "Strategy", "bucket"]

SIZE = 100
_MOST = 2**64
_WHOLE = re.compile(r"\+?[0-9]+")
_KNOWN = frozenset(
    {"name", "parameters", "constraints", "segments", "variants", "id", "title", "disabled", "sortOrder"}
)


class Rollout(NamedTuple):
    """The part of all units that is let in: so many hundredths of them, drawn with the others of a group.

    ``group`` is None where it is the flag's own.
    """

    stickiness: str
    group: str | None
    share: int
    certain: bool
    """Whether there is always a unit to be drawn."""

    def is_everybody(self) -> bool:
        return self.certain and self.share == SIZE


class Strategy(NamedTuple):
    """When a strategy holds: its conditions, and its rollout if it has one; and how it draws variants."""

    id: str
    conditions: list[Mapping[str, Any]]
    rollout: Rollout | None
    stickiness: str
    group: str | None


def bucket(prefix: str, unit: Mapping[str, Any], size: int, seed: int = 0) -> Mapping[str, Any]:
    """The draw of a unit in a group."""
    drawn = {"hash": "murmur3", "spread": "mod", "size": size, "prefix": f"{prefix}:", "unit": unit}
    return {**drawn, "seed": seed} if seed else drawn


class Strategies:
    """Translates strategies. ``segments`` are the names of those segments that can be compiled, by id."""

    def __init__(
        self,
        constraints: Constraints,
        segments: Mapping[object, str],
        warn: Callable[[Problem], object],
    ) -> None:
        self._constraints = constraints
        self._segments = segments
        self._warn = warn

    def read(self, given: Mapping[str, Any], path: str) -> Strategy | None:
        """The strategy; None if it never holds."""
        for problem in unknown_fields(given, _KNOWN, path):
            self._warn(problem)
        parameters = _parameters(given, path)
        group, stickiness = parameters.get("groupId"), parameters.get("stickiness", "default")
        own = self._own(str(given.get("name")), parameters, path)
        held = [*self._in_segments(given, path), *self._held(given, path)]
        if NEVER in own or NEVER in held:
            return None
        rollout = next((part for part in own if isinstance(part, Rollout)), None)
        conditions = [*(part for part in own if not isinstance(part, Rollout)), *held]
        return Strategy(path, conditions, rollout, stickiness, group)

    def _held(self, given: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
        return [*self._constraints.conditions(given.get("constraints"), path_of(path, "constraints"))]

    def _in_segments(self, given: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
        where = path_of(path, "segments")
        listed = given.get("segments")
        if listed is not None and not isinstance(listed, list):
            raise Unexpected(where, "must be a list of numbers")
        for number in listed or []:
            if not isinstance(number, int) or number not in self._segments:
                raise Uncompilable(f"{where} names the segment {number!r}, which is missing or broken")
        return [{"segment": self._segments[number]} for number in listed or []]

    def _own(self, name: str, parameters: Mapping[str, str], path: str) -> list[Any]:
        """The strategy's own conditions, with a rollout among them where it has one."""
        read = _OWN.get(name)
        if read is None:
            self._warn(
                Problem(path_of(path, "name"), f"is {name!r}: a strategy of its own, which never holds")
            )
            return [NEVER]
        return read(self, parameters, path_of(path, "parameters"))

    def _flexible(self, parameters: Mapping[str, str], path: str) -> list[Any]:
        stickiness = parameters.get("stickiness", "default")
        return _rollout(parameters.get("rollout"), stickiness, parameters.get("groupId"), path)

    def _gradual(self, unit: str, parameters: Mapping[str, str], path: str) -> list[Any]:
        group = parameters.get("groupId")
        return [NEVER] if group is None else _rollout(parameters.get("percentage"), unit, group, path)

    def _random(self, parameters: Mapping[str, str], _path: str) -> list[Any]:
        share = _whole(parameters.get("percentage"))
        if share is None:
            return [NEVER]
        drawn = {"read": "unleash:random", "of": [1, 99]}
        return [{"attribute": drawn, "op": "lt", "value": min(share, SIZE)}]

    def _users(self, parameters: Mapping[str, str], path: str) -> list[Any]:
        return self._listed("userId", "in", parameters.get("userIds"), path)

    def _addresses(self, parameters: Mapping[str, str], path: str) -> list[Any]:
        listed = quoted(parameters.get("IPs", ""), path, escaped=False)
        return self._listed("remoteAddress", "in_cidr", listed or None, path)

    def _hosts(self, parameters: Mapping[str, str], _path: str) -> list[Any]:
        names = [part.strip().lower() for part in parameters.get("hostNames", "").split(",")]
        host = {"read": "unleash:hostname", "of": None}
        return [{"attribute": host, "op": "unleash:in", "value": names}]

    def _listed(self, field: str, op: str, listed: str | None, path: str) -> list[Any]:
        if listed is None:
            return [NEVER]
        parts = [quoted(part.strip(), path) for part in listed.split(",")]
        return [{"attribute": self._constraints.subject(field), "op": f"unleash:{op}", "value": parts}]


_OWN: Mapping[str, Callable[[Strategies, Mapping[str, str], str], list[Any]]] = {
    "default": lambda _read, _parameters, _path: [],
    "flexibleRollout": Strategies._flexible,
    "gradualRolloutUserId": lambda read, parameters, path: read._gradual("userId", parameters, path),
    "gradualRolloutSessionId": lambda read, parameters, path: read._gradual("sessionId", parameters, path),
    "gradualRolloutRandom": Strategies._random,
    "userWithId": Strategies._users,
    "remoteAddress": Strategies._addresses,
    "applicationHostname": Strategies._hosts,
}


def _parameters(given: Mapping[str, Any], path: str) -> Mapping[str, str]:
    where = path_of(path, "parameters")
    found = table(given.get("parameters") or {}, where)
    for name, value in found.items():
        if not isinstance(value, str):
            raise Unexpected(path_of(where, name), "must be text, as all parameters are")
    return found


def _whole(written: str | None) -> int | None:
    """The whole number; None where the strategy never holds because it is none."""
    if written is None or not (written.isascii() and _WHOLE.fullmatch(written)) or len(written) > 64:
        return None
    number = int(written)
    return number if number < _MOST else None


def _rollout(written: str | None, stickiness: str, group: str | None, path: str) -> list[Any]:
    share = _whole(written)
    if share is None:
        return [NEVER]
    for named in (stickiness, group or ""):
        quoted(named, path, escaped=False)
    if share > SIZE:
        raise Uncompilable(f"{path} lets in more than {SIZE} percent, which Unleash can't compile")
    if share == 0:
        return [NEVER]
    certain = stickiness in ("default", "random", "currentTime")
    return [Rollout(stickiness, group, share, certain)]
