"""What a feature's rules may serve, as variants: variations of experiments, and values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flagstaff.errors import Problem
from flagstaff.formats.foreign import Unexpected, is_name, items, path_of
from flagstaff.formats.javascript import text, truthy

__all__ = ["Variants"]


class Variants:
    """Variants by name. A variation is told by its key, which those of several experiments may share."""

    def __init__(self, warnings: list[Problem]) -> None:
        self._warnings = warnings
        self._made: dict[str, dict[str, Any]] = {}
        self._values: dict[str, str] = {}

    def made(self) -> dict[str, Any]:
        """All of them, as they stand in the document, which wants one at least."""
        return self._made or {"null": _worth(None)}

    def arms(self, key: str, rule: Mapping[str, Any], path: str, variations: list[Any]) -> list[str | None]:
        """The names of variations; None for one that lets the next rule decide."""
        meta = items(rule.get("meta"), path_of(path, "meta"))
        names: list[str | None] = []
        for index, worth in enumerate(variations):
            told = meta[index] if index < len(meta) and isinstance(meta[index], Mapping) else {}
            if truthy(told.get("passthrough")):
                names.append(None)
            else:
                own = told.get("key")
                names.append(self._arm(key, text(own) if truthy(own) else str(index), worth, path))
        if None in names:
            problem = "lets some go on to the next rule: their exposures are not recorded"
            self._warnings.append(Problem(path, problem))
        return names

    def _arm(self, key: str, told: str, worth: Any, path: str) -> str:
        if not is_name(told):
            raise Unexpected(path_of(path, "meta"), "keys must have 1 to 256 characters, none a control")
        variant = _worth(worth)
        name = self._free(told, f"{key[:100]}/{told[:100]}")
        self._made[name] = variant if name == told else {**variant, "name": told}
        return name

    def value(self, worth: Any) -> str:
        """The variant of a value that is forced, or the default: its name is the value, if it is short."""
        written = json.dumps(worth)
        if written not in self._values:
            plain = None if isinstance(worth, list | Mapping) else text(worth)
            short = plain if is_name(plain) and len(str(plain)) <= 64 else f"value {len(self._values) + 1}"
            name = self._values[written] = self._free(str(short), f"value {short}")
            self._made[name] = _worth(worth)
        return self._values[written]

    def _free(self, *names: str) -> str:
        free = next((name for name in names if name not in self._made), names[-1])
        count = 1
        while free in self._made:
            count += 1
            free = f"{names[-1]} {count}"
        return free


def _worth(worth: Any) -> dict[str, Any]:
    """A value that is null stands for the caller's default."""
    valued = {} if worth is not None else {"valued": False}
    return {"value": worth, "enabled": truthy(worth), **valued}
