"""Optimizely's tests of attributes, and whom it draws.

A test is unknown, neither true nor false, where an attribute is missing or of a type that it has no answer
for. Numbers beyond 2^53 are no numbers to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from flagstaff.core.buckets import unit_text
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Reading

from .contexts import EXTRA
from .versions import Version, compare, read

if TYPE_CHECKING:
    from flagstaff.core.context import Context

__all__ = ["BUCKETING_ID", "OPERATORS", "READERS", "is_number"]

BUCKETING_ID = "$opt_bucketing_id"
"""The attribute that is drawn by in place of the user's id, if it is text."""

_MOST = 2**53


def _unknown(_value: Any) -> None:
    return None


def _prepare_unknown(_operand: Any) -> Prepared:
    return Prepared(_unknown)


# -- values ----------------------------------------------------------------------------------------


def is_number(value: object) -> bool:
    """Whether a value is a number here: no boolean, and not beyond 2^53."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _MOST


def _exact(operand: Any) -> Prepared:
    if isinstance(operand, str):
        return Prepared(partial(_is_text, operand), "==", operand)
    if isinstance(operand, bool):
        return Prepared(partial(_is_boolean, operand))
    return _order(lambda sign: sign == 0)(operand)


def _is_text(operand: str, value: Any) -> bool | None:
    return value == operand if isinstance(value, str) else None


def _is_boolean(operand: bool, value: Any) -> bool | None:
    return value is operand if isinstance(value, bool) else None


def _order(accepts: Callable[[int], bool]) -> Callable[[Any], Prepared]:
    def prepare_order(operand: Any) -> Prepared:
        return Prepared(partial(_compare, accepts, operand) if is_number(operand) else _unknown)

    return prepare_order


def _compare(accepts: Callable[[int], bool], operand: float, value: Any) -> bool | None:
    return accepts((value > operand) - (value < operand)) if is_number(value) else None


def _substring(operand: Any) -> Prepared:
    return Prepared(partial(_holds, operand) if isinstance(operand, str) else _unknown)


def _holds(operand: str, value: Any) -> bool | None:
    return operand in value if isinstance(value, str) else None


def _version(accepts: Callable[[int], bool]) -> Callable[[Any], Prepared]:
    def prepare_version(operand: Any) -> Prepared:
        target = read(operand) if isinstance(operand, str) else None
        return (
            Prepared(_unknown) if target is None else Prepared(partial(_is_version, accepts, target), "memo")
        )

    return prepare_version


def _is_version(accepts: Callable[[int], bool], target: Version, value: Any) -> bool | None:
    version = read(value) if isinstance(value, str) else None
    sign = None if version is None else compare(version, target)
    return None if sign is None else accepts(sign)


def _qualified(operand: Any) -> Prepared:
    return Prepared(partial(_is_in, operand) if isinstance(operand, str) else _unknown)


def _is_in(operand: str, value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and operand in value


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    "exact": _exact,
    "gt": _order(lambda sign: sign > 0),
    "ge": _order(lambda sign: sign >= 0),
    "lt": _order(lambda sign: sign < 0),
    "le": _order(lambda sign: sign <= 0),
    "substring": _substring,
    "semver_eq": _version(lambda sign: sign == 0),
    "semver_gt": _version(lambda sign: sign > 0),
    "semver_ge": _version(lambda sign: sign >= 0),
    "semver_lt": _version(lambda sign: sign < 0),
    "semver_le": _version(lambda sign: sign <= 0),
    "qualified": _qualified,
    "unknown": _prepare_unknown,
}
"""Every match type, and the one for all others. What can't be compared is unknown to everybody."""


# -- where things are found ------------------------------------------------------------------------


def _bucketing_id(_argument: Any) -> Reading:
    return Reading("targeting_key", _read_bucketing_id, Direct(unless=(BUCKETING_ID,)))


def _read_bucketing_id(context: Context) -> str | None:
    own = context.attributes.get(BUCKETING_ID)
    if isinstance(own, str):
        return own
    key = context.targeting_key
    return key if isinstance(key, str) else unit_text(key)


def _segments(_argument: Any) -> Reading:
    return Reading("qualified segments", _read_segments)


def _read_segments(context: Context) -> Any:
    extra = context.attributes.get(EXTRA)
    return extra.get("qualified_segments") if isinstance(extra, Mapping) else None


def _attribute(argument: Any) -> Reading:
    """An attribute whose name is nothing that a plain path may hold."""
    if not isinstance(argument, str):
        raise ValueError("must be the name of an attribute")
    return Reading(argument, partial(_read_attribute, argument), Direct(argument, always=True))


def _read_attribute(name: str, context: Context) -> Any:
    return context.attributes.get(name)


READERS: dict[str, Callable[[Any], Reading]] = {
    "bucketing_id": _bucketing_id,
    "segments": _segments,
    "attribute": _attribute,
}
