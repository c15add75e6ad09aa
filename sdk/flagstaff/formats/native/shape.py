"""The shape of a document's parts: what the schema says of them, in words for people.

Parts are looked at one by one, so that whoever reads a big document can take a breath in between, and what is
wrong with one part takes no memory for the others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from flagstaff.errors import Problem
from flagstaff.formats.suggest import did_you_mean

from .document import (
    AllCondition,
    AnyCondition,
    BrokenCondition,
    BucketModel,
    DialectCondition,
    Document,
    DrawCondition,
    ExperimentModel,
    FlagModel,
    HoldoutModel,
    KnownCondition,
    LayerModel,
    LeafCondition,
    MetricsModel,
    NotCondition,
    PrerequisiteCondition,
    RangesCondition,
    ReaderCondition,
    RuleModel,
    SegmentCondition,
    StepModel,
    TimeCondition,
    VariantModel,
    WeightModel,
    WindowModel,
)
from .general import ReaderModel
from .plainly import MAX_PIECES
from .primitives import MARKS, marked

__all__ = ["excess", "faults_of", "keys_of", "problem_of", "schema"]

_ADAPTER: TypeAdapter[Document] = TypeAdapter(Document)
_validate = _ADAPTER.validator.validate_python


def schema() -> dict[str, Any]:
    """The JSON Schema of a document."""
    return _ADAPTER.json_schema()


def excess(section: str, name: str) -> list[ErrorDetails]:
    """What is wrong with a part of too many pieces."""
    message = f"has more than {MAX_PIECES:,} fields and items"
    return [ErrorDetails(type="excess", loc=(section, name), msg=message, input=None)]


def faults_of(document: dict[str, Any]) -> list[ErrorDetails]:
    """What is wrong with the shape of a document, or of one that holds a single part."""
    try:
        _validate(document)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


# -- telling people ---------------------------------------------------------------------------------------


def keys_of(item: ErrorDetails) -> list[str | int]:
    """The place in the document, without the marks by which pydantic tells the forms of a value apart."""
    if not item["loc"]:
        return []
    *path, last = item["loc"]
    keys = [part for index, part in enumerate(path) if index < 2 or part not in MARKS]
    named = item["type"] == "extra_forbidden" or (last not in MARKS and last != "[key]")
    return [*keys, last] if named else keys


def _path(keys: list[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{_printable(key)}" for key in keys).lstrip(".")


def _printable(key: str) -> str:
    return key if key.isprintable() else key.encode("unicode_escape", "backslashreplace").decode()


def problem_of(item: ErrorDetails) -> Problem:
    keys = keys_of(item)
    flag = keys[1] if len(keys) > 1 and keys[0] == "flags" else None
    return Problem(_path(keys), _message(item, keys), str(flag) if flag is not None else None)


def _message(item: ErrorDetails, keys: list[str | int]) -> str:
    kind, message = item["type"], item["msg"]
    if kind == "extra_forbidden":
        return f"no such field{_hint(str(keys[-1]), _fields(item['loc']))}"
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        return "must not hold control characters"
    message = _PREFIX.sub("", message)
    if kind == "literal_error":
        return message + did_you_mean(
            str(item["input"]), item["ctx"]["expected"].replace("'", "").split(", ")
        )
    return message


_PREFIX = re.compile("^(?:Value error, |(?:Input|String|List|Dictionary) (?=should ))")

_PLACES: dict[tuple[str, ...], type] = {
    (): Document,
    ("flags", "*"): FlagModel,
    ("flags", "*", "rules", "*"): RuleModel,
    ("experiments", "*"): ExperimentModel,
    ("experiments", "*", "metrics"): MetricsModel,
    ("layers", "*"): LayerModel,
    ("holdouts", "*"): HoldoutModel,
}
_FORMS: dict[tuple[str, ...], type] = {
    (marked("variant"),): VariantModel,
    (marked("list"), "*"): WeightModel,
    (marked("steps"), "*"): StepModel,
    (marked("attribute"),): LeafCondition,
    (marked("segment"),): SegmentCondition,
    (marked("flag"),): PrerequisiteCondition,
    (marked("all"),): AllCondition,
    (marked("any"),): AnyCondition,
    (marked("not"),): NotCondition,
    (marked("bucket"),): DrawCondition,
    (marked("bucket"), "bucket"): BucketModel,
    (marked("time"),): TimeCondition,
    (marked("time"), "time"): WindowModel,
    (marked("dialect"),): DialectCondition,
    (marked("read"),): ReaderCondition,
    (marked("ranges"),): RangesCondition,
    (marked("known"),): KnownCondition,
    (marked("broken"),): BrokenCondition,
    (marked("reader"),): ReaderModel,
}


_hint = lru_cache(1024)(did_you_mean)  # a newer server may send the same new field in every flag


def _fields(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The names that could have stood where an unknown one does."""
    place = tuple("*" if isinstance(key, int) or index == 1 else key for index, key in enumerate(loc[:-1]))
    model = _FORMS.get(place[-1:]) or _FORMS.get(place[-2:]) or _PLACES.get(place)
    return tuple(model.__annotations__) if model else ()
