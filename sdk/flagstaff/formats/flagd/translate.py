"""From flagd's definitions to a native document.

A flag's targeting becomes the one rule that a flag has: an expression that names the variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.foreign import Unexpected, broken, is_name, path_of, table, unknown_fields
from flagstaff.formats.jsonlogic import logic
from flagstaff.formats.translated import Translated

from .operators import operators
from .options import FRACTIONAL
from .references import References, Unreadable
from .review import remarks

__all__ = ["translate"]

_DOCUMENT = frozenset({"$schema", "flags", "$evaluators", "metadata"})
_FLAG = frozenset({"key", "state", "variants", "defaultVariant", "targeting", "metadata"})


def translate(document: Mapping[str, Any], options: Mapping[str, Any]) -> Translated:
    """The native document that decides alike. RulesError where this is no document of flagd's."""
    return _Document(document, options.get("fractional", FRACTIONAL)).translated()


class _Document:
    """One translation."""

    def __init__(self, given: Mapping[str, Any], fractional: int) -> None:
        self._given = given
        self._fractional = fractional
        self._warnings: list[Problem] = [*unknown_fields(given, _DOCUMENT, "")]
        self._metadata = self._shared_metadata()
        evaluators = given.get("$evaluators")
        if evaluators is not None and not isinstance(evaluators, Mapping):
            self._warnings.append(Problem("$evaluators", "must be an object, so no reference is known"))
        self._references = References(evaluators if isinstance(evaluators, Mapping) else {})

    def translated(self) -> Translated:
        flags: dict[str, Any] = {}
        for path, key, given in self._flags():
            if not is_name(key):
                self._warnings.append(Problem(path, "is no name of a flag; left out"))
                continue
            try:
                flags[key] = self._flag(key, table(given, path), path)
            except (Unexpected, Unreadable) as error:
                self._warnings.append(Problem(path, f"is malformed: {error}"))
                flags[key] = broken(str(error))
        return Translated({"version": 1, "flags": flags}, dict.fromkeys(self._warnings))

    def _flags(self) -> Iterator[tuple[str, Any, Any]]:
        """Path, key and content of every flag; of those in a list the last one of a key counts."""
        flags = self._given.get("flags")
        if isinstance(flags, Mapping):
            yield from ((path_of("flags", key), key, flag) for key, flag in flags.items())
        elif isinstance(flags, list | tuple):
            for index, flag in enumerate(flags):
                key = flag.get("key") if isinstance(flag, Mapping) else None
                yield path_of("flags", index), key, flag
        else:
            raise RulesError([Problem("flags", "of a document of flagd must be an object or a list")])

    def _shared_metadata(self) -> Mapping[str, Any]:
        found = self._given.get("metadata")
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            self._warnings.append(Problem("metadata", "must be an object; left out"))
            return {}
        for name, value in found.items():
            if not _is_scalar(value):
                self._warnings.append(Problem(path_of("metadata", name), "is no scalar; left out"))
        return {name: value for name, value in found.items() if _is_scalar(value)}

    # -- flags -------------------------------------------------------------------------------------------

    def _flag(self, key: str, given: Mapping[str, Any], path: str) -> dict[str, Any]:
        self._warnings += unknown_fields(given, _FLAG, path)
        state = given.get("state")
        if state not in ("ENABLED", "DISABLED"):
            raise Unexpected(path_of(path, "state"), "must be ENABLED or DISABLED")
        variants = _variants(given.get("variants"), path_of(path, "variants"))
        default = given.get("defaultVariant") or None
        if default is not None and (not isinstance(default, str) or default not in variants):
            raise Unexpected(path_of(path, "defaultVariant"), "is none of the variants")
        made: dict[str, Any] = {"enabled": state == "ENABLED", "variants": variants}
        made |= {"default": default, "off": None}
        if metadata := {**self._metadata, **_own_metadata(given, path)}:
            made["metadata"] = metadata
        rules = self._rules(key, given.get("targeting"), path_of(path, "targeting"), default)
        return {**made, "rules": rules} if rules else made

    def _rules(self, key: str, targeting: Any, path: str, default: str | None) -> list[dict[str, Any]]:
        if isinstance(targeting, int | float):
            self._warnings.append(Problem(path, "must be an object, and was not read"))
        if not targeting or isinstance(targeting, int | float):
            return [] if default else [{"id": "0", "anonymous": True, "nothing": True, "reason": "DEFAULT"}]
        try:
            resolved = self._references.resolved(targeting)
            logic(resolved, operators(key, self._fractional), lambda *_: {})
        except (Unreadable, ValueError) as error:
            self._warnings.append(Problem(path, f"can't be read: {error}"))
            return [{"id": "0", "broken": f"targeting can't be read: {error}"[:1000]}]
        self._warnings += remarks(resolved, path)
        expression = {"flag": key, "fractional": self._fractional, "logic": resolved}
        return [{"id": "targeting", "compute": {"language": "flagd:targeting", "expression": expression}}]


def _variants(given: Any, path: str) -> dict[str, Any]:
    variants = table(given, path)
    if not variants:
        raise Unexpected(path, "must have a variant")
    if len({_kind(value) for value in variants.values()}) > 1 or "" in map(_kind, variants.values()):
        raise Unexpected(path, "must have values of one type: booleans, texts, numbers or objects")
    for name in variants:
        if not is_name(name):
            raise Unexpected(path_of(path, name), "is no name of a variant")
    return {name: {"value": value, "enabled": bool(value)} for name, value in variants.items()}


def _kind(value: Any) -> str:
    kinds = {bool: "boolean", str: "text", int: "number", float: "number", dict: "object"}
    return kinds.get(type(value), "")


def _own_metadata(given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    found = given.get("metadata")
    if found is None:
        return {}
    where = path_of(path, "metadata")
    if not all(map(_is_scalar, table(found, where).values())):
        raise Unexpected(where, "must hold texts, numbers and booleans only")
    return table(found, where)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)
