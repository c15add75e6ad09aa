"""The rules document: one schema of what a person may write and a machine sends.

Short forms are for people; each says the same as a canonical form, which ``canonical`` prints. The schema
checks shapes and types of single values; ``checks`` looks at how they go together. ``flagstaff schema``
prints the JSON Schema of ``Document``.

The types are dictionaries, not classes: a document stays the plain data that it was read as, which is checked
several times faster than objects are made, and can be thrown away after it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, TypeAlias

from pydantic import Discriminator, Field, with_config
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from .general import (
    ComputeModel,
    DialectName,
    DrawModel,
    MeasureModel,
    NumberRanges,
    ReaderModel,
    ReasonName,
    SchemeModel,
    SubjectModel,
)
from .primitives import (
    CONFIG,
    NO_TABLE,
    Instant,
    Json,
    Name,
    Names,
    Path,
    Percent,
    Scalar,
    Text,
    checked,
    mark,
    marked,
    shape_of,
)
from .short import KINDS

__all__ = [
    "AllCondition",
    "AnyCondition",
    "BrokenCondition",
    "BucketModel",
    "Condition",
    "Conditions",
    "DialectCondition",
    "Document",
    "DrawCondition",
    "ExperimentModel",
    "FlagModel",
    "HoldoutModel",
    "KnownCondition",
    "LayerModel",
    "LeafCondition",
    "NotCondition",
    "PrerequisiteCondition",
    "RangesCondition",
    "ReaderCondition",
    "RuleModel",
    "SegmentCondition",
    "StepModel",
    "TimeCondition",
    "VariantModel",
    "WeightModel",
    "WindowModel",
]

# -- conditions ------------------------------------------------------------------------------------

Operator: TypeAlias = Literal[
    "eq", "ne", "in", "not_in", "lt", "le", "gt", "ge", "contains", "starts_with", "ends_with", "matches",
    "semver_eq", "semver_ne", "semver_lt", "semver_le", "semver_gt", "semver_ge",
    "before", "after", "in_cidr", "exists",
]  # fmt: skip


@checked
class LeafCondition(TypedDict, total=False):
    """A test of one attribute. Unknown, so neither true nor false, where the attribute is absent."""

    attribute: Required[Path]
    op: Required[Operator]
    value: Json


@checked
class DialectCondition(TypedDict, total=False):
    """A test that another dialect brings along."""

    attribute: Required[SubjectModel]
    op: Required[DialectName]
    value: Required[Json]


@checked
class ReaderCondition(TypedDict, total=False):
    """A test of a value that another dialect finds in its own way."""

    attribute: Required[ReaderModel]
    op: Required[Operator]
    value: Required[Json]


@checked
class SegmentCondition(TypedDict, total=False):
    """Holds where the named segment does."""

    segment: Required[Name]


@checked
class PrerequisiteCondition(TypedDict, total=False):
    """Holds where another flag serves one of these variants, or is enabled (default: ``enabled = true``).

    Other dialects ask ``that`` of its decision, and may go in circles ``inside`` the flag that asks.
    """

    flag: Required[Name]
    variant: Names | None
    enabled: bool | None
    that: Condition
    inside: Name


@checked
class AllCondition(TypedDict, total=False):
    """Holds where every one does."""

    all: Required[list[Condition]]


@checked
class AnyCondition(TypedDict, total=False):
    """Holds where one does."""

    any: Required[list[Condition]]


_Not = TypedDict("_Not", {"not": Required["Condition"]}, total=False)


@checked
class NotCondition(_Not, total=False):
    """Holds where the other one is definitely false."""


@checked
class KnownCondition(TypedDict, total=False):
    """The other one, and false where that is unknown."""

    known: Required[Condition]


@checked
class BrokenCondition(TypedDict, total=False):
    """Makes the flag malformed for whoever gets here."""

    broken: Required[Text]


@checked
class BucketModel(TypedDict, total=False):
    """Who is drawn, and under which salt."""

    salt: Required[Name]
    unit: Path


Slots: TypeAlias = list[Annotated[list[Percent], Field(min_length=2, max_length=2)]]
"""Half-open ranges, in percent."""


_In = TypedDict("_In", {"in": Required[Slots]}, total=False)


@checked
class DrawCondition(_In, total=False):
    """Holds where the unit's draw lies in one of the ranges (percent, half-open)."""

    bucket: Required[BucketModel]


@checked
class RangesCondition(TypedDict, total=False):
    """Holds where the unit's draw, by another scheme, lies in one of the ranges."""

    bucket: Required[SchemeModel]
    ranges: Required[NumberRanges]


@checked
class WindowModel(TypedDict, total=False):
    """From ``start`` on and before ``end``; either may be left out."""

    start: Instant | None
    end: Instant | None


@checked
class TimeCondition(TypedDict, total=False):
    """Holds within a window of time."""

    time: Required[WindowModel]


_KEYS = ("attribute", "segment", "flag", "all", "any", "not", "bucket", "time")
_MARKED = {key: marked(key) for key in KINDS}
_DIALECT, _READER, _LIST = marked("dialect"), marked("read"), marked("list")


