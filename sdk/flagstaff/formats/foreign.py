"""Looking into a document of another dialect: each piece is what was expected, or an error says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flagstaff.errors import Problem, RulesError
from flagstaff.formats.suggest import did_you_mean

__all__ = [
    "Unexpected",
    "broken",
    "entries",
    "is_name",
    "items",
    "key_of",
    "path_of",
    "table",
    "unknown_fields",
]

_NAME = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,256}")
_MOST_NAMES = 20
"""Unknown fields of one place that are told."""


class Unexpected(Exception):  # noqa: N818 - a finding, not a fault of the program
    """A piece is not what was expected: harms the flag that it belongs to."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path: str = path
        self.expected: str = expected


def is_name(value: object) -> bool:
    """Whether a value can be the name of a flag, a variant, an attribute or a rule."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def path_of(path: str, key: object) -> str:
    """The path of a piece within another."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    told = str(key) if str(key).isprintable() else ascii(key)
    return f"{path}.{told[:256]}" if path else told[:256]


def table(value: object, path: str) -> Mapping[str, Any]:
    """The value if it is an object."""
    if isinstance(value, Mapping):
        return value
    raise Unexpected(path, f"must be an object, not {_kind(value)}")


def items(value: object, path: str) -> list[Any]:
    """The value if it is a list; none at all, or null, is an empty one."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [*value]
    raise Unexpected(path, f"must be a list, not {_kind(value)}")


def key_of(value: Mapping[str, Any], field: str, path: str) -> str:
    """The text in a field."""
    found = value.get(field)
    if isinstance(found, str):
        return found
    problem = "is missing" if field not in value else f"must be text, not {_kind(found)}"
    raise Unexpected(path_of(path, field), problem)


def entries(
    document: Mapping[str, Any], section: str, vendor: str, warnings: list[Problem]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The path and the content of every object in a list; RulesError where there is something else."""
    try:
        found = items(document.get(section), section)
    except Unexpected as error:
        raise RulesError([Problem(error.path, f"of a document of {vendor} {error.expected}")]) from None
    for index, entry in enumerate(found):
        if isinstance(entry, Mapping):
            yield path_of(section, index), entry
        else:
            problem = f"must be an object, not {_kind(entry)}; left out"
            warnings.append(Problem(path_of(section, index), problem))


def unknown_fields(value: Mapping[str, Any], known: frozenset[str], path: str) -> Iterator[Problem]:
    """What an object has that the vendor's SDK doesn't know, as far as anybody wants to read it."""
    for name in [name for name in value if name not in known][:_MOST_NAMES]:
        hint = did_you_mean(str(name), known)
        yield Problem(path_of(path, name), f"is no field that is known here, and was not read{hint}")


def broken(why: str) -> dict[str, Any]:
    """A flag that is malformed for everybody."""
    return {"rules": [{"broken": why[:10_000]}]}


def _kind(value: object) -> str:
    names = {bool: "a boolean", str: "text", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
