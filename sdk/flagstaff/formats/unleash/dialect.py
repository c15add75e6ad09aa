"""The tests of Unleash's constraints, and how it finds the unit that it draws.

A value that isn't there passes no test, so the negation of any test holds for it. Everything is compared as
text, whatever it was.
"""

from __future__ import annotations

import operator
import random
import re
import socket
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from os import environ
from typing import Any

from flagstaff.core.context import Context
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Reading
from flagstaff.formats.rust import rust_pattern

from .values import instant, number, text, version

__all__ = ["OPERATORS", "READERS"]


# -- tests -----------------------------------------------------------------------------------------

_LIKE_A_SCALAR = re.compile(r"[-+0-9.]|(?:true|false|none|nan|inf)", re.IGNORECASE)


def _texts(operand: Any) -> tuple[str, ...]:
    if not isinstance(operand, list | tuple) or not all(isinstance(item, str) for item in operand):
        raise ValueError("must be a list of texts")
    return tuple(operand)


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise ValueError("must be text")
    return operand


def _in(operand: Any) -> Prepared:
    items = frozenset(_texts(operand))
    if any(map(_LIKE_A_SCALAR.match, items)):
        return Prepared(partial(_is_one_of, items), "text in", items)  # a number may be meant by its text
    return Prepared(partial(_is_one_of, items), "in", items)


def _is_one_of(items: frozenset[str], value: Any) -> bool:
    return text(value) in items


def _any_part(found: Callable[[str, tuple[str, ...]], bool], folded: bool) -> Callable[[Any], Prepared]:
    def prepare(operand: Any) -> Prepared:
        parts = _texts(operand)
        if folded:
            return Prepared(partial(_has_part_folded, found, tuple(part.lower() for part in parts)))
        return Prepared(partial(_has_part, found, parts))

    return prepare


def _has_part(found: Callable[[str, tuple[str, ...]], bool], parts: tuple[str, ...], value: Any) -> bool:
    written = text(value)
    return written is not None and found(written, parts)


def _has_part_folded(
    found: Callable[[str, tuple[str, ...]], bool], parts: tuple[str, ...], value: Any
) -> bool:
    written = text(value)
    return written is not None and found(written.lower(), parts)


def _contains(written: str, parts: tuple[str, ...]) -> bool:
    return any(part in written for part in parts)


def _ordered(
    read: Callable[[str], Any], compare: Callable[[Any, Any], bool], form: str
) -> Callable[[Any], Prepared]:
    def prepare(operand: Any) -> Prepared:
        bound = read(_text(operand).strip())
        if bound is None:
            raise ValueError(f"must be a {read.__name__}, not {operand!r}")
        return Prepared(partial(_compare, read, compare, bound), form)

    return prepare


def _compare(read: Callable[[str], Any], compare: Callable[[Any, Any], bool], bound: Any, value: Any) -> bool:
    written = text(value)
    found = None if written is None else read(written)
    return found is not None and compare(found, bound)


def _nearly(value: float, bound: float) -> bool:
    return abs(value - bound) < 2.0**-52


_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def _regex(operand: Any) -> Prepared:
    return Prepared(partial(_finds, rust_pattern(_text(operand))), "memo")


def _finds(found: Callable[[str], bool], value: Any) -> bool:
    written = text(value)
    return written is not None and found(written)


_NETWORK = re.compile(r"[0-9A-Fa-f.:]+(?:/\+?[0-9]{1,3}|/(?P<mask>[0-9]+(?:\.[0-9]+){3}))?")


def _in_cidr(operand: Any) -> Prepared:
    networks = tuple(network for item in _texts(operand) if (network := _network(item)) is not None)
    return Prepared(partial(_is_in, networks), "memo")


def _network(written: str) -> IPv4Network | IPv6Network | None:
    match = _NETWORK.fullmatch(written)
    try:
        network = ip_network(written.replace("/+", "/"), strict=False) if match else None
    except ValueError:
        return None
    # Python also takes a mask of those parts that may vary.
    mask = match and match["mask"]
    return network if network is None or mask in (None, str(network.netmask)) else None


