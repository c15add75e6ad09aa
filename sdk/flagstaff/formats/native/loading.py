"""Reading a rules document: strictly, as a person's file is read, or leniently, as a server's answer is.

Strict: any problem at all is a RulesError that lists every one. Lenient: unknown fields are warnings, since
a newer server may send more; a broken flag, or one that stands on a broken part, is left out and reported;
only a document that is no rules document is a RulesError.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from flagstaff.core.rules import Rules
from flagstaff.errors import Problem, RulesError
from flagstaff.formats.suggest import did_you_mean

from .canonical import canonical
from .checks import check
from .document import (
    MARKS,
    AllCondition,
    AnyCondition,
    BucketModel,
    Document,
    DrawCondition,
    ExperimentModel,
    FlagModel,
    HoldoutModel,
    LayerModel,
    LeafCondition,
    MetricsModel,
    NotCondition,
    PrerequisiteCondition,
    RuleModel,
    SegmentCondition,
    StepModel,
    TimeCondition,
    VariantModel,
    WeightModel,
    WindowModel,
    marked,
)
from .graph import Part, taken_along
from .reading import plain, read
from .translate import translate

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["Loaded", "load"]

_ROUNDS = 8
"""What is wrong inside a part may show only when more obvious faults are gone, but not for ever."""

_SECTIONS = ("flags", "segments", "experiments", "layers", "holdouts")


class Loaded:
    """A document that was read: ``rules`` for the engine, ``warnings`` for people, and its canonical form."""

    def __init__(self, document: Document, rules: Rules, warnings: Iterable[Problem]) -> None:
        self.document: Document = document
        self.rules: Rules = rules
        self.warnings: tuple[Problem, ...] = tuple(warnings)

    @property
    def canonical(self) -> dict[str, Any]:
        """The document in canonical form, as plain data."""
        return canonical(self.document)

    @cached_property
    def canonical_json(self) -> bytes:
        """The canonical form as the server sends it: UTF-8 JSON."""
        import json

        return json.dumps(self.canonical, ensure_ascii=False, separators=(",", ":")).encode()


def load(
    data: bytes | Mapping[str, Any], *, suffix: str = ".json", source: str = "document", strict: bool = True
) -> Loaded:
    """Reads a rules document from bytes (by ``suffix``) or from plain data.

    RulesError lists what is wrong; see the module for what ``strict`` means.
    """
    try:
        return _load(data, suffix, source, strict)
    except RecursionError:
        raise RulesError([Problem("", "is nested too deep")], source) from None


def _load(data: bytes | Mapping[str, Any], suffix: str, source: str, strict: bool) -> Loaded:
    raw = read(bytes(data), suffix, source) if isinstance(data, bytes | bytearray) else plain(data)
    if not isinstance(raw, dict):
        raise RulesError([Problem("", f"a rules document is an object, not {type(raw).__name__}")], source)
    return _strictly(raw, source) if strict else _leniently(raw, source)


def _strictly(raw: dict[str, Any], source: str) -> Loaded:
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors(include_url=False)]
        raise RulesError(problems, source) from None
    found = check(document)
    if found.problems:
        raise RulesError([problem for _, problem in found.problems], source)
    return Loaded(document, translate(document, {}), ())


def _leniently(raw: dict[str, Any], source: str) -> Loaded:
    repair = _Repair(raw, source)
    document = repair.document()
    found = check(document, repair.malformed)
    broken = dict(repair.broken)
    for part, problem in found.problems:
        broken.setdefault(part, str(problem))
    causes = taken_along(broken, found.uses)
    malformed = {**repair.malformed, **_malformed(broken, causes)}
    problems = [problem for _, problem in found.problems]
    return Loaded(document, translate(_without(document, causes), malformed), [*repair.warnings, *problems])


def _malformed(broken: Mapping[Part, str], causes: Mapping[Part, Part]) -> dict[str, str]:
    """Why each flag that can't be decided can't."""
    return {
        part.name: broken[part] if part in broken else f"stands on a part that is broken: {broken[cause]}"
        for part, cause in causes.items()
        if part.section == "flags"
    }


def _without(document: Document, broken: Container[Part]) -> Document:
    """The document less the segments that are broken: nothing that is left refers to them."""
    segments = {
        name: given for name, given in document.segments.items() if Part("segments", name) not in broken
    }
    return document.model_copy(update={"segments": segments})


class _Repair:
    """Takes out of a document what the model refuses, for as long as that helps."""

    def __init__(self, raw: dict[str, Any], source: str) -> None:
        self._raw = raw
        self._source = source
        self.warnings: list[Problem] = []
        self.malformed: dict[str, str] = {}
        self.broken: dict[Part, str] = {}

    def document(self) -> Document:
        for _ in range(_ROUNDS):
            try:
                return Document.model_validate(self._raw)
            except ValidationError as error:
                self._take_out(error.errors(include_url=False))
        raise RulesError(self.warnings, self._source)

    def _take_out(self, items: Sequence[ErrorDetails]) -> None:
        self._raw = _copied(self._raw)
        unknown = [item for item in items if item["type"] == "extra_forbidden"]
        for item in items:
            if item["type"] != "extra_forbidden":
                self._drop_part(item, items)
        for item in unknown:
            self.warnings.append(_problem(item))
            _drop(self._raw, _keys(item))

    def _drop_part(self, item: ErrorDetails, items: Sequence[ErrorDetails]) -> None:
        if len(item["loc"]) < 2 or item["loc"][0] not in _SECTIONS:
            raise RulesError([_problem(item) for item in items], self._source)
        section, name = str(item["loc"][0]), item["loc"][1]
        problem = _problem(item)
        self.warnings.append(problem)
        parts = self._raw[section]
        for key in [name] if name in parts else [key for key in parts if not _is_name(key)]:
            self._forget(section, key, parts.pop(key), str(problem))

    def _forget(self, section: str, name: object, part: Any, why: str) -> None:
        if section == "flags" and isinstance(name, str):
            self.malformed[name] = why
        if section == "holdouts":  # without it, nobody would be held out
            held = part.get("experiments") if isinstance(part, dict) else None
            for experiment in held if isinstance(held, list) else []:
                self.broken[Part("experiments", str(experiment))] = why


def _is_name(key: object) -> bool:
    """Whether the model tells a key as it is: one that is no text, or no Unicode, it tells as best it can."""
    try:
        return isinstance(key, str) and bool(key.encode())
    except UnicodeEncodeError:
        return False


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _drop(raw: Any, keys: list[str | int]) -> None:
    *path, last = keys
    for key in path:
        try:
            raw = raw[key]
        except (KeyError, IndexError):
            return  # went with a part that was dropped
    raw.pop(last, None)


# -- telling people ---------------------------------------------------------------------------------------


def _keys(item: ErrorDetails) -> list[str | int]:
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


def _problem(item: ErrorDetails) -> Problem:
    keys = _keys(item)
    flag = keys[1] if len(keys) > 1 and keys[0] == "flags" else None
    return Problem(_path(keys), _message(item, keys), str(flag) if flag is not None else None)


def _message(item: ErrorDetails, keys: list[str | int]) -> str:
    kind, message = item["type"], item["msg"]
    if kind == "extra_forbidden":
        return f"no such field{did_you_mean(str(keys[-1]), _fields(item['loc']))}"
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

_PLACES: dict[tuple[str, ...], type[BaseModel]] = {
    (): Document,
    ("flags", "*"): FlagModel,
    ("flags", "*", "rules", "*"): RuleModel,
    ("experiments", "*"): ExperimentModel,
    ("experiments", "*", "metrics"): MetricsModel,
    ("layers", "*"): LayerModel,
    ("holdouts", "*"): HoldoutModel,
}
_FORMS: dict[tuple[str, ...], type[BaseModel]] = {
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
}


def _fields(loc: tuple[int | str, ...]) -> list[str]:
    """The names that could have stood where an unknown one does."""
    place = tuple("*" if isinstance(key, int) or index == 1 else key for index, key in enumerate(loc[:-1]))
    model = _FORMS.get(place[-1:]) or _FORMS.get(place[-2:]) or _PLACES.get(place)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []
