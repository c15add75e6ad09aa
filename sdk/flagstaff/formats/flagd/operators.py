"""flagd's own operators in JsonLogic: ``fractional``, ``sem_ver``, ``starts_with``, ``ends_with``.

Given something else than they take, they come to null.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from typing import Any

from mmh3 import mmh3_32_uintdigest

from flagstaff.core.buckets import hash32, unit_text
from flagstaff.core.context import Context
from flagstaff.core.prepared import Memo
from flagstaff.formats.javascript import is_number, text
from flagstaff.formats.jsonlogic import Operator, Writer

from .cbor import encoded
from .versions import SIGNS, Version, version

__all__ = ["data", "operators"]

_HEAVIEST = 2**31 - 1


def data(flag: str, context: Context, now: Callable[[], float]) -> Mapping[str, Any]:
    """Everything that a flag's targeting sees of a context."""
    known = {"$flagd": {"flagKey": flag, "timestamp": int(now())}}
    key = context.targeting_key
    return {**context.attributes, **known, **({} if key is None else {"targetingKey": key})}


def operators(flag: str, fractional: int) -> Mapping[str, Operator]:
    """The operators as they are in the targeting of a flag."""
    return {
        "fractional": partial(_fractional, flag, fractional),
        "sem_ver": _sem_ver,
        "starts_with": partial(_part, str.startswith),
        "ends_with": partial(_part, str.endswith),
    }


# -- texts and versions --------------------------------------------------------------------------------


def _part(found: Callable[[str, str], bool], writer: Writer, operands: Any) -> str:
    return f"{writer.constant(partial(_has_part, found))}({writer.values(operands)})"


def _has_part(found: Callable[[str, str], bool], values: Any) -> bool | None:
    if len(values) != 2 or not all(isinstance(value, str) for value in values):
        return None
    return found(values[0], values[1])


def _sem_ver(writer: Writer, operands: Any) -> str:
    if isinstance(operands, list | tuple) and len(operands) == 3:
        bound, sign = operands[2], operands[1]
        if isinstance(bound, str) and isinstance(sign, str) and sign in SIGNS:
            memo = Memo(partial(_compared, SIGNS[sign], version(bound)))
            name = writer.name()
            first = f"({name} := {writer.write(operands[0])})"
            other = f"{writer.constant(memo.__missing__)}({name})"
            return f"{writer.constant(memo)}[{name}] if {first}.__class__ is str else {other}"
    return f"{writer.constant(_versions)}({writer.values(operands)})"


def _compared(test: Callable[[Version, Version], bool], bound: Version | None, value: Any) -> bool | None:
    found = version(value)
    return None if found is None or bound is None else test(found, bound)


def _versions(values: Any) -> bool | None:
    test = SIGNS.get(text(values[1])) if len(values) == 3 else None
    return None if test is None else _compared(test, version(values[2]), values[0])


# -- fractional ----------------------------------------------------------------------------------------


def _fractional(flag: str, edition: int, writer: Writer, operands: Any) -> str:
    arms = [*operands] if isinstance(operands, list | tuple) else []
    first = arms.pop(0) if arms and not isinstance(arms[0], list | tuple) else None
    stops = _stops(arms)
    anyhow = f"{writer.constant(partial(_drawn, flag, edition))}({writer.values(operands)}, c.targeting_key)"
    if edition != 2 or stops is None:
        return anyhow
    names = writer.constant([arm[0] for arm in arms])
    cuts = writer.constant([-(-stop * 2**32 // stops[-1]) for stop in stops])
    name, by = writer.name(), writer.name()
    hashed = f"{writer.constant(mmh3_32_uintdigest)}({name}.encode()) if {name}.isascii()"
    hashed = f"{hashed} else {writer.constant(hash32)}({name})"
    drawn = f"{names}[{writer.constant(bisect_right)}({cuts}, {hashed})]"
    key = f"{writer.constant(flag)} + {by} if type({by} := c.targeting_key) is str and {by}"
    key = f"({key} else {writer.constant(partial(_key, flag))}({by}))"
    if first is None:
        return f"{drawn} if ({name} := {key}) is not None else None"
    said = writer.name()
    own = f"{said} if ({said} := {writer.write(first)}).__class__ is str"
    unit = f"({name} := {own} else {key} if {said} is None else None)"
    return f"{drawn} if {unit} is not None else None if {said} is None else {anyhow}"


def _stops(arms: list[Any]) -> list[int] | None:
    """The running totals of the weights, if they are known beforehand and every arm may be drawn."""
    for arm in arms:
        if not isinstance(arm, list | tuple) or not 0 < len(arm) < 3 or not isinstance(arm[0], str):
            return None
        if len(arm) == 2 and (type(arm[1]) is not int or arm[1] < 0):
            return None
    stops = [*accumulate(arm[1] if len(arm) == 2 else 1 for arm in arms)]
    return stops if stops and 0 < stops[-1] <= _HEAVIEST else None


def _key(flag: str, targeting_key: Any) -> str | None:
    unit = unit_text(targeting_key)
    return f"{flag}{unit}" if unit else None


def _drawn(flag: str, edition: int, values: Any, targeting_key: Any) -> Any:
    by: Any = None
    arms = [*values]
    named = bool(arms) and not isinstance(arms[0], list | tuple)
    if named:
        by = arms.pop(0)
    weighed = _weighed(arms)
    if weighed is None:
        return None
    if edition == 3:
        return _by_bytes(flag, by, named, weighed, targeting_key)
    drawn = by if isinstance(by, str) else _key(flag, targeting_key) if by is None else None
    if drawn is None:
        return None
    number = hash32(drawn)
    return _by_percent(number, weighed) if edition == 1 else _by_weight(number, weighed)


def _weighed(arms: list[Any]) -> list[tuple[Any, int]] | None:
    weighed = []
    for arm in arms:
        if not isinstance(arm, list | tuple) or not 0 < len(arm) < 3 or not _is_name(arm[0]):
            return None
        weight = arm[1] if len(arm) == 2 else 1
        if not is_number(weight) or weight != weight // 1:
            return None
        weighed.append((arm[0], max(0, int(weight))))
    return weighed if 0 < sum(weight for _, weight in weighed) <= _HEAVIEST else None


def _is_name(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _by_weight(number: int, weighed: list[tuple[Any, int]]) -> Any:
    total = sum(weight for _, weight in weighed)
    bucket = number * total >> 32
    for name, weight in weighed:
        bucket -= weight
        if bucket < 0:
            return name
    return None


def _by_percent(number: int, weighed: list[tuple[Any, int]]) -> Any:
    total = sum(weight for _, weight in weighed)
    signed = number - 2**32 if number >= 2**31 else number
    bucket, end = int(abs(signed) / 2147483647 * 100), 0.0
    for name, weight in weighed:
        end += weight * 100 / total
        if bucket < end:
            return name
    return None


def _by_bytes(flag: str, by: Any, named: bool, weighed: list[tuple[Any, int]], targeting_key: Any) -> Any:
    """The third: of any value, in deterministic CBOR, or of the flag and the targeting key."""
    if not named:
        by = [flag, targeting_key] if isinstance(targeting_key, str) and targeting_key else None
    if by is None:
        return None
    try:
        return _by_weight(mmh3_32_uintdigest(encoded(by)), weighed)
    except ValueError:
        return None