def _condition_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        if ":" in str(value.get("op", "")):
            return _DIALECT
        if isinstance(value.get("attribute"), dict):
            return _READER
        for key, mark in _MARKED.items():
            if key in value:
                return mark
    return _LIST if isinstance(value, list) else None


_BY_KEY = Discriminator(
    _condition_kind,
    custom_error_type="condition",
    custom_error_message=f"a condition has one of the keys {', '.join(_KEYS)}; a list of them means all",
)

_AnyCondition: TypeAlias = (
    Annotated[LeafCondition, mark("attribute")]
    | Annotated[SegmentCondition, mark("segment")]
    | Annotated[PrerequisiteCondition, mark("flag")]
    | Annotated[AllCondition, mark("all")]
    | Annotated[AnyCondition, mark("any")]
    | Annotated[NotCondition, mark("not")]
    | Annotated[DrawCondition, mark("bucket")]
    | Annotated[TimeCondition, mark("time")]
    | Annotated[DialectCondition, mark("dialect")]
    | Annotated[ReaderCondition, mark("read")]
    | Annotated[RangesCondition, mark("ranges")]
    | Annotated[KnownCondition, mark("known")]
    | Annotated[BrokenCondition, mark("broken")]
)
Condition: TypeAlias = Annotated[_AnyCondition, _BY_KEY]
Conditions: TypeAlias = Annotated[_AnyCondition | Annotated[list[Condition], mark("list")], _BY_KEY]
"""One condition; a list of them is short for ``all``."""


# -- flags -------------------------------------------------------------------------------------------


@checked
class VariantModel(TypedDict, total=False):
    """What a variant is worth; a value that is no table may stand alone.

    ``enabled`` is what ``enabled()`` answers, by default the truth of the value. In other dialects, a
    variant that is not ``valued`` gives the caller's default, one that is not ``named`` hides its name, and
    ``name`` is what decisions call it instead.
    """

    value: Required[Json]
    enabled: bool | None
    description: Text | None
    valued: bool
    named: bool
    name: Name


@checked
class WeightModel(TypedDict, total=False):
    """A variant's part of a split, in percent."""

    variant: Required[Name]
    weight: Required[Percent]


@checked
class StepModel(TypedDict, total=False):
    """From a point in time on, so many percent."""

    at: Required[Instant]
    percent: Required[Percent]


Weights: TypeAlias = Annotated[
    Annotated[dict[Name, Percent], Field(min_length=1), mark("table")]
    | Annotated[list[WeightModel], Field(min_length=1), mark("list")],
    shape_of(table=dict, list=list),
]
"""Parts of a split, in percent, in order."""

Rollout: TypeAlias = Annotated[
    Annotated[Percent, mark("percent")] | Annotated[list[StepModel], Field(min_length=1), mark("steps")],
    shape_of(percent=float, steps=list),
]

Value: TypeAlias = Annotated[
    Annotated[VariantModel, mark("variant")] | Annotated[Json, NO_TABLE, mark("value")],
    shape_of(value=object, variant=dict),
]


@checked
class RuleModel(TypedDict, total=False):
    """When something holds, what is served: ``serve``, ``split`` or ``experiment``.

    ``segment``, ``start`` and ``end`` are short for conditions; all of them must hold. ``rollout`` narrows
    ``serve`` or ``split`` to a share, in percent, or to steps of it in time; ``serve`` is then "on" by
    default.

    The fields from ``nothing`` on are for rules of other dialects. They serve the caller's default, a
    ``draw`` by another scheme or what they ``compute``; where nothing was served, ``miss`` says what follows.
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
    nothing: Literal[True]
    draw: DrawModel
    compute: ComputeModel
    broken: Text
    reason: ReasonName
    measure: MeasureModel
    miss: Literal["next", "stop", "last"]
    last: bool
    anonymous: bool
    metadata: dict[str, Scalar]


@checked
class FlagModel(TypedDict, total=False):
    """A named decision. Without ``variants`` it is a boolean flag: on and off.

    A ``default`` or an ``off`` that is null gives the caller's default.
    """

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


@checked
class MetricsModel(TypedDict, total=False):
    """What an experiment is judged by."""

    primary: Text | None
    guardrails: list[Text]


@checked
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


@checked
class LayerModel(TypedDict, total=False):
    """One draw shared by experiments that must not overlap."""

    description: Text | None
    owner: Text | None
    unit: Path
    salt: Name | None


@checked
class HoldoutModel(TypedDict, total=False):
    """A slice, in percent, kept out of a set of experiments."""

    description: Text | None
    owner: Text | None
    size: Required[Percent]
    experiments: Required[list[Name]]
    unit: Path
    salt: Name | None


_Schema = TypedDict("_Schema", {"$schema": str | None}, total=False)


@with_config(CONFIG | {"title": "flagstaff rules", "json_schema_extra": {"$id": "urn:flagstaff:rules:1"}})
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
