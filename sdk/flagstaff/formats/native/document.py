"""The rules document: one schema of what a person may write and a machine sends.

Short forms are for people; each says the same as a canonical form, which ``canonical`` prints. The schema
checks shapes and types of single values; ``checks`` looks at how they go together. ``flagstaff schema``
prints the JSON Schema of ``Document``.

The types are dictionaries, not classes: a document stays the plain data that it was read as, which is checked
several times faster than objects are made, and can be thrown away after it.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, Any, Literal, Required, TypeAlias

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
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from flagstaff.core.conditions import parse_instant

from .graph import MAX_DEPTH

__all__ = [
    "MARKS",
    "AllCondition",
    "AnyCondition",
    "BucketModel",
    "Condition",
    "Conditions",
    "Document",
    "DrawCondition",
    "ExperimentModel",
    "FlagModel",
    "HoldoutModel",
    "LayerModel",
    "LeafCondition",
    "NotCondition",
    "PrerequisiteCondition",
    "RuleModel",
    "SegmentCondition",
    "StepModel",
    "TimeCondition",
    "VariantModel",
    "WeightModel",
    "WindowModel",
    "briefly",
    "kind_of",
    "marked",
    "thousandths",
]

BOOLEAN_VARIANTS = {"on": True, "off": False}


_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)
_checked = with_config(_CONFIG)


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


def _mark(form: str) -> Tag:
    MARKS.add(marked(form))
    return Tag(marked(form))


def _shape(**kinds: type) -> Discriminator:
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


def _check_json(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"must not be nested more than {MAX_DEPTH} deep")
    match value:
        case dict():
            for key, item in value.items():
                _check_scalar(key, str)
                _check_json(item, depth + 1)
        case list():
            for item in value:
                _check_json(item, depth + 1)
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


_MAX_BITS = 2048
_SURROGATE = re.compile("[\ud800-\udfff]")

Json: TypeAlias = Annotated[Any, AfterValidator(_json)]
_NO_TABLE = WithJsonSchema({"type": ["string", "number", "boolean", "null", "array"]})


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
    Annotated[Name, _mark("name")] | Annotated[list[Name], Field(min_length=1, max_length=16), _mark("path")],
    _shape(name=str, path=list),
]
"""``targeting_key``, the name of an attribute, or a list of names that leads into nested attributes."""


Names: TypeAlias = Annotated[
    Annotated[Name, _mark("name")] | Annotated[list[Name], Field(min_length=1), _mark("names")],
    _shape(name=str, names=list),
]
"""One name, or a list of them."""


# -- conditions ------------------------------------------------------------------------------------

Operator: TypeAlias = Literal[
    "eq", "ne", "in", "not_in", "lt", "le", "gt", "ge", "contains", "starts_with", "ends_with", "matches",
    "semver_eq", "semver_ne", "semver_lt", "semver_le", "semver_gt", "semver_ge",
    "before", "after", "in_cidr", "exists",
]  # fmt: skip


@_checked
class LeafCondition(TypedDict, total=False):
    """A test of one attribute. Unknown, so neither true nor false, where the attribute is absent."""

    attribute: Required[Path]
    op: Required[Operator]
    value: Json


@_checked
class SegmentCondition(TypedDict, total=False):
    """Holds where the named segment does."""

    segment: Required[Name]


@_checked
class PrerequisiteCondition(TypedDict, total=False):
    """Holds where another flag serves one of these variants, or is enabled (default: ``enabled = true``)."""

    flag: Required[Name]
    variant: Names | None
    enabled: bool | None


@_checked
class AllCondition(TypedDict, total=False):
    """Holds where every one does."""

    all: Required[list[Condition]]


@_checked
class AnyCondition(TypedDict, total=False):
    """Holds where one does."""

    any: Required[list[Condition]]


_Not = TypedDict("_Not", {"not": Required["Condition"]}, total=False)


@_checked
class NotCondition(_Not, total=False):
    """Holds where the other one is definitely false."""


@_checked
class BucketModel(TypedDict, total=False):
    """Who is drawn, and under which salt."""

    salt: Required[Name]
    unit: Path


Slots: TypeAlias = list[Annotated[list[Percent], Field(min_length=2, max_length=2)]]
"""Half-open ranges, in percent."""


_In = TypedDict("_In", {"in": Required[Slots]}, total=False)


@_checked
class DrawCondition(_In, total=False):
    """Holds where the unit's draw lies in one of the ranges (percent, half-open)."""

    bucket: Required[BucketModel]


@_checked
class WindowModel(TypedDict, total=False):
    """From ``start`` on and before ``end``; either may be left out."""

    start: Instant | None
    end: Instant | None


@_checked
class TimeCondition(TypedDict, total=False):
    """Holds within a window of time."""

    time: Required[WindowModel]


_KEYS = ("attribute", "segment", "flag", "all", "any", "not", "bucket", "time")
_MARKED = {key: marked(key) for key in _KEYS}
_LIST = marked("list")


def _condition_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        for key, mark in _MARKED.items():
            if key in value:
                return mark
    return _LIST if isinstance(value, list) else None


def kind_of(node: Any) -> str:
    """The key that tells which condition a node is."""
    return next(key for key in _KEYS if key in node)


_BY_KEY = Discriminator(
    _condition_kind,
    custom_error_type="condition",
    custom_error_message=f"a condition has one of the keys {', '.join(_KEYS)}; a list of them means all",
)