def _is_in(networks: tuple[IPv4Network | IPv6Network, ...], value: Any) -> bool:
    written = text(value)
    if written is None or _network(written) is None or "/" in written:
        return False
    address = ip_address(written)
    return any(address in network for network in networks)


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    "in": _in,
    "contains": _any_part(_contains, folded=False),
    "starts_with": _any_part(str.startswith, folded=False),
    "ends_with": _any_part(str.endswith, folded=False),
    "contains_ignoring_case": _any_part(_contains, folded=True),
    "starts_with_ignoring_case": _any_part(str.startswith, folded=True),
    "ends_with_ignoring_case": _any_part(str.endswith, folded=True),
    "regex": _regex,
    "in_cidr": _in_cidr,
    **{f"num_{name}": _ordered(number, order, "") for name, order in _ORDERS.items()},
    "num_eq": _ordered(number, _nearly, ""),
    **{f"date_{name}": _ordered(instant, order, "memo") for name, order in _ORDERS.items()},
    **{f"semver_{name}": _ordered(version, order, "memo") for name, order in _ORDERS.items()},
}


# -- readers ---------------------------------------------------------------------------------------


def _attribute(argument: Any) -> Reading:
    """An attribute whose name a path can't have."""
    name = _text(argument)
    return Reading(name, lambda context: context.attributes.get(name), Direct(name, always=True))


def _field(argument: Any) -> Reading:
    """A field of the context, or what the service has said once."""
    if not isinstance(argument, dict) or not isinstance(argument.get("otherwise"), str):
        raise ValueError("must be an object with the texts name and otherwise")
    name, otherwise = _text(argument.get("name")), argument["otherwise"]

    def read(context: Context) -> Any:
        value = context.attributes.get(name)
        return otherwise if value is None else value

    return Reading(name, read, Direct(name))


def _unit(argument: Any) -> Reading:
    """What is drawn under a stickiness: by default a user, else a session, else anything."""
    return Reading(_label(argument), _unit_reader(_text(argument)), _straight(argument))


def _straight(argument: str) -> Direct | None:
    """Where a unit is found nearly always."""
    if argument in ("default", "userId"):
        return Direct()
    return None if argument == "random" else Direct(argument)


def _unit_or_random(argument: Any) -> Reading:
    """The same, and anything where it isn't there."""
    read = _unit_reader(_text(argument))
    if read is _default or read is _random:
        return Reading(_label(argument), read, _straight(argument))

    def read_or_draw(context: Context) -> str:
        unit = read(context)
        return _draw() if unit is None else unit

    return Reading(_label(argument), read_or_draw, _straight(argument))


def _identity(argument: Any) -> Reading:
    """Who it is that is drawn, as far as it is somebody."""
    read = _unit_reader(_text(argument))
    if read is _random:
        read = _nobody
    elif read is _default:
        read = _user_or_session
    return Reading(_label(argument), read)


def _label(argument: Any) -> str:
    name = _text(argument)
    return "userId, sessionId or a random number" if name == "default" else name


def _unit_reader(name: str) -> Callable[[Context], str | None]:
    return _UNITS.get(name) or (lambda context: text(context.attributes.get(name)))


def _default(context: Context) -> str:
    key = context.targeting_key
    if key.__class__ is str:
        return key
    unit = _user_or_session(context)
    return _draw() if unit is None else unit


def _user(context: Context) -> str | None:
    return text(context.targeting_key)


def _user_or_session(context: Context) -> str | None:
    unit = text(context.targeting_key)
    return text(context.attributes.get("sessionId")) if unit is None else unit


def _random(_context: Context) -> str:
    return _draw()


def _nobody(_context: Context) -> None:
    return None


def _now(context: Context) -> str:
    """The point in time; now, no two are alike."""
    moment = text(context.attributes.get("currentTime"))
    return _draw() if moment is None else moment


def _draw() -> str:
    return str(random.randint(1, 9999))  # noqa: S311  # as good as any


_UNITS: Mapping[str, Callable[[Context], str | None]] = {
    "default": _default,
    "random": _random,
    "userId": _user,
    "currentTime": _now,
}


def _number(argument: Any) -> Reading:
    """A random number between two."""
    if not isinstance(argument, list) or len(argument) != 2 or not all(type(end) is int for end in argument):
        raise ValueError("must be a list of two whole numbers")
    low, high = sorted(argument)
    return Reading(
        f"a random number from {low} to {high}",
        lambda _context: random.randint(low, high),  # noqa: S311  # as good as any
    )


def _hostname(argument: Any) -> Reading:
    if argument is not None:
        raise ValueError("must be null")
    name = (environ.get("hostname") or socket.gethostname()).lower()  # noqa: SIM112 - Unleash's own variable
    return Reading("the name of this machine", lambda _context: name)


READERS: dict[str, Callable[[Any], Reading]] = {
    "attribute": _attribute,
    "field": _field,
    "unit": _unit,
    "unit_or_random": _unit_or_random,
    "identity": _identity,
    "random": _number,
    "hostname": _hostname,
}
