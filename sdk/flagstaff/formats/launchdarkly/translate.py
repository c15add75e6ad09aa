"""Flags as native flags: targets, rules and what comes last are one list of rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.circles import circular
from flagstaff.formats.foreign import Unexpected, broken, is_name, items, path_of, table, unknown_fields
from flagstaff.formats.translated import Translated

from .clauses import Clauses, bucket, kind_of, unit
from .contexts import USER
from .failures import with_failures

__all__ = ["translate"]

_FLAG = frozenset(
    (
        *("key", "version", "on", "salt", "variations", "offVariation", "prerequisites", "targets"),
        *("contextTargets", "rules", "fallthrough", "trackEvents", "trackEventsFallthrough", "deleted"),
        *("debugEventsUntilDate", "clientSideAvailability", "clientSide", "samplingRatio", "migration"),
        "excludeFromSummaries",
    )
)
_WEIGHTS = 100000.0
_BEYOND = 2.0  # no draw comes to it: the last arm takes what the weights leave


def translate(document: Mapping[str, Any], _options: Mapping[str, Any]) -> Translated:
    """The native document of ``{"flags", "segments"}``. RulesError where it is none."""
    sections = []
    for name in ("flags", "segments"):
        found = {} if document.get(name) is None else document[name]
        if not isinstance(found, Mapping):
            raise RulesError([Problem(name, "of a document of LaunchDarkly must be an object")])
        sections.append(found)
    if "flags" not in document:
        raise RulesError([Problem("flags", "is missing in this document of LaunchDarkly")])
    return _Translation(*sections).translated()


class _Translation:
    def __init__(self, flags: Mapping[str, Any], segments: Mapping[str, Any]) -> None:
        self._flags = flags
        self._warnings: list[Problem] = []
        self._clauses = Clauses(segments, self._warnings.append)
        self._circular = circular({key: _asked_by(flag) for key, flag in flags.items()})

    def translated(self) -> Translated:
        flags: dict[str, Any] = {}
        for key, flag in self._flags.items():
            if not is_name(key):
                self._warnings.append(Problem(path_of("flags", key), "is no name of a flag; left out"))
            elif not (isinstance(flag, Mapping) and flag.get("deleted") is True):
                flags[key] = self._whole(key, flag)
        segments = self._clauses.segments()
        document = {"version": 1, "segments": segments, "flags": with_failures(flags, segments)}
        return Translated(document, dict.fromkeys(self._warnings))

    def _whole(self, key: str, flag: Any) -> dict[str, Any]:
        path = path_of("flags", key)
        try:
            given = table(flag, path)
            self._warnings += unknown_fields(given, _FLAG, path)
            for asked in _asked_by(given):
                if asked not in self._flags:
                    self._warnings.append(
                        Problem(path, f"asks for a flag that there isn't: {asked!r:.100}", key)
                    )
            circles = self._circular if key in self._circular else frozenset[str]()
            return _Flag(key, given, path, self._clauses, circles).made()
        except Unexpected as error:
            self._warnings.append(Problem(error.path, error.expected, key))
            return broken(str(error))


class _Flag:
    """One flag; ``circles`` are the flags from which, as from this one, prerequisites lead into a circle."""

    def __init__(
        self, key: str, flag: Mapping[str, Any], path: str, clauses: Clauses, circles: frozenset[str]
    ) -> None:
        self._key = key
        self._flag = flag
        self._path = path
        self._clauses = clauses
        self._circles = circles
        self._values = items(flag.get("variations"), path_of(path, "variations"))

    def made(self) -> dict[str, Any]:
        flag, off = self._flag, self._flag.get("offVariation")
        on = flag.get("on") is True
        gates = [*self._gates()] if on else []
        made: dict[str, Any] = {"enabled": on, "off": None, "default": None, "gates": gates}
        if self._values:
            made["variants"] = {
                str(index): {"value": value, "enabled": bool(value)}
                for index, value in enumerate(self._values)
            }
        else:  # a flag has variants; this one serves none of them
            made["variants"] = {"none": {"value": None, "enabled": False}}
        if off is not None and not self._is_variation(off):
            served = [{"broken": f"{self._path}.offVariation: there is no variation {off!r:.100}"}]
            failed = [{**rule, "when": {"not": {"known": {"all": gates}}}} for rule in served]
            return made | {"enabled": True, "gates": [], "rules": [*failed, *self._rules()] if on else served}
        made["off"] = None if off is None else str(int(off))
        if on:
            made["rules"] = [*self._rules()]
        return made

    def _is_variation(self, index: Any) -> bool:
        whole = isinstance(index, int | float) and not isinstance(index, bool) and index == int(index)
        return whole and 0 <= index < len(self._values)

    def _gates(self) -> Iterator[dict[str, Any]]:
        path = path_of(self._path, "prerequisites")
        for index, given in enumerate(items(self._flag.get("prerequisites"), path)):
            entry = table(given, path_of(path, index))
            key, variation = entry.get("key"), entry.get("variation")
            on = {"not": {"attribute": "reason", "op": "eq", "value": "DISABLED"}}
            served = {"attribute": "variant", "op": "eq", "value": _told(variation)}
            if not is_name(key):
                raise Unexpected(path_of(path_of(path, index), "key"), "must be a flag's key")
            inside = {"inside": self._key} if key in self._circles else {}
            yield {"flag": key, "that": {"all": [on, served]}, **inside}

    # -- rules ---------------------------------------------------------------------------------------

    def _rules(self) -> Iterator[dict[str, Any]]:
        for kind, keys, variation, path in self._targets():
            if not keys:
                continue
            subject = {"read": "launchdarkly:key", "of": kind}
            when = {"attribute": subject, "op": "in", "value": keys}
            yield self._serving(variation, path) | {
                "when": when,
                "anonymous": True,
                "reason": "TARGETING_MATCH",
            }
        path = path_of(self._path, "rules")
        for index, given in enumerate(items(self._flag.get("rules"), path)):
            rule = table(given, path_of(path, index))
            when = self._clauses.of(rule, path_of(path, index))
            name = str(rule.get("id")) if is_name(rule.get("id")) else str(index)
            for part in self._outcome(rule, name, path_of(path, index), "TARGETING_MATCH"):
                both = {"all": [when, part["when"]]} if "when" in part else when
                yield {"id": name, **part, "when": both}
        path = path_of(self._path, "fallthrough")
        last = table(self._flag.get("fallthrough") or {}, path)
        for part in self._outcome(last, "fallthrough", path, "DEFAULT"):
            yield {"anonymous": True} | part

    def _targets(self) -> Iterator[tuple[str, list[str], Any, str]]:
        targets = [*self._listed("targets")]
        by_kind = [*self._listed("contextTargets")]
        if not by_kind:
            yield from targets
        for kind, keys, variation, path in by_kind:
            if kind == USER:  # a place for the list of users, whatever it says itself
                yield from [target for target in targets if target[2] == variation][:1]
            else:
                yield kind, keys, variation, path

    def _listed(self, field: str) -> Iterator[tuple[str, list[str], Any, str]]:
        path = path_of(self._path, field)
        for index, given in enumerate(items(self._flag.get(field), path)):
            at = path_of(path, index)
            target = table(given, at)
            keys = [key for key in items(target.get("values"), at) if isinstance(key, str)]
            yield kind_of(target, "contextKind"), keys, target.get("variation"), at

    def _outcome(
        self, given: Mapping[str, Any], name: str, path: str, reason: str
    ) -> Iterator[dict[str, Any]]:
        variation, rollout = given.get("variation"), given.get("rollout")
        if variation is not None:
            yield self._serving(variation, path) | {"reason": reason}
        elif rollout is not None and items(table(rollout, path).get("variations"), path):
            yield from self._rollout(rollout, name, path_of(path, "rollout"))
        else:
            yield {"broken": f"{path}: neither a variation nor a rollout"}

    def _serving(self, variation: Any, path: str) -> dict[str, Any]:
        if self._is_variation(variation):
            return {"serve": str(int(variation))}
        return {"broken": f"{path}: there is no variation {variation!r:.100}"}

    def _rollout(self, rollout: Mapping[str, Any], name: str, path: str) -> Iterator[dict[str, Any]]:
        """Arms without a variation are broken, and those of an experiment that count are measured."""
        measured = rollout.get("kind") == "experiment"
        kind, seed = kind_of(rollout, "contextKind"), rollout.get("seed")
        by = None if measured else rollout.get("bucketBy")
        drawn = unit(kind, by, literal=not rollout.get("contextKind"))
        if drawn is None:
            broken = {"broken": f"{path}: {by!r:.100} is no reference to an attribute"}
            yield {"when": broken, "nothing": True}
            return
        prefix = f"{self._key}.{self._flag.get('salt') or ''}." if seed is None else f"{seed}."
        scheme = bucket(prefix, drawn)
        arms = [*_arms(rollout, path)]
        present = {"attribute": {"read": "launchdarkly:key", "of": kind}, "op": "exists", "value": True}
        for variation, ranges, _ in arms:
            if not self._is_variation(variation):
                drawn_here: dict[str, Any] = {"bucket": scheme, "ranges": ranges}
                if ranges[0][0] == 0 < ranges[0][1]:  # so are those without the unit
                    drawn_here = {"any": [{"attribute": drawn, "op": "exists", "value": False}, drawn_here]}
                yield {
                    "broken": f"{path}: there is no variation {variation!r:.100}",
                    "when": drawn_here,
                }
        good = [arm for arm in arms if self._is_variation(arm[0])]
        tracked = [(variation, ranges) for variation, ranges, untracked in good if measured and not untracked]
        if tracked:
            experiment = {"experiment": f"{self._key}-{name}"[:256], "unit": drawn}
            draw = {"draw": {"bucket": scheme, "arms": _written(tracked)}}
            yield draw | {"when": present, "measure": experiment}
        every = [(variation, ranges) for variation, ranges, _ in good]
        yield {"draw": {"bucket": scheme, "arms": _written(every), "absent": 0}}


def _arms(rollout: Mapping[str, Any], path: str) -> Iterator[tuple[Any, list[list[float]], bool]]:
    """(variation, ranges, untracked); sums of floats in document order, as everybody adds them up."""
    where = path_of(path, "variations")
    found = items(rollout.get("variations"), where)
    start = 0.0
    for index, given in enumerate(found):
        arm = table(given, path_of(where, index))
        weight = arm.get("weight") or 0
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise Unexpected(path_of(path_of(where, index), "weight"), "must be a number")
        stop = start + weight / _WEIGHTS
        end = _BEYOND if index == len(found) - 1 else stop
        yield arm.get("variation") or 0, [[start, max(start, end)]], arm.get("untracked") is True
        start = max(start, stop)


def _written(arms: list[tuple[Any, list[list[float]]]]) -> list[dict[str, Any]]:
    return [{"variant": str(int(variation)), "ranges": ranges} for variation, ranges in arms]


def _told(variation: object) -> str:
    """What a variation is called: 1.0 is 1."""
    if isinstance(variation, float) and variation.is_integer():
        return str(int(variation))
    return str(variation)


def _asked_by(flag: Any) -> Iterator[str]:
    given = flag.get("prerequisites") if isinstance(flag, Mapping) else None
    for entry in given if isinstance(given, list) else ():
        key = entry.get("key") if isinstance(entry, Mapping) else None
        if isinstance(key, str):
            yield key
