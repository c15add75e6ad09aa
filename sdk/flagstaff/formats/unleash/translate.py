"""From an Unleash document to a native one.

A flag's strategies become its rules, in order: the first one that holds decides. The variants that it draws
are its own, else the flag's. Dependencies become gates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import (
    Unexpected,
    broken,
    entries,
    is_name,
    items,
    key_of,
    path_of,
    table,
    unknown_fields,
)
from flagstaff.formats.translated import Translated

from .constraints import NEVER, Constraints, Uncompilable, all_of
from .events import folded
from .options import FIELDS
from .strategies import SIZE, Rollout, Strategies, Strategy, bucket
from .variants import Share, Variants, Worth, variants_of

__all__ = ["translate"]

_DOCUMENT = frozenset({"version", "features", "segments", "query", "meta"})
_FEATURE = frozenset(
    {
        *("name", "type", "description", "enabled", "stale", "impressionData", "project", "strategies"),
        *("variants", "dependencies", "createdAt", "lastSeenAt", "segments", "strategy", "parameters"),
    }
)
_SEGMENT = frozenset({"id", "name", "constraints", "description", "createdBy", "createdAt", "project"})
_DEPENDENCY = frozenset({"feature", "enabled", "variants"})


def translate(document: Mapping[str, Any], options: Mapping[str, Any]) -> Translated:
    """The native document that decides alike. RulesError where this is no document of Unleash's.

    What is streamed, ``{"events": […]}``, is a document too: what its events come to.
    """
    said = {FIELDS[name]: value for name, value in options.items() if name in FIELDS}
    return _Document(folded(document), said).translated()


class _Document:
    """One translation."""

    def __init__(self, document: Mapping[str, Any], said: Mapping[str, str]) -> None:
        self._warnings: list[Problem] = [*unknown_fields(document, _DOCUMENT, "")]
        self._constraints = Constraints(said, self._warnings.append)
        self._segments: dict[str, Mapping[str, Any]] = {}
        self._strategies = Strategies(self._constraints, self._named(document), self._warnings.append)
        self._features: dict[str, _Feature] = {}
        for path, feature in entries(document, "features", "unleash", self._warnings):
            name = feature.get("name")
            if is_name(name):
                self._features[str(name)] = _Feature(self, str(name), feature, path)
            else:
                self._warnings.append(Problem(path_of(path, "name"), "is no name of a flag; left out"))

    def translated(self) -> Translated:
        flags = {name: feature.flag() for name, feature in self._features.items()}
        document = {"version": 1, "flags": flags, "segments": self._segments}
        return Translated(document, dict.fromkeys(self._warnings))

    # -- segments -----------------------------------------------------------------------------------

    def _named(self, document: Mapping[str, Any]) -> Mapping[object, str]:
        """The names of the segments by their ids; those that don't compile are left out."""
        names: dict[object, str] = {}
        for path, segment in entries(document, "segments", "unleash", self._warnings):
            self._warnings += unknown_fields(segment, _SEGMENT, path)
            number, name = segment.get("id"), segment.get("name")
            where = path_of(path, "constraints")
            try:
                held = [*self._constraints.conditions(segment.get("constraints"), where)]
            except (Uncompilable, Unexpected) as error:
                self._warnings.append(Problem(where, f"turns off whatever asks for it: {error}"))
                names.pop(number, None)
                continue
            key = str(name) if is_name(name) and name not in self._segments else f"segment {number}"
            self._segments[key] = all_of(held)
            names[number] = key
        return names

    # -- what features ask of each other and of their parts ---------------------------------------------

    def feature(self, name: str) -> _Feature | None:
        return self._features.get(name)

    def strategy(self, given: Mapping[str, Any], path: str) -> Strategy | None:
        return self._strategies.read(given, path)

    def shares(self, given: Any, path: str) -> tuple[list[Share], str]:
        return variants_of(given, path, self._constraints, self._warnings.append)

    def warn(self, problem: Problem) -> None:
        self._warnings.append(problem)


