"""The golden vectors of bucketing: what every port of ``sdk/docs/bucketing.md`` must reproduce.

The packaged file, ``core/vectors-1.json``, is law: ``generate`` made it once, and nothing in it changes. A
row of a table is what goes in, then what must come out; ``notation`` tells how odd values are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from flagstaff.core.buckets import bucket, cut, draw, hash32, unit_text
from flagstaff.core.context import Context
from flagstaff.core.evaluate import Snapshot
from flagstaff.errors import FlagstaffError
from flagstaff.formats import load
from flagstaff.formats.native.values import thousandths
from flagstaff.vectors import documents, inputs
from flagstaff.vectors.notation import compact, noted, valued

__all__ = ["VERSION", "check", "generate", "packaged", "render"]

VERSION = 1
"""The version of the specification that the vectors belong to."""

_ABOUT = (
    "Golden vectors of flagstaff's bucketing; the specification is sdk/docs/bucketing.md. A row is what goes "
    'in, then what must come out. {"int": "42"} is an integer, {"float": "1.0"} a floating-point number, '
    '{"repeat": ["x", 3]} the text xxx, {"codes": [97, 55296]} a text by its code points; any other value '
    "stands for itself. An answer of null means that there is none."
)

_Answer: TypeAlias = Callable[..., list[Any]]


class _Table(NamedTuple):
    """A question that is asked many times."""

    given: tuple[str, ...]
    wanted: tuple[str, ...]
    answer: _Answer


def packaged() -> dict[str, Any]:
    """The vectors that this package carries, as plain data."""
    import json
    from importlib.resources import files

    data: dict[str, Any] = json.loads((files("flagstaff.core") / f"vectors-{VERSION}.json").read_bytes())
    return data


def generate() -> dict[str, Any]:
    """The vectors as this installation computes them: the packaged ones, or something is wrong."""
    columns = {name: [*table.given, *table.wanted] for name, table in (_TABLES | _DECISIONS).items()}
    data: dict[str, Any] = {"about": _ABOUT, "version": VERSION, "columns": columns}
    for name, table in _TABLES.items():
        data[name] = [_answered(table.answer, given) for given in inputs.TABLES[name]()]
    data["decisions"] = [_decided(*scene) for scene in documents.scenes()]
    return data


def check(data: Any) -> list[str]:
    """Every difference between vectors and what this installation computes, a sentence each.

    FlagstaffError if ``data`` is no set of vectors of this version; RulesError if a document in it is none.
    """
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        raise FlagstaffError(f"these are no vectors of version {VERSION}: their version does not say so")
    lacking = [
        name for name in [*_TABLES, *_DECISIONS] if not isinstance(data.get(name), list) or not data[name]
    ]
    if lacking:
        raise FlagstaffError(f"these are no vectors of version {VERSION}: they lack {', '.join(lacking)}")
    return [*_differences(data)]


def render(data: Mapping[str, Any]) -> str:
    """Vectors as JSON text in ASCII, a row a line: ``render(generate())`` is the packaged file."""
    parts = {
        key: _rows(map(compact, value)) if key in _TABLES else compact(value) for key, value in data.items()
    }
    return _object(parts | {"decisions": _rows(map(_scene, data["decisions"]))}) + "\n"


def _scene(scene: Mapping[str, Any]) -> str:
    return _object(
        {key: compact(value) for key, value in scene.items()} | {"cases": _rows(map(compact, scene["cases"]))}
    )


def _object(parts: Mapping[str, str]) -> str:
    return "{\n" + ",\n".join(f"{compact(key)}: {text}" for key, text in parts.items()) + "\n}"


def _rows(texts: Iterable[str]) -> str:
    return "[\n" + ",\n".join(texts) + "\n]"


# -- answering -------------------------------------------------------------------------------------


def _answered(answer: _Answer, given: Sequence[Any]) -> list[Any]:
    return [*map(noted, given), *map(noted, answer(*map(valued, given)))]


def _decided(
    name: str, now: float, document: dict[str, Any], asked: Iterable[Sequence[Any]]
) -> dict[str, Any]:
    answer = _decider(document, now)
    return {
        "name": name,
        "now": now,
        "document": document,
        "cases": [_answered(answer, given) for given in asked],
    }


def _percent(percent: float) -> list[Any]:
    try:
        return [thousandths(percent)]
    except ValueError:
        return [None]


def _drawn(salt: str, unit: object, seed: int) -> list[Any]:
    text = unit_text(unit)
    return [None, None] if text is None else [hash32(f"{salt}:{text}", seed), draw(salt, text, seed)]


def _decider(document: dict[str, Any], now: float) -> _Answer:
    return partial(_decide, Snapshot(load(document).rules, lambda: now))


def _decide(snapshot: Snapshot, flag: str, unit: Any, attributes: dict[str, Any]) -> list[Any]:
    decision = snapshot.decide(flag, Context(unit, attributes))
    return [decision.variant, str(decision.reason)]


_TABLES = {
    "buckets": _Table(("hash",), ("bucket",), lambda hashed: [bucket(hashed)]),
    "cuts": _Table(("bound",), ("hash",), lambda bound: [cut(bound)]),
    "percents": _Table(("percent",), ("buckets",), _percent),
    "units": _Table(("unit",), ("text",), lambda unit: [unit_text(unit)]),
    "draws": _Table(("salt", "unit", "seed"), ("hash", "bucket"), _drawn),
}
_DECISIONS = {"decisions": _Table(("flag", "unit", "attributes"), ("variant", "reason"), _decide)}


# -- comparing -------------------------------------------------------------------------------------


def _differences(data: Mapping[str, Any]) -> Iterator[str]:
    for name, table in _TABLES.items():
        yield from _in_rows(name, data[name], table)
    for number, scene in enumerate(data["decisions"]):
        yield from _in_scene(f"decisions[{number}]", scene)


def _in_scene(place: str, scene: Any) -> Iterator[str]:
    try:
        document, now, rows = scene["document"], float(scene["now"]), list(scene["cases"])
    except (KeyError, TypeError, ValueError):
        yield f"{place} is no scene: a document, a time and cases"
        return
    table = _DECISIONS["decisions"]
    yield from _in_rows(f"{place}.cases", rows, table._replace(answer=_decider(document, now)))


def _in_rows(place: str, rows: Iterable[Any], table: _Table) -> Iterator[str]:
    for index, row in enumerate(rows):
        difference = _difference(row, table)
        if difference:
            yield f"{place}[{index}] {difference}"


def _difference(row: Any, table: _Table) -> str | None:
    if not isinstance(row, list) or len(row) != len(table.given) + len(table.wanted):
        return f"is no row of {', '.join(table.given + table.wanted)}: {_shown(row)}"
    given, wanted = row[: len(table.given)], row[len(table.given) :]
    try:
        got = _answered(table.answer, given)[len(given) :]
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        return f"asks what has no answer: {_shown(given)}: {error}"
    return None if got == wanted else f"{_shown(given)}: gives {_shown(got)}, not {_shown(wanted)}"


def _shown(value: Any) -> str:
    text = compact(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
