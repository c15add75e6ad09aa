"""From an Eppo configuration to a native document.

An allocation becomes one rule for every split of it, all told by the allocation's key; splits that draw alike
become one rule that draws once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.foreign import (
    Unexpected,
    broken,
    is_name,
    key_of,
    path_of,
    table,
    unknown_fields,
)
from flagstaff.formats.native.values import check_json
from flagstaff.formats.translated import Translated

from .conditions import Conditions
from .pieces import optional, tables
from .splits import Split, is_count, read_splits
from .values import KINDS, worth

__all__ = ["translate"]

_DOCUMENT = frozenset(("createdAt", "format", "environment", "flags", "bandits", "banditReferences"))
_FLAG = frozenset(("key", "enabled", "variationType", "variations", "totalShards", "allocations", "comment"))
_VARIATION = frozenset(("key", "value"))
_NO_VARIANTS = {"none": {"value": None, "enabled": False}}
_DEFAULT = {"anonymous": True, "nothing": True, "reason": "DEFAULT"}
"""The rule of a flag that has none: nobody is allocated anything."""
_ALLOCATION = frozenset(("key", "rules", "startAt", "endAt", "splits", "doLog"))


def translate(document: Mapping[str, Any], options: Mapping[str, Any]) -> Translated:  # noqa: ARG001 - there are none
    """The native document. RulesError where it is none of Eppo's, or one that is obfuscated for browsers."""
    flags = document.get("flags")
    if not isinstance(flags, Mapping):
        raise RulesError([Problem("flags", "a document of eppo has an object of flags")])
    if document.get("format") == "CLIENT":
        problem = "is obfuscated for browsers; use an SDK key for servers, whose format is SERVER"
        raise RulesError([Problem("format", problem)])
    warnings: list[Problem] = [*unknown_fields(document, _DOCUMENT, "")]
    made: dict[str, Any] = {}
    for key, flag in flags.items():
        path = path_of("flags", key)
        if not is_name(key):
            warnings.append(Problem(path, "is no name of a flag; left out"))
            continue
        try:
            made[key] = _Flag(key, table(flag, path), path, warnings.append).written()
        except Unexpected as error:
            warnings.append(Problem(error.path, f"{error.expected}, so the flag is malformed"))
            made[key] = broken(str(error))
    return Translated({"version": 1, "flags": made}, dict.fromkeys(warnings))


