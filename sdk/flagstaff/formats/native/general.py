"""What documents of other dialects need to say, and people don't: other draws, readers, expressions.

Only translators write these forms. They are canonical as they are: nothing in them is short for anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required, TypeAlias

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

from flagstaff.core.decision import Reason
from flagstaff.core.rules import TARGETING_KEY, Arm, Bucket, Computed, Measure, Ranges, Split, Subject
from flagstaff.core.schemes import HASHES, Scheme
from flagstaff.formats.dialects import computed, reader

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
    "bucket_of",
    "computed_of",
    "fault_of_scheme",
    "measure_of",
    "ranges_of",
    "reason_of",
    "split_of",
    "subject_of",
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


# -- into the engine's nouns; ValueError where a dialect doesn't have what is named ------------------------


def subject_of(given: Any) -> Subject:
    """Where something is found in a context."""
    if isinstance(given, dict):
        return reader(given["read"], given["of"])
    path = (given,) if isinstance(given, str) else tuple(given)
    return TARGETING_KEY if path == TARGETING_KEY else path  # the one object, so that a look at it is enough


def bucket_of(given: SchemeModel) -> Bucket:
    """A draw by another scheme."""
    scheme = Scheme(given["hash"], given["spread"], given.get("size", 1), given.get("seed", 0))
    unit = subject_of(given.get("unit", "targeting_key"))
    return Bucket(given.get("prefix", ""), unit, given.get("suffix", ""), scheme)


def fault_of_scheme(given: SchemeModel) -> str | None:
    """What is wrong with how a hash is spread, if anything."""
    bits, spread = HASHES[given["hash"]].bits, given["spread"]
    if (spread == "raw") != (bits is None) or (spread == "scale" and bits != 32):
        return f"{given['hash']} can't be spread by {spread}"
    if spread in ("scale", "mod") and "size" not in given:
        return f"says no size, which a spread by {spread} needs"
    return None


def ranges_of(given: NumberRanges) -> Ranges:
    """The ranges that hold anything."""
    return tuple((start, stop) for start, stop in given if start < stop)


def split_of(given: DrawModel) -> Split:
    """A split by another scheme."""
    arms = (Arm(arm["variant"], *bounds) for arm in given["arms"] for bounds in ranges_of(arm["ranges"]))
    return Split(bucket_of(given["bucket"]), tuple(arms), absent=given.get("absent"))


def computed_of(given: ComputeModel) -> Computed:
    """What an expression comes to."""
    return computed(given["language"], given["expression"])


def measure_of(given: MeasureModel) -> Measure:
    """What makes decisions exposures."""
    unit = subject_of(given.get("unit", "targeting_key"))
    return Measure(given["experiment"], unit, given.get("revision", 1), given.get("exposed", True))


def reason_of(given: str | None) -> Reason | None:
    """The reason by its name."""
    return None if given is None else Reason(given)
