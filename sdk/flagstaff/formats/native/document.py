"""The rules document: one model of what a person may write and a machine sends.

Short forms are for people; each says the same as a canonical form, which ``canonical`` prints. The model
checks shapes and types of single values; ``checks`` looks at how they go together. ``flagstaff schema``
prints the JSON Schema of ``Document``.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
    WithJsonSchema,
)
from pydantic_core import PydanticSerializationUnexpectedValue

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
    "marked",
    "thousandths",
]

BOOLEAN_VARIANTS = {"on": True, "off": False}


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


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
    return int(percent) if percent.is_integer() else percent


def _printed(percent: Any) -> int | float:
    if not isinstance(percent, float):
        raise PydanticSerializationUnexpectedValue("no percentage")  # the other form has its own serializer
    return briefly(percent)


def _is_instant(text: str) -> str:
    if parse_instant(text) is None:
        raise ValueError(f"must be a point in time with a zone, such as 2026-01-31T09:00:00Z, not {text!r}")
    return text


Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=10_000)]
Percent: TypeAlias = Annotated[
    float, Field(ge=0, le=100), AfterValidator(_percent), PlainSerializer(_printed, when_used="json")
]
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
    first = next(iter(kinds))

    def shape_of(value: Any) -> str:
        return marked(next((name for name, kind in kinds.items() if isinstance(value, kind)), first))

    return Discriminator(shape_of)


def _json(value: Any) -> Any:
    """The value if it is JSON that every reader understands alike; ValueError otherwise."""
    _check_json(value, 1)
    return value


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


class LeafCondition(_Model):
    """A test of one attribute. Unknown, so neither true nor false, where the attribute is absent."""

    attribute: Path
    op: Operator
    value: Json = True


class SegmentCondition(_Model):
    """Holds where the named segment does."""

    segment: Name


class PrerequisiteCondition(_Model):
    """Holds where another flag serves one of these variants, or is enabled (default: ``enabled = true``)."""

    flag: Name
    variant: Names | None = None
    enabled: bool | None = None


class AllCondition(_Model):
    """Holds where every one does."""

    all: list[Condition]


class AnyCondition(_Model):
    """Holds where one does."""

    any: list[Condition]


class NotCondition(_Model):
    """Holds where the other one is definitely false."""

    not_: Annotated[Condition, Field(alias="not")]


class BucketModel(_Model):
    """Who is drawn, and under which salt."""

    salt: Name
    unit: Path = "targeting_key"


Slots: TypeAlias = list[Annotated[list[Percent], Field(min_length=2, max_length=2)]]
"""Half-open ranges, in percent."""


class DrawCondition(_Model):
    """Holds where the unit's draw lies in one of the ranges (percent, half-open)."""

    bucket: BucketModel
    in_: Annotated[Slots, Field(alias="in")]


class WindowModel(_Model):
    """From ``start`` on and before ``end``; either may be left out."""

    start: Instant | None = None
    end: Instant | None = None


class TimeCondition(_Model):
    """Holds within a window of time."""

    time: WindowModel


_KEYS = ("attribute", "segment", "flag", "all", "any", "not", "bucket", "time")


def _condition_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((marked(key) for key in _KEYS if key in value), None)
    if isinstance(value, list):
        return marked("list")
    if isinstance(value, BaseModel):
        return marked(next((key for key in _KEYS if hasattr(value, key)), "not"))
    return None


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


class VariantModel(_Model):
    """What a variant is worth; a value that is no table may stand alone.

    ``enabled`` is what ``enabled()`` answers, by default the truth of the value.
    """

    value: Json
    enabled: bool | None = None
    description: Text | None = None


class WeightModel(_Model):
    """A variant's part of a split, in percent."""

    variant: Name
    weight: Percent


class StepModel(_Model):
    """From a point in time on, so many percent."""

    at: Instant
    percent: Percent


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
    Discriminator(lambda value: marked("variant" if isinstance(value, dict | VariantModel) else "value")),
]


class RuleModel(_Model):
    """When something holds, what is served: ``serve``, ``split`` or ``experiment``.

    ``segment``, ``start`` and ``end`` are short for conditions; all of them must hold. ``rollout`` narrows
    ``serve`` or ``split`` to a share, in percent, or to steps of it in time; ``serve`` is then "on" by
    default.
    """

    id: Name | None = None
    description: Text | None = None
    when: Conditions | None = None
    segment: Name | None = None
    start: Instant | None = None
    end: Instant | None = None
    serve: Name | None = None
    rollout: Rollout | None = None
    split: Weights | None = None
    experiment: Name | None = None
    salt: Name | None = None
    unit: Path | None = None


class FlagModel(_Model):
    """A named decision. Without ``variants`` it is a boolean flag: on and off."""

    description: Text | None = None
    owner: Text | None = None
    expires: Text | None = None
    tags: list[Text] = []
    enabled: bool = True
    variants: Annotated[dict[Name, Value], Field(min_length=1)] | None = None
    default: Name | None = None
    off: Name | None = None
    gates: list[Condition] = []
    pins: dict[Name, Name] = {}
    rules: list[RuleModel] = []
    salt: Name | None = None
    metadata: dict[str, Scalar] = {}


class MetricsModel(_Model):
    """What an experiment is judged by."""

    primary: Text | None = None
    guardrails: list[Text] = []


class ExperimentModel(_Model):
    """What is served, and why it is being asked.

    ``traffic`` (percent) says how many units take part; in a ``layer`` its ``slots`` do. Raise ``revision``
    to count its exposures anew. Served while ``status`` is running; decided serves ``winner`` to everyone.
    """

    description: Text | None = None
    owner: Text | None = None
    hypothesis: Text | None = None
    goal: Text | None = None
    initiative: Text | None = None
    metrics: MetricsModel | None = None
    status: Literal["draft", "qa", "running", "stopped", "decided"] = "running"
    winner: Name | None = None
    revision: Annotated[int, Field(ge=1)] = 1
    split: Weights
    unit: Path = "targeting_key"
    salt: Name | None = None
    traffic: Percent | None = None
    layer: Name | None = None
    slots: Slots | None = None
    pins: dict[Name, Name] = {}


class LayerModel(_Model):
    """One draw shared by experiments that must not overlap."""

    description: Text | None = None
    owner: Text | None = None
    unit: Path = "targeting_key"
    salt: Name | None = None


class HoldoutModel(_Model):
    """A slice, in percent, kept out of a set of experiments."""

    description: Text | None = None
    owner: Text | None = None
    size: Percent
    experiments: list[Name]
    unit: Path = "targeting_key"
    salt: Name | None = None


class Document(_Model):
    """Everything that a client needs to decide."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="flagstaff rules", json_schema_extra={"$id": "urn:flagstaff:rules:1"}
    )

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    version: Literal[1]
    project: Name = "default"
    environment: Name = "default"
    revision: Annotated[int, Field(ge=0)] | None = None
    description: Text | None = None
    shared_salts: list[Name] = []
    segments: dict[Name, Conditions] = {}
    layers: dict[Name, LayerModel] = {}
    holdouts: dict[Name, HoldoutModel] = {}
    experiments: dict[Name, ExperimentModel] = {}
    flags: dict[Name, FlagModel] = {}