class _Feature:
    """One of Unleash's features: a flag."""

    def __init__(self, document: _Document, name: str, given: Mapping[str, Any], path: str) -> None:
        self.name = name
        self.given = given
        self._document = document
        self._path = path
        self._read: list[tuple[Strategy, Variants]] | Uncompilable | Unexpected | None = None

    # -- reading ------------------------------------------------------------------------------------

    def held(self) -> list[tuple[Strategy, Variants]]:
        """The strategies that may hold, each with the variants that it draws. Uncompilable, Unexpected."""
        if self._read is None:
            try:
                self._read = [*self._strategies()]
            except (Uncompilable, Unexpected) as error:
                self._read = error
        if isinstance(self._read, Exception):
            raise self._read
        return self._read

    def held_if_any(self) -> list[tuple[Strategy, Variants]]:
        """The same; none where nothing can be read or compiled."""
        try:
            return self.held()
        except (Uncompilable, Unexpected):
            return []

    def common(self) -> Variants:
        """The variants that are drawn where a strategy has none of its own. Unexpected."""
        where = path_of(self._path, "variants")
        shares, stickiness = self._document.shares(self.given.get("variants"), where)
        return Variants(shares, stickiness, self.name)

    def _strategies(self) -> Iterator[tuple[Strategy, Variants]]:
        common = self.common()
        listed = items(self.given.get("strategies"), path_of(self._path, "strategies"))
        if not listed:
            yield Strategy("0", [], None, "default", None), common
        read = [self._strategy(index, given) for index, given in enumerate(listed)]  # compile all, or none
        for strategy, own in filter(None, read):
            group = self.name if strategy.group is None else strategy.group
            yield strategy, Variants(own, strategy.stickiness, group) if own else common

    def _strategy(self, index: int, given: Any) -> tuple[Strategy, list[Share]] | None:
        path = path_of(path_of(self._path, "strategies"), index)
        strategy = self._document.strategy(table(given, path), path)
        shares, _ = self._document.shares(given.get("variants"), path_of(path, "variants"))
        if strategy is None:
            return None
        return strategy._replace(id=str(index)), [share._replace(chosen=[]) for share in shares]

    @property
    def dependencies(self) -> list[Any]:
        return items(self.given.get("dependencies"), path_of(self._path, "dependencies"))

    # -- writing ------------------------------------------------------------------------------------

    def flag(self) -> Mapping[str, Any]:
        """The native flag."""
        for problem in unknown_fields(self.given, _FEATURE, self._path):
            self._document.warn(problem)
        try:
            return self._flag()
        except Unexpected as error:
            self._document.warn(Problem(error.path, f"{error.expected}, so the flag is malformed"))
            return broken(str(error))
        except Uncompilable as error:
            self._document.warn(Problem(self._path, f"is off for everybody: {error}"))
            worth = Worth(iter(()), self._path, self._document.warn)
            return {"variants": worth.variants, "default": worth.off, "off": worth.off}

    def _flag(self) -> Mapping[str, Any]:
        enabled = self.given.get("enabled")
        if not isinstance(enabled, bool):
            raise Unexpected(path_of(self._path, "enabled"), "must be true or false")
        held = self.held()
        shares = (share for _, variants in held for share in variants.shares)
        worth = Worth(shares, path_of(self._path, "variants"), self._document.warn)
        made: dict[str, Any] = {"enabled": enabled, "variants": worth.variants}
        made |= {"default": worth.off, "off": worth.off}
        gates = [*self._gates()]
        if gates:
            made["gates"] = gates
        made["rules"] = [
            rule for strategy, variants in held for rule in self._rules(strategy, variants, worth)
        ]
        return made

    def _rules(self, strategy: Strategy, variants: Variants, worth: Worth) -> Iterator[dict[str, Any]]:
        """A rule for each variant that is given to some in any case, and one for all others."""
        held = [*strategy.conditions]
        rollout = strategy.rollout
        if rollout is not None and rollout.is_everybody():
            rollout = None
        let_in = [] if rollout is None else [_let_in(rollout, self.name)]
        for number, (share, chosen) in enumerate(variants.chosen(), 1):
            when = all_of([chosen, *held, *let_in])
            yield {"id": f"{strategy.id}.{number}", "when": when, "serve": worth.key(share)}
        held += variants.left()
        if variants.total:
            yield {"id": strategy.id, **_when([*held, *let_in]), **self._draw(variants, worth)}
        elif rollout is None:
            yield {"id": strategy.id, **_when(held), "serve": worth.on}
        else:
            drawn = _let_in(rollout, self.name)
            arms = [{"variant": worth.on, "ranges": drawn["ranges"]}]
            yield {"id": strategy.id, **_when(held), "draw": {"bucket": drawn["bucket"], "arms": arms}}

    def _draw(self, variants: Variants, worth: Worth) -> dict[str, Any]:
        arms = [{"variant": worth.key(share), "ranges": [bounds]} for share, bounds in variants.ranges()]
        made: dict[str, Any] = {"draw": {"bucket": variants.drawn(), "arms": arms}}
        if self.given.get("impressionData") is True:
            unit = {"read": "unleash:identity", "of": variants.stickiness}
            made["measure"] = {"experiment": self.name, "unit": unit}
        return made

    # -- dependencies ---------------------------------------------------------------------------------

    def _gates(self) -> Iterator[Mapping[str, Any]]:
        where = path_of(self._path, "dependencies")
        for index, entry in enumerate(self.dependencies):
            path = path_of(where, index)
            dependency = table(entry, path)
            for problem in unknown_fields(dependency, _DEPENDENCY, path):
                self._document.warn(problem)
            yield self._gate(dependency, path)

    def _gate(self, dependency: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        name = key_of(dependency, "feature", path)
        names = items(dependency.get("variants"), path_of(path, "variants"))
        if not all(isinstance(name, str) for name in names):
            raise Unexpected(path_of(path, "variants"), "must be a list of texts")
        parent, wanted = self._document.feature(name), dependency.get("enabled") is not False
        if parent is None or _has_parents(parent):
            problem = "is missing" if parent is None else "has dependencies of its own"
            self._document.warn(Problem(path, f"never holds: the flag {name!r} {problem}"))
            return NEVER
        borrowed = _draws_in_no_group(parent)
        if wanted and not borrowed:
            return {"flag": name, "that": _that(names)}
        enabled = {"attribute": "enabled", "op": "eq", "value": wanted}
        is_so = self._is_on(parent, wanted=wanted) if borrowed else {"flag": name, "that": enabled}
        return all_of([is_so, self._gives(parent, names)]) if names else is_so

    # Unleash draws the units of a parent whose rollout names no group in the group of whoever asks, so that
    # the parent's decision is no answer; and it looks at the variant that a parent would have, on or not.

    def _is_on(self, parent: _Feature, *, wanted: bool) -> Mapping[str, Any]:
        """Whether the parent is on, or off."""
        if parent.given.get("enabled") is not True:
            return NEVER if wanted else {"all": []}
        on = {"any": [self._holds(strategy) for strategy, _ in parent.held()]}
        return on if wanted else {"not": on}

    def _gives(self, parent: _Feature, names: list[str]) -> Mapping[str, Any]:
        """Whether the parent would have one of these variants, or none."""
        earlier: list[Mapping[str, Any]] = []
        cases: list[Mapping[str, Any]] = []
        for strategy, variants in parent.held_if_any():
            holds = self._holds(strategy)
            cases.append(all_of([holds, *earlier, variants.gives(names)]))
            earlier.append({"not": holds})
        return {"any": [*cases, all_of([*earlier, parent.common().gives(names)])]}

    def _holds(self, strategy: Strategy) -> Mapping[str, Any]:
        rollout = strategy.rollout
        # Known, as it may be negated: without the unit nobody is let in.
        let_in = [] if rollout is None else [{"known": _let_in(rollout, self.name)}]
        return all_of([*strategy.conditions, *let_in])


def _when(held: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {"when": all_of(held)} if held else {}


def _let_in(rollout: Rollout, flag: str) -> Mapping[str, Any]:
    """The condition on those whom a rollout lets in."""
    unit = {"read": "unleash:unit", "of": rollout.stickiness}
    group = flag if rollout.group is None else rollout.group
    return {"bucket": bucket(group, unit, SIZE), "ranges": [[0, rollout.share]]}


def _that(names: list[str]) -> Mapping[str, Any]:
    """What is asked of the decision of a parent; its variant counts only if it has one."""
    enabled = {"attribute": "enabled", "op": "eq", "value": True}
    if not names:
        return enabled
    none = {"attribute": "variant", "op": "exists", "value": False}
    return {"all": [enabled, {"any": [none, {"attribute": "variant", "op": "in", "value": names}]}]}


def _has_parents(feature: _Feature) -> bool:
    try:
        return bool(feature.dependencies)
    except Unexpected:
        return False


def _draws_in_no_group(feature: _Feature) -> bool:
    rollouts = (strategy.rollout for strategy, _ in feature.held_if_any())
    return any(rollout is not None and rollout.group is None for rollout in rollouts)
