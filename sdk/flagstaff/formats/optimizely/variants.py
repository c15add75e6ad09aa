"""The variations that a flag's rules may serve, as variants: with the values of the flag's variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, key_of, path_of

from .datafile import Entity

__all__ = ["Variants"]


class Variants:
    """Variants by name. Several variations may have one key: each of a worth of its own is one variant.

    Without a flag the variations are those of an experiment by itself, and worth their keys.
    """

    def __init__(self, flag: Entity | None, warnings: list[Problem]) -> None:
        self._warnings = warnings
        self._variables = [] if flag is None else [*self._named(flag)]
        self._flag = flag
        self._made: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._defaults = {
            variable["key"]: self._cast(variable, variable.get("defaultValue"), path)
            for path, variable in self._variables
        }

    def _named(self, flag: Entity) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for path, variable in flag.list("variables"):
            if isinstance(variable.get("key"), str):
                yield path, variable
            else:
                self._warnings.append(Problem(path, "has no key, and was left out"))

    @property
    def none(self) -> str:
        """The variant of those who get no variation: the variables' defaults."""
        return self._add("no variation", {"value": self._defaults, "enabled": False, "named": False})

    def made(self) -> dict[str, Any]:
        """All of them, as they stand in the document."""
        if self._flag is not None:
            _ = self.none
        return self._made

    def add(self, entity: Entity, variation: Mapping[str, Any], path: str) -> str:
        """The name of the variant that a variation is."""
        key = key_of(variation, "key", path)
        if not is_name(key):
            raise Unexpected(path_of(path, "key"), "must have 1 to 256 characters, none of them a control")
        if self._flag is None:
            return self._add(key, {"value": key, "enabled": variation.get("featureEnabled") is not False})
        enabled = bool(variation.get("featureEnabled"))
        value = self._values(Entity(path, variation)) if enabled else self._defaults
        return self._add(key, {"value": value, "enabled": enabled}, entity.key)

    def _add(self, name: str, worth: dict[str, Any], rule: str = "") -> str:
        told = json.dumps([name, worth])
        if told not in self._names:
            own = name if name not in self._made else self._free(f"{rule[:100]}/{name[:100]}")
            self._names[told] = own
            self._made[own] = worth if own == name or worth.get("named") is False else {**worth, "name": name}
        return self._names[told]

    def _free(self, name: str) -> str:
        free, count = name, 1
        while free in self._made:
            count += 1
            free = f"{name} {count}"
        return free

    # -- values --------------------------------------------------------------------------------------

    def _values(self, variation: Entity) -> dict[str, Any]:
        own = {
            str(usage.get("id")): (path, usage.get("value")) for path, usage in variation.list("variables")
        }
        return {
            variable["key"]: self._cast(variable, own[number][1], own[number][0])
            if (number := str(variable.get("id"))) in own
            else self._defaults[variable["key"]]
            for _, variable in self._variables
        }

    def _cast(self, variable: Mapping[str, Any], value: Any, path: str) -> Any:
        kind = variable.get("type")
        if kind == "string" and variable.get("subType") == "json":
            kind = "json"
        try:
            return _as(str(kind), value)
        except (ValueError, TypeError, OverflowError, RecursionError):
            self._warnings.append(Problem(path, f"is no value of type {kind}: it reads as null"))
            return None


def _as(kind: str, value: Any) -> Any:
    match kind:
        case "boolean":
            return value == "true"
        case "integer":
            return int(value)
        case "double":
            number = float(value)
            if not isfinite(number):
                raise ValueError("must be finite")
            return number
        case "json":
            return json.loads(value, parse_constant=_refuse)
        case _:
            return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
