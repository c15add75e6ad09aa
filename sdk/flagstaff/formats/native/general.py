"""What documents of other dialects need to say, and people don't: other draws, readers, expressions.

Only translators write these forms. They are canonical as they are: nothing in them is short for anything.
"""

from __future__ import annotations

from typing import Annotated, Literal, Required, TypeAlias

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from .primitives import Expression, Json, Name, Text, checked, mark, shape_of

__all__ = [
    "ComputeModel",
    "DialectName",
    "DrawModel",
    "MeasureModel",
    "NumberRanges",
    "ReaderModel",
    "ReasonName",
    "SchemeModel",
    "SubjectModel",
]

DialectName: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9]*:[A-Za-z0-9_$.-]+$", max_length=128)
]
"""``unleash:num_gt``: what the ``formats.dialects`` of that name bring along."""

ReasonName: TypeAlias = Literal[
    "STATIC", "TARGETING_MATCH", "SPLIT", "DEFAULT", "DISABLED", "OVERRIDE", "PREREQUISITE_FAILED", "HOLDOUT",
]  # fmt: skip


@checked
class ReaderModel(TypedDict, total=False):
    """What a dialect's reader finds in a context."""

    read: Required[DialectName]
    of: Required[Json]


SubjectModel: TypeAlias = Annotated[
    Annotated[Name, mark("name")]
    | Annotated[list[Name], Field(min_length=1, max_length=16), mark("path")]
    | Annotated[ReaderModel, mark("reader")],
    shape_of(name=str, path=list, reader=dict),
]

_Number: TypeAlias = int | float
NumberRanges: TypeAlias = list[Annotated[list[_Number], Field(min_length=2, max_length=2)]]
"""Half-open ranges, in buckets."""


@checked
class SchemeModel(TypedDict, total=False):
    """Which text is hashed, how, and into how many buckets (see ``core.schemes``)."""

    hash: Required[Literal["murmur3", "fnv1a", "fnv1a_twice", "md5_32", "sha1_60", "md5_percent"]]
    spread: Required[Literal["scale", "mod", "unit", "raw"]]
    size: Annotated[int, Field(ge=1, lt=2**53)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    prefix: Text
    suffix: Text
    unit: SubjectModel


@checked
class ArmModel(TypedDict, total=False):
    """A variant's part of a draw."""

    variant: Required[Name]
    ranges: Required[NumberRanges]


@checked
class DrawModel(TypedDict, total=False):
    """Variants by bucket; ``absent`` is the bucket of a context without the unit."""

    bucket: Required[SchemeModel]
    arms: Required[list[ArmModel]]
    absent: Annotated[_Number, Field(ge=0)]


@checked
class ComputeModel(TypedDict, total=False):
    """The variant that an expression names."""

    language: Required[DialectName]
    expression: Required[Expression]


@checked
class MeasureModel(TypedDict, total=False):
    """The experiment whose exposures a rule's decisions are; not ``exposed``: that they merely belong to."""

    experiment: Required[Name]
    unit: SubjectModel
    revision: Annotated[int, Field(ge=1)]
    exposed: bool
