"""The tests of Flagsmith's conditions, and how it finds values and units.

An operand is text, and is read as what the value is: a number beside a number, text beside text. Where that
can't be done, and where there is no value, nothing holds, "not equal" included.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from flagstaff.core.conditions import semver_key
from flagstaff.core.context import Context
from flagstaff.core.patterns import compile_pattern, python_classes
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Reading

from .contexts import OWN
from .values import looks_like_a_number, seen, semver

__all__ = ["OPERATORS", "READERS"]


# -- tests -----------------------------------------------------------------------------------------


class _Operand(NamedTuple):
    """An operand, read as everything that it may be compared with."""

    text: str
    truth: bool
    whole: int | None
    decimal: float | None
    asks_for_version: bool
    version: tuple[Any, ...] | None


def _operand(given: Any) -> _Operand:
    if not isinstance(given, str):
        raise ValueError("must be text")
    truth = given not in ("False", "false")
    return _Operand(
        given, truth, _read(int, given), _read(float, given), given.endswith(":semver"), semver(given)
    )


def _read(kind: Callable[[str], Any], text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return None


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Prepared]:
    return lambda given: Prepared(partial(_compare, compare, _operand(given)), "memo")


def _equal(given: Any) -> Prepared:
    operand = _operand(given)
    test = partial(_compare, operator.eq, operand)
    if operand.asks_for_version or operand.decimal is not None:
        return Prepared(test, "memo")
    return Prepared(test, "text in", frozenset((given,)))


def _compare(compare: Callable[[Any, Any], bool], operand: _Operand, value: Any) -> bool:
    value = seen(value)
    other: Any
    if value is None:
        return False
    if isinstance(value, bool):
        other = operand.truth
    elif isinstance(value, int):
        other = operand.whole
    elif isinstance(value, float):
        other = operand.decimal
    elif operand.asks_for_version:
        value, other = semver_key(value), operand.version
    else:
        other = operand.text
    return value is not None and other is not None and compare(value, other)


def _contains(given: Any) -> Prepared:
    return Prepared(partial(_holds, _operand(given)))


def _holds(operand: _Operand, value: Any) -> bool:
    value = seen(value)
    return isinstance(value, str) and not operand.asks_for_version and operand.text in value


def _lacks(given: Any) -> Prepared:
    return Prepared(partial(_is_without, _operand(given).text))


def _is_without(text: str, value: Any) -> bool:
    value = seen(value)
    return isinstance(value, str) and text not in value


_ESCAPE = re.compile(r"\\.", re.DOTALL)


def _regex(given: Any) -> Prepared:
    if not isinstance(given, str):
        raise ValueError("must be text")
    written = _ESCAPE.sub(lambda match: r"\z" if match[0] == r"\Z" else match[0], given)
    return Prepared(partial(_begins, compile_pattern(f"\\A(?:{written})", python_classes)), "memo")


def _begins(found: Callable[[str], bool], value: Any) -> bool:
    value = seen(value)
    return value is not None and found(str(value))


def _modulo(given: Any) -> Prepared:
    parts = [_read(float, part) for part in given.split("|")] if isinstance(given, str) else []
    if len(parts) != 2 or None in parts or not parts[0]:
        raise ValueError("must be a divisor and a remainder, as in 4|3")
    return Prepared(partial(_leaves, *parts))


def _leaves(divisor: float, remainder: float, value: Any) -> bool:
    value = seen(value)
    if not isinstance(value, int | float):
        return False
    try:
        return value % divisor == remainder
    except OverflowError:
        return False


def _in(given: Any) -> Prepared:
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise ValueError("must be a list of texts")
    items = frozenset(given)
    if any(map(looks_like_a_number, items)):
        return Prepared(partial(_is_one_of, items))  # as which a number, or another text, may be meant
    return Prepared(partial(_is_one_of, items), "in", items)


def _is_one_of(items: frozenset[str], value: Any) -> bool:
    value = seen(value)
    return (str(value) if type(value) is int else value) in items


def _is_set(given: Any) -> Prepared:
    if not isinstance(given, bool):
        raise ValueError("must be true or false")
    return Prepared(partial(_is_there, given))


def _is_there(wanted: bool, value: Any) -> bool:
    return (value is not None) is wanted


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    "equal": _equal,
    "not_equal": _comparing(operator.ne),
    "greater_than": _comparing(operator.gt),
    "greater_than_inclusive": _comparing(operator.ge),
    "less_than": _comparing(operator.lt),
    "less_than_inclusive": _comparing(operator.le),
    "contains": _contains,
    "not_contains": _lacks,
    "regex": _regex,
    "modulo": _modulo,
    "in": _in,
    "set": _is_set,
}


# -- readers ---------------------------------------------------------------------------------------


def _value(argument: Any) -> Reading:
    """What a property names: a trait, or what lies on a path, unless a trait is called like it."""
    label, read = _property(argument)
    return Reading(label, read, Direct(label))


def _unit(argument: Any) -> Reading:
    """The same as text, to be hashed."""
    label, read = _property(argument)

    def unit(context: Context) -> str | None:
        value = seen(read(context))
        return None if value is None else str(value)

    if "environment" in argument:  # a key has an underscore, so it looks like no number
        return Reading(label, unit, Direct(prefix=f"{argument['environment']}_", unless=(label, OWN)))
    return Reading(label, unit)


def _key(argument: Any) -> Reading:
    """The key of the identity, which by default is made of the environment's and the identifier."""
    prefix = _text(argument) + "_"
    return Reading("identity.key", partial(_identity_key, prefix), Direct(prefix=prefix, unless=(OWN,)))


def _identity_key(prefix: str, context: Context) -> str | None:
    identifier = context.targeting_key
    own = context.attributes.get(OWN)
    if own is not None and own.get("key"):
        return str(own["key"])
    return None if identifier is None else f"{prefix}{identifier}"


def _property(argument: Any) -> tuple[str, Callable[[Context], Any]]:
    """From a name, and where nobody has a trait of that name: a way to the value, or the value itself."""
    if not isinstance(argument, dict):
        raise ValueError("must be an object")
    name = _text(argument.get("name"))
    otherwise = _otherwise(argument)

    def read(context: Context) -> Any:
        trait = context.attributes.get(name)
        return otherwise(context) if trait is None else trait

    return name, read


def _otherwise(argument: Mapping[str, Any]) -> Callable[[Context], Any]:
    if "environment" in argument:
        return partial(_identity_key, _text(argument["environment"]) + "_")
    if "trait" in argument:
        return partial(_walked, [*argument["trait"]])
    if argument.get("identifier") is True:
        return lambda context: context.targeting_key
    fixed = argument.get("value")
    return lambda _context: fixed


def _walked(steps: list[str | int], context: Context) -> Any:
    value: Any = context.attributes
    for step in steps:
        if isinstance(step, str) and isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return None if isinstance(value, Mapping | list) else value


def _text(argument: Any) -> str:
    if not isinstance(argument, str):
        raise ValueError("must be text")
    return argument


READERS: dict[str, Callable[[Any], Reading]] = {"value": _value, "unit": _unit, "key": _key}
