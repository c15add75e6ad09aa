"""From bytes to plain data: JSON, TOML and YAML, with what JSON itself leaves open refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from flagstaff.errors import ConfigError, MissingExtraError, Problem, RulesError

from .parts import refuse_constant, refuse_twins

__all__ = ["SUFFIXES", "decoded", "plain", "read"]

SUFFIXES = (".json", ".toml", ".yaml", ".yml")


def read(data: bytes, suffix: str, source: str) -> Any:
    """The data that a file holds, by its suffix. RulesError with the place where the text is no such data."""
    if suffix == ".json":
        return _json(data, source)
    if suffix == ".toml":
        return plain(_toml(data, source))
    if suffix in (".yaml", ".yml"):
        return plain(_yaml(data, source))
    raise ConfigError(
        "path", f"a rules file ends in {', '.join(SUFFIXES)}, not in {suffix or 'nothing'}: {source}"
    )


def decoded(data: bytes | bytearray, source: str) -> str:
    """The text of a JSON document, in whichever Unicode encoding it came."""
    try:
        return data.decode(json.detect_encoding(data), "surrogatepass").removeprefix("\ufeff")
    except ValueError as error:
        raise RulesError([Problem("", f"not JSON: {_reason(error)}")], source) from None


def _json(data: bytes, source: str) -> Any:
    try:
        return json.loads(data, object_pairs_hook=refuse_twins, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RulesError([Problem("", f"not JSON: {_reason(error)}")], source) from None


def _reason(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _toml(data: bytes, source: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RulesError([Problem("", f"not TOML: {_reason(error)}")], source) from None


def _yaml(data: bytes, source: str) -> Any:
    try:
        import yaml

        from .yaml12 import load
    except ImportError:
        raise MissingExtraError("reading YAML", "yaml") from None
    try:
        return load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RulesError([Problem("", f"not YAML: {_reason(error)}")], source) from None


def plain(value: Any) -> Any:
    """The same data in JSON's types: points in time become RFC 3339 text, tuples lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value