class _Flag:
    """One flag of Eppo's."""

    def __init__(
        self, key: str, given: Mapping[str, Any], path: str, warn: Callable[[Problem], None]
    ) -> None:
        self._key = key
        self._given = given
        self._path = path
        self._warn = warn
        self._conditions = Conditions(warn)
        self._made: dict[str, Any] = {}
        self._broken: dict[str, str] = {}

    def written(self) -> Mapping[str, Any]:
        """The native flag. Unexpected."""
        self._unknown(self._given, _FLAG, self._path)
        key_of(self._given, "key", self._path)
        enabled = self._given.get("enabled")
        if not isinstance(enabled, bool):
            raise Unexpected(path_of(self._path, "enabled"), "must be true or false")
        self._total()
        made: dict[str, Any] = {"enabled": enabled, "default": None, "off": None}
        made["variants"] = self._variants() or _NO_VARIANTS
        made["rules"] = [
            rule
            for path, given in tables(self._given, "allocations", self._path)
            for rule in self._rules(given, path)
        ] or [_DEFAULT]
        return made

    def _unknown(self, value: Mapping[str, Any], known: frozenset[str], path: str) -> None:
        for problem in unknown_fields(value, known, path):
            self._warn(problem)

    # -- variants -----------------------------------------------------------------------------------

    def _variants(self) -> Mapping[str, Any]:
        kind = self._given.get("variationType")
        if kind not in KINDS:
            raise Unexpected(path_of(self._path, "variationType"), f"must be one of {', '.join(KINDS)}")
        where = path_of(self._path, "variations")
        for name, given in table(self._given.get("variations"), where).items():
            path = path_of(where, name)
            variation = table(given, path)
            self._unknown(variation, _VARIATION, path)
            if variation.get("value") is None:
                raise Unexpected(path_of(path, "value"), "is missing")
            self._variant(key_of(variation, "key", path), variation["value"], str(kind), path)
        return self._made

    def _variant(self, key: str, given: Any, kind: str, path: str) -> None:
        """A variation goes by its own key, whatever name it has among the others."""
        if not is_name(key):
            self._fail(key, path_of(path, "key"), "is no name of a variant")
            return
        try:
            value = _checked(worth(given, kind))
        except (ValueError, RecursionError) as error:
            self._fail(key, path_of(path, "value"), _sentence(error, kind))
        else:
            self._made[key] = {"value": value, "enabled": bool(value)}

    def _fail(self, key: str, path: str, why: str) -> None:
        """A variation that nobody can be given."""
        self._made.pop(key, None)
        self._broken[key] = f"{path}: {why}"
        self._warn(Problem(path, f"{why}; whoever would get it gets the caller's default"))

    # -- allocations --------------------------------------------------------------------------------

    def _rules(self, given: Mapping[str, Any], path: str) -> Iterator[Mapping[str, Any]]:
        self._unknown(given, _ALLOCATION, path)
        key = key_of(given, "key", path)
        held = self._conditions.when(given, path)
        common: dict[str, Any] = {"id": key} if is_name(key) else {"anonymous": True}
        common["miss"] = "next"
        logs = optional(given, "doLog", path, bool, "true or false")
        measure = None if logs is False else self._measure(key)
        splits = read_splits(given, path, self._total(), self._warn)
        for _, group in groupby(splits, key=lambda split: (split.alike, split.metadata)):
            yield from self._drawn([*group], held, common, measure)

    def _drawn(
        self,
        splits: list[Split],
        held: list[Any],
        common: Mapping[str, Any],
        measure: Mapping[str, Any] | None,
    ) -> Iterator[Mapping[str, Any]]:
        first = splits[0]
        rule = {**common, **({"metadata": first.metadata} if first.metadata else {})}
        if measure is not None:
            rule["measure"] = measure
        if first.alike is not None and all(split.variation in self._made for split in splits):
            arms = [{"variant": split.variation, "ranges": split.shards[-1]["ranges"]} for split in splits]
            draw = {"bucket": first.shards[-1]["bucket"], "arms": arms}
            yield {**rule, **_when([*held, *first.shards[:-1]]), "draw": draw}
            return
        for split in splits:
            yield {**rule, **_when([*held, *split.shards]), **self._serve(split.variation)}

    def _serve(self, variation: str) -> Mapping[str, Any]:
        if variation in self._made:
            return {"serve": variation}
        return {"broken": self._broken.get(variation, f"no such variation: {variation[:256]}")}

    def _total(self) -> int:
        """Among how many shards is drawn."""
        total: Any = self._given.get("totalShards")
        if not is_count(total) or total == 0:
            raise Unexpected(path_of(self._path, "totalShards"), "must be a whole number, at least 1")
        return int(total)

    def _measure(self, allocation: str) -> Mapping[str, Any] | None:
        name = f"{self._key}-{allocation}"
        if is_name(name):
            return {"experiment": name}
        self._warn(Problem(self._path, f"is not measured: {name[:256]!r} is no name of an experiment"))
        return None


def _when(held: list[Any]) -> Mapping[str, Any]:
    if not held:
        return {}
    return {"when": held[0] if len(held) == 1 else {"all": held}}


def _checked(value: Any) -> Any:
    """A value that a rules document can hold. ValueError."""
    check_json(value)
    return value


def _sentence(error: Exception, kind: str) -> str:
    return "is no JSON" if kind == "JSON" else str(error)