_AnyCondition: TypeAlias = (
    Annotated[LeafCondition, _mark("attribute")]
    | Annotated[SegmentCondition, _mark("segment")]
    | Annotated[PrerequisiteCondition, _mark("flag")]
    | Annotated[AllCondition, _mark("all")]
    | Annotated[AnyCondition, _mark("any")]
    | Annotated[NotCondition, _mark("not")]
    | Annotated[DrawCondition, _mark("bucket")]
    | Annotated[TimeCondition, _mark("time")]
)
Condition: TypeAlias = Annotated[_AnyCondition, _BY_KEY]
Conditions: TypeAlias = Annotated[_AnyCondition | Annotated[list[Condition], _mark("list")], _BY_KEY]
"""One condition; a list of them is short for ``all``."""


# -- flags -------------------------------------------------------------------------------------------


@_checked
class VariantModel(TypedDict, total=False):
    """What a variant is worth; a value that is no table may stand alone.

    ``enabled`` is what ``enabled()`` answers, by default the truth of the value.
    """

    value: Required[Json]
    enabled: bool | None
    description: Text | None


@_checked
class WeightModel(TypedDict, total=False):
    """A variant's part of a split, in percent."""

    variant: Required[Name]
    weight: Required[Percent]


@_checked
class StepModel(TypedDict, total=False):
    """From a point in time on, so many percent."""

    at: Required[Instant]
    percent: Required[Percent]


Weights: TypeAlias = Annotated[
    Annotated[dict[Name, Percent], Field(min_length=1), _mark("table")]
    | Annotated[list[WeightModel], Field(min_length=1), _mark("list")],
    _shape(table=dict, list=list),
]
"""Parts of a split, in percent, in order."""

Rollout: TypeAlias = Annotated[
    Annotated[Percent, _mark("percent")] | Annotated[list[StepModel], Field(min_length=1), _mark("steps")],
    _shape(percent=float, steps=list),
]

Value: TypeAlias = Annotated[
    Annotated[VariantModel, _mark("variant")] | Annotated[Json, _NO_TABLE, _mark("value")],
    _shape(value=object, variant=dict),
]


@_checked
class RuleModel(TypedDict, total=False):
    """When something holds, what is served: ``serve``, ``split`` or ``experiment``.

    ``segment``, ``start`` and ``end`` are short for conditions; all of them must hold. ``rollout`` narrows
    ``serve`` or ``split`` to a share, in percent, or to steps of it in time; ``serve`` is then "on" by
    default.
    """

    id: Name | None
    description: Text | None
    when: Conditions | None
    segment: Name | None
    start: Instant | None
    end: Instant | None
    serve: Name | None
    rollout: Rollout | None
    split: Weights | None
    experiment: Name | None
    salt: Name | None
    unit: Path | None


@_checked
class FlagModel(TypedDict, total=False):
    """A named decision. Without ``variants`` it is a boolean flag: on and off."""

    description: Text | None
    owner: Text | None
    expires: Text | None
    tags: list[Text]
    enabled: bool
    variants: Annotated[dict[Name, Value], Field(min_length=1)] | None
    default: Name | None
    off: Name | None
    gates: list[Condition]
    pins: dict[Name, Name]
    rules: list[RuleModel]
    salt: Name | None
    metadata: dict[str, Scalar]


@_checked
class MetricsModel(TypedDict, total=False):
    """What an experiment is judged by."""

    primary: Text | None
    guardrails: list[Text]


@_checked
class ExperimentModel(TypedDict, total=False):
    """What is served, and why it is being asked.

    ``traffic`` (percent) says how many units take part; in a ``layer`` its ``slots`` do. Raise ``revision``
    to count its exposures anew. Served while ``status`` is running; decided serves ``winner`` to everyone.
    """

    description: Text | None
    owner: Text | None
    hypothesis: Text | None
    goal: Text | None
    initiative: Text | None
    metrics: MetricsModel | None
    status: Literal["draft", "qa", "running", "stopped", "decided"]
    winner: Name | None
    revision: Annotated[int, Field(ge=1)]
    split: Required[Weights]
    unit: Path
    salt: Name | None
    traffic: Percent | None
    layer: Name | None
    slots: Slots | None
    pins: dict[Name, Name]


@_checked
class LayerModel(TypedDict, total=False):
    """One draw shared by experiments that must not overlap."""

    description: Text | None
    owner: Text | None
    unit: Path
    salt: Name | None


@_checked
class HoldoutModel(TypedDict, total=False):
    """A slice, in percent, kept out of a set of experiments."""

    description: Text | None
    owner: Text | None
    size: Required[Percent]
    experiments: Required[list[Name]]
    unit: Path
    salt: Name | None


_Schema = TypedDict("_Schema", {"$schema": str | None}, total=False)


@with_config(_CONFIG | {"title": "flagstaff rules", "json_schema_extra": {"$id": "urn:flagstaff:rules:1"}})
class Document(_Schema, total=False):
    """Everything that a client needs to decide."""

    version: Required[Literal[1]]
    project: Name
    environment: Name
    revision: Annotated[int, Field(ge=0)] | None
    description: Text | None
    shared_salts: list[Name]
    segments: dict[Name, Conditions]
    layers: dict[Name, LayerModel]
    holdouts: dict[Name, HoldoutModel]
    experiments: dict[Name, ExperimentModel]
    flags: dict[Name, FlagModel]
