"""What the values of a document are made of, and how the forms of a value are told apart."""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    WithJsonSchema,
    with_config,
)

from flagstaff.core.conditions import parse_instant

from .graph import MAX_DEPTH

__all__ = [
    "CONFIG",
    "MARKS",
    "NO_TABLE",
    "Expression",
    "Instant",
    "Json",
    "Name",
    "Names",
    "Path",
    "Percent",
    "Scalar",
    "Text",
    "briefly",
    "checked",
    "mark",
    "marked",
    "shape_of",
    "thousandths",
]

_Model = TypeVar("_Model")

CONFIG: ConfigDict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


def checked(model: _Model) -> _Model:
    """Makes a form strict: it has no other fields than these, and nothing is taken for something else."""
    return with_config(CONFIG)(model)  # type: ignore[type-var]


def thousandths(percent: float) -> int:
    """A percentage in thousandths of a percent, which are buckets; ValueError beyond three decimals."""
    whole = round(percent * 1000)
    if abs(percent * 1000 - whole) > 1e-6:
        raise ValueError(f"{percent} has more than three decimals")
    return whole


def _percent(value: float) -> float:
    thousandths(value)
    return value


def briefly(percent: float) -> int | float:
    """The same number, as an int where it is whole: 25, not 25.0."""
    return int(percent) if percent == int(percent) else percent


def _is_instant(text: str) -> str:
    if parse_instant(text) is None:
        raise ValueError(f"must be a point in time with a zone, such as 2026-01-31T09:00:00Z, not {text!r}")
    return text


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=10_000)]
Percent: TypeAlias = Annotated[float, Field(ge=0, le=100), AfterValidator(_percent)]
Instant: TypeAlias = Annotated[
    str, AfterValidator(_is_instant), Field(json_schema_extra={"format": "date-time"})
]


MARKS: set[object] = set()
"""What pydantic puts among the keys on the way to an error: which form of a value was meant."""


def marked(form: str) -> str:
    """The mark of a form, which no name can be."""
    return f"\x1f{form}"


def mark(form: str) -> Tag:
    MARKS.add(marked(form))
    return Tag(marked(form))


def shape_of(**kinds: type) -> Discriminator:
    """Tells the forms of a value apart by its type, so that an error speaks of the form that was meant."""
    marks = {kind: marked(name) for name, kind in kinds.items()}
    first = marked(next(iter(kinds)))
    return Discriminator(lambda value: marks.get(type(value), first))


def _json(value: Any) -> Any:
    """The value if it is JSON that every reader understands alike; ValueError otherwise."""
    if not _is_harmless(value):
        _check_json(value, 1)
    return value


def _is_harmless(value: Any) -> bool:
    """Whether a look tells that nothing is wrong with a value: so it is with nearly all."""
    kind = type(value)
    if kind is list:
        return {*map(type, value)} == _TEXTS and "".join(value).isascii()
    return kind is bool or (kind is str and value.isascii())


_TEXTS = {str}


def _expression(value: Any) -> Any:
    """The same, for what a dialect may nest deeper."""
    _check_json(value, 1, MAX_EXPRESSION)
    return value


def _check_json(value: object, depth: int, most: int = MAX_DEPTH) -> None:
    if depth > most:
        raise ValueError(f"must not be nested more than {most} deep")
    match value:
        case dict():
            for key, item in value.items():
                _check_scalar(key, str)
                _check_json(item, depth + 1, most)
        case list():
            for item in value:
                _check_json(item, depth + 1, most)
        case _:
            _check_scalar(value, str | int | float | None)


def _check_scalar(value: object, kinds: Any) -> None:
    if not isinstance(value, kinds):
        raise ValueError(f"must be what JSON can hold, not a value of type {type(value).__name__}")
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("must be a finite number")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ValueError("must be a number of fewer digits")
    if isinstance(value, str) and _SURROGATE.search(value):
        raise ValueError("must not hold half of a surrogate pair")


MAX_EXPRESSION = 200
"""Levels of an expression in another language."""
_MAX_BITS = 2048
_SURROGATE = re.compile("[\ud800-\udfff]")

Json: TypeAlias = Annotated[Any, AfterValidator(_json)]
Expression: TypeAlias = Annotated[Any, AfterValidator(_expression)]
NO_TABLE = WithJsonSchema({"type": ["string", "number", "boolean", "null", "array"]})


def _plain_scalar(value: Any) -> Any:
    """The value if it is text, a number or a boolean; ValueError otherwise."""
    if not isinstance(value, str | int | float):
        raise ValueError(f"must be text, a number or a boolean, not a value of type {type(value).__name__}")
    _check_scalar(value, object)
    return value


Scalar: TypeAlias = Annotated[
    Any, AfterValidator(_plain_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})
]

Path: TypeAlias = Annotated[
    Annotated[Name, mark("name")] | Annotated[list[Name], Field(min_length=1, max_length=16), mark("path")],
    shape_of(name=str, path=list),
]
"""``targeting_key``, the name of an attribute, or a list of names that leads into nested attributes."""


Names: TypeAlias = Annotated[
    Annotated[Name, mark("name")] | Annotated[list[Name], Field(min_length=1), mark("names")],
    shape_of(name=str, names=list),
]
"""One name, or a list of them."""
