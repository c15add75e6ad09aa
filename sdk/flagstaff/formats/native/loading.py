"""Reading a rules document: strictly, as a person's file is read, or leniently, as a server's answer is.

Strict: any problem at all is a RulesError that lists every one. Lenient: unknown fields are warnings, since
a newer server may send more; a broken flag, or one that stands on a broken part, is left out and reported;
only a document that is no rules document is a RulesError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from flagstaff.core.rules import Rules
from flagstaff.errors import Problem, RulesError
from flagstaff.formats.suggest import did_you_mean

from .canonical import canonical
from .checks import Found, Part, check, standing_on
from .document import (
    Document,
    ExperimentModel,
    FlagModel,
    HoldoutModel,
    LayerModel,
    MetricsModel,
    RuleModel,
    VariantModel,
)
from .reading import plain, read
from .translate import translate

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
    raw = read(data, suffix, source) if isinstance(data, bytes | bytearray) else plain(data)
    if not isinstance(raw, dict):
        raise RulesError([Problem("", f"a rules document is an object, not {type(raw).__name__}")], source)
    return _strictly(raw, source) if strict else _leniently(raw, source)


def _strictly(raw: dict[str, Any], source: str) -> Loaded:
    try:
        document = Document.model_validate(raw)
    except ValidationError as error:
        raise RulesError(_problems(error), source) from None
    found = check(document)
    if found.problems:
        raise RulesError([problem for _, problem in found.problems], source)
    return Loaded(document, translate(document, {}), ())


def _leniently(raw: dict[str, Any], source: str) -> Loaded:
    repair = _Repair(raw, source)
    document = repair.document()
    found = check(document)
    malformed = {**repair.malformed, **_malformed(document, found)}
    problems = [problem for _, problem in found.problems]
    return Loaded(document, translate(_without(document, found), malformed), [*repair.warnings, *problems])


def _malformed(document: Document, found: Found) -> dict[str, str]:
    """Why each flag that can't be decided can't."""
    broken: dict[Part, str] = {}
    for part, problem in found.problems:
        broken.setdefault(part, str(problem))
    reached = standing_on(broken, found.uses)
    flags = (part for part in reached if part.section == "flags" and part.name in document.flags)
    return {part.name: broken.get(part) or _because(part, broken, found) for part in flags}


def _because(part: Part, broken: Mapping[Part, str], found: Found) -> str:
    for cause, text in broken.items():
        if cause.section != "flags" and part in standing_on([cause], found.uses):
            return f"stands on a part that is broken: {text}"
    raise AssertionError(part)


def _without(document: Document, found: Found) -> Document:
    """The document less the segments that are broken: nothing that is left refers to them."""
    broken = standing_on([part for part, _ in found.problems], found.uses)
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

    def document(self) -> Document:
        for _ in range(_ROUNDS):
            try:
                return Document.model_validate(self._raw)
            except ValidationError as error:
                self._take_out(error)
        raise RulesError(self.warnings, self._source)

    def _take_out(self, error: ValidationError) -> None:
        unknown = [item for item in error.errors() if item["type"] == "extra_forbidden"]
        broken = [item for item in error.errors() if item["type"] != "extra_forbidden"]
        fatal = [item for item in broken if len(item["loc"]) < 2 or item["loc"][0] not in _SECTIONS]
        if fatal:
            raise RulesError(_problems(error), self._source) from None
        self._raw = _copied(self._raw)
        for item in broken:
            self._drop_part(item)
        for item in unknown:
            self.warnings.append(_problem(item))
            _drop(self._raw, _keys(item["loc"]))

    def _drop_part(self, item: Any) -> None:
        section, name = item["loc"][:2]
        problem = _problem(item)
        self.warnings.append(problem)
        self._raw[section].pop(name, None)
        if section == "flags":
            self.malformed.setdefault(name, str(problem))


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


def _keys(loc: tuple[int | str, ...]) -> list[str | int]:
    """The place in the document, without the marks by which pydantic tells the forms of a value apart."""
    return [part for index, part in enumerate(loc) if index < 2 or not str(part).startswith("~")]


def _path(keys: list[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def _problems(error: ValidationError) -> list[Problem]:
    return [_problem(item) for item in error.errors()]


def _problem(item: Any) -> Problem:
    keys = _keys(item["loc"])
    flag = keys[1] if len(keys) > 1 and keys[0] == "flags" else None
    return Problem(_path(keys), _message(item, keys), str(flag) if flag is not None else None)


def _message(item: Any, keys: list[str | int]) -> str:
    kind, message = item["type"], str(item["msg"])
    if kind == "extra_forbidden":
        return f"no such field{did_you_mean(str(keys[-1]), _fields(keys))}"
    if kind == "missing":
        return "is missing"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    if kind == "literal_error":
        return message + did_you_mean(
            str(item["input"]), item["ctx"]["expected"].replace("'", "").split(", ")
        )
    return message


_FIELDS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Document,
    ("flags", "*"): FlagModel,
    ("flags", "*", "variants", "*"): VariantModel,
    ("flags", "*", "rules", "*"): RuleModel,
    ("experiments", "*"): ExperimentModel,
    ("experiments", "*", "metrics"): MetricsModel,
    ("layers", "*"): LayerModel,
    ("holdouts", "*"): HoldoutModel,
}


def _fields(keys: list[str | int]) -> list[str]:
    """The names that could have stood where an unknown one does; none inside conditions, which say theirs."""
    place = tuple(
        "*" if isinstance(key, int) or index == 1 or keys[index - 1] == "variants" else key
        for index, key in enumerate(keys[:-1])
    )
    model = _FIELDS.get(place)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []
