"""What the values of a document are made of, and how the forms of a value are told apart."""

from __future__ import annotations

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

from .values import MAX_EXPRESSION, check_json, check_scalar, is_harmless, thousandths

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
    "checked",
    "mark",
    "marked",
    "shape_of",
]

_Model = TypeVar("_Model")

CONFIG: ConfigDict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


def checked(model: _Model) -> _Model:
    """Makes a form strict: it has no other fields than these, and nothing is taken for something else."""
    return with_config(CONFIG)(model)  # type: ignore[type-var]


def _percent(value: float) -> float:
    thousandths(value)
    return value


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
    if not is_harmless(value):
        check_json(value)
    return value


def _expression(value: Any) -> Any:
    check_json(value, MAX_EXPRESSION)
    return value


def _scalar(value: Any) -> Any:
    check_scalar(value)
    return value


Json: TypeAlias = Annotated[Any, AfterValidator(_json)]
Expression: TypeAlias = Annotated[Any, AfterValidator(_expression)]
NO_TABLE = WithJsonSchema({"type": ["string", "number", "boolean", "null", "array"]})


Scalar: TypeAlias = Annotated[
    Any, AfterValidator(_scalar), WithJsonSchema({"type": ["string", "number", "boolean"]})
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
