"""The tests of Eppo's conditions, and how it finds a subject.

A value that isn't there, or can't be compared, passes no test and no negation of one.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from flagstaff.core.buckets import unit_text
from flagstaff.core.context import Context
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Reading
from flagstaff.formats.rust import rust_pattern

from .values import number, text, version

__all__ = ["OPERATORS", "READERS"]

_LIKE_A_SCALAR = re.compile(r"[-0-9]|true$|false$|inf$|NaN$")


# -- tests -----------------------------------------------------------------------------------------


def _one_of(wanted: bool) -> Callable[[Any], Prepared]:
    def prepare(operand: Any) -> Prepared:
        if not isinstance(operand, list | tuple) or not all(isinstance(item, str) for item in operand):
            raise ValueError("must be a list of texts")
        items = frozenset(operand)
        test = partial(_is_one_of, items, wanted)
        if not wanted:
            return Prepared(test, "text not in", items)
        return Prepared(test, "text in" if any(map(_LIKE_A_SCALAR.match, items)) else "in", items)

    return prepare


def _is_one_of(items: frozenset[str], wanted: bool, value: Any) -> bool | None:
    written = text(value)
    return None if written is None else (written in items) is wanted


def _matches(wanted: bool) -> Callable[[Any], Prepared]:
    def prepare(operand: Any) -> Prepared:
        found = rust_pattern(_text(operand))
        return Prepared(partial(_finds, found, wanted), "memo")

    return prepare


def _finds(found: Callable[[str], bool], wanted: bool, value: Any) -> bool | None:
    written = text(value)
    return None if written is None else found(written) is wanted


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Prepared]:
    def prepare(operand: Any) -> Prepared:
        bound = version(operand)
        if bound is not None:
            return Prepared(partial(_compare, version, compare, bound), "memo")
        bound = number(operand)
        if bound is None:
            raise ValueError("must be a number or a semantic version")
        return Prepared(partial(_compare, number, compare, bound))

    return prepare


def _compare(
    read: Callable[[Any], Any], compare: Callable[[Any, Any], bool], bound: Any, value: Any
) -> bool | None:
    found = read(value)
    return None if found is None else compare(found, bound)


def _is_null(operand: Any) -> Prepared:
    if not isinstance(operand, bool):
        raise ValueError("must be true or false")
    return Prepared(lambda value: (value is None) is operand)


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise ValueError("must be text")
    return operand


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    "one_of": _one_of(True),
    "not_one_of": _one_of(False),
    "matches": _matches(True),
    "not_matches": _matches(False),
    "gt": _compared(operator.gt),
    "gte": _compared(operator.ge),
    "lt": _compared(operator.lt),
    "lte": _compared(operator.le),
    "is_null": _is_null,
}


# -- readers ---------------------------------------------------------------------------------------


def _attribute(argument: Any) -> Reading:
    """An attribute; ``id`` is the subject's key unless the caller says otherwise."""
    name = _text(argument)
    if name == "id":
        return Reading(name, _id, Direct(unless=("id",), always=True))
    return Reading(name, lambda context: context.attributes.get(name), Direct(name, always=True))


def _id(context: Context) -> Any:
    return context.attributes.get("id", context.targeting_key)


def _subject(argument: Any) -> Reading:
    if argument is not None:
        raise ValueError("must be null")
    return Reading("targeting_key", _key, Direct())


def _key(context: Context) -> str | None:
    """The subject's key as text, which may be empty."""
    key = context.targeting_key
    return key if isinstance(key, str) else unit_text(key)


READERS: dict[str, Callable[[Any], Reading]] = {"attribute": _attribute, "subject": _subject}
