"""The native operators: small total predicates over one attribute's value.

A predicate answers True, False or None, *unknown*: the value is absent or of a type that the
operator has no answer for. Unknown is neither true nor false, so neither a condition nor its negation
holds. Numbers never compare with text, and booleans are no numbers.

An operator's operand is checked and prepared once, when rules are loaded. A predicate may raise only
where the value itself does (a user's ``__eq__``): the caller takes that for unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from .patterns import compile_pattern
from .prepared import MAX_TEXT, Predicate, Prepared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["OPERATORS", "parse_instant", "prepare", "semver_key"]

_T = TypeVar("_T")

# -- what operands and values are --------------------------------------------------------------


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scalar(operand: Any) -> Any:
    if type(operand) is str:
        return operand
    if isinstance(operand, str | bool) or _is_number(operand):
        if isinstance(operand, float) and not math.isfinite(operand):
            raise ValueError("must be a finite number")
        return operand
    raise ValueError(f"must be text, a number or a boolean, not {_kind(operand)}")


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise ValueError(f"must be text, not {_kind(operand)}")
    return operand


def _number(operand: Any) -> int | float:
    if not _is_number(operand) or (isinstance(operand, float) and not math.isfinite(operand)):
        raise ValueError(f"must be a finite number, not {_kind(operand)}")
    number: int | float = operand
    return number


def _one_or_more(operand: Any, check: Callable[[Any], _T]) -> tuple[_T, ...]:
    items = operand if isinstance(operand, list | tuple) else [operand]
    if not items:
        raise ValueError("must not be empty")
    return tuple(map(check, items))


def _kind(value: object) -> str:
    names = {bool: "a boolean", str: "text", list: "a list", dict: "a table", type(None): "null"}
    names |= {int: "a number", float: f"the number {value}", datetime: "a point in time"}
    return names.get(type(value), type(value).__name__)


# -- equality and membership ---------------------------------------------------------------------


def _eq(operand: Any) -> Prepared:
    return _membership((_scalar(operand),))


def _in(operand: Any) -> Prepared:
    if not isinstance(operand, list | tuple):
        raise ValueError(f"must be a list, not {_kind(operand)}")
    return _membership(_one_or_more(operand, _scalar))


def _membership(items: tuple[Any, ...]) -> Prepared:
    if {*map(type, items)} == {str} or all(isinstance(item, str) for item in items):
        texts = frozenset(items)
        if len(items) == 1:
            return Prepared(partial(_equals_text, items[0]), "==", items[0])
        return Prepared(partial(_is_one_of_texts, texts), "in", texts)
    flags = frozenset(item for item in items if isinstance(item, bool))
    others = frozenset(item for item in items if not isinstance(item, bool))
    return Prepared(partial(_is_one_of, flags, others))


def _equals_text(operand: str, value: Any) -> bool | None:
    if value == operand:
        return True
    return False if isinstance(value, str | int | float) else None


def _is_one_of_texts(texts: frozenset[str], value: Any) -> bool | None:
    try:
        if value in texts:
            return True
    except TypeError:  # a list or a table, which can't be looked up
        return None
    return False if isinstance(value, str | int | float) else None


def _is_one_of(flags: frozenset[bool], others: frozenset[Any], value: Any) -> bool | None:
    if isinstance(value, bool):
        return value in flags
    return value in others if isinstance(value, str | int | float) else None


def _negated(build: Callable[[Any], Prepared]) -> Callable[[Any], Prepared]:
    def prepare_negation(operand: Any) -> Prepared:
        test, form, texts = build(operand)
        opposite = partial(_opposite, test)
        if not form:
            return Prepared(opposite)
        return Prepared(opposite, "text not in", frozenset((texts,)) if form == "==" else texts)

    return prepare_negation


def _opposite(test: Predicate, value: Any) -> bool | None:
    answer = test(value)
    return None if answer is None else not answer


# -- order ------------------------------------------------------------------------------------------


def _order(accepts: Callable[[Any], bool]) -> Callable[[Any], Prepared]:
    """An operator on numbers from a test of the sign of ``value - operand``."""

    def prepare_order(operand: Any) -> Prepared:
        return Prepared(partial(_compare_number, accepts, _number(operand)))

    return prepare_order


def _compare_number(accepts: Callable[[int], bool], operand: float, value: Any) -> bool | None:
    if not _is_number(value) or (isinstance(value, float) and math.isnan(value)):
        return None
    return accepts((value > operand) - (value < operand))


def _is_zero(sign: int) -> bool:
    return sign == 0


def _is_not_zero(sign: int) -> bool:
    return sign != 0


def _is_negative(sign: int) -> bool:
    return sign < 0


def _is_not_positive(sign: int) -> bool:
    return sign <= 0


def _is_positive(sign: int) -> bool:
    return sign > 0


def _is_not_negative(sign: int) -> bool:
    return sign >= 0


# -- text -------------------------------------------------------------------------------------------


def _contains(operand: Any) -> Prepared:
    items = _one_or_more(operand, _scalar)
    texts = tuple(item for item in items if isinstance(item, str))
    return Prepared(partial(_holds_any, texts, _membership(items).test))


def _holds_any(texts: tuple[str, ...], is_one: Predicate, value: Any) -> bool | None:
    if isinstance(value, str):
        return any(text in value for text in texts) if texts else None
    if isinstance(value, list | tuple | set | frozenset):
        return any(is_one(item) for item in value)
    return None


def _affix(name: str) -> Callable[[Any], Prepared]:
    has_affix: Callable[[str, tuple[str, ...]], bool] = getattr(str, name)

    def prepare_affix(operand: Any) -> Prepared:
        return Prepared(partial(_has_affix, has_affix, _one_or_more(operand, _text)))

    return prepare_affix


def _has_affix(
    has: Callable[[str, tuple[str, ...]], bool], texts: tuple[str, ...], value: Any
) -> bool | None:
    return has(value, texts) if isinstance(value, str) else None


def _matches(operand: Any) -> Prepared:
    found = compile_pattern(_text(operand))
    return Prepared(partial(_finds, found), "memo")


def _finds(found: Callable[[str], bool], value: Any) -> bool | None:
    return found(value) if isinstance(value, str) else None


# -- versions ---------------------------------------------------------------------------------------

_NUMERIC = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMERIC}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMVER = re.compile(
    rf"({_NUMERIC})\.({_NUMERIC})\.({_NUMERIC})"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)

_SemverKey = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def semver_key(text: str) -> _SemverKey | None:
    """A key that orders versions as Semantic Versioning 2.0.0 §11 does, or None where it is none.

    Strict: three numeric parts, no leading ``v``; build metadata doesn't count.
    """
    match = _SEMVER.fullmatch(text) if len(text) <= MAX_TEXT else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    return int(major), int(minor), int(patch), prerelease is None, _prerelease_key(prerelease)


def _prerelease_key(prerelease: str | None) -> tuple[tuple[bool, int, str], ...]:
    parts = prerelease.split(".") if prerelease else []
    return tuple((False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts)


def _semver(accepts: Callable[[int], bool]) -> Callable[[Any], Prepared]:
    def prepare_semver(operand: Any) -> Prepared:
        key = semver_key(_text(operand))
        if key is None:
            raise ValueError(f"must be a semantic version such as 4.2.0, not {operand!r}")
        return Prepared(partial(_compare_semver, accepts, key), "memo")

    return prepare_semver


def _compare_semver(accepts: Callable[[int], bool], operand: _SemverKey, value: Any) -> bool | None:
    key = semver_key(value) if isinstance(value, str) else None
    if key is None:
        return None
    return accepts((key > operand) - (key < operand))


# -- points in time ---------------------------------------------------------------------------------

_HOUR_MINUTE = r"(?:[01]\d|2[0-3]):[0-5]\d"  # what lies beyond, not every version of Python refuses
_RFC3339 = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)[Tt ]({_HOUR_MINUTE}:\d\d)(?:\.(\d{{1,18}}))?([Zz]|[+-]{_HOUR_MINUTE})", re.ASCII
)


def parse_instant(value: Any) -> float | None:
    """Seconds since the epoch of RFC 3339 text or of a ``datetime`` with a zone; None for all else."""
    if isinstance(value, str):
        value = _parse_rfc3339(value)
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value.timestamp()
    return None


def _parse_rfc3339(text: str) -> datetime | None:
    match = _RFC3339.fullmatch(text) if len(text) <= MAX_TEXT else None
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    microseconds = (fraction or "0")[:6]
    try:
        return datetime.fromisoformat(f"{day}T{time}.{microseconds:0<6}{zone.upper()}")
    except ValueError:
        return None


def _instant(accepts: Callable[[int], bool]) -> Callable[[Any], Prepared]:
    def prepare_instant(operand: Any) -> Prepared:
        instant = parse_instant(operand)
        if instant is None:
            raise ValueError(
                f"must be a point in time with a zone, such as 2026-01-31T09:00:00Z, not {operand!r}"
            )
        return Prepared(partial(_compare_instant, accepts, instant), "memo")

    return prepare_instant


def _compare_instant(accepts: Callable[[int], bool], operand: float, value: Any) -> bool | None:
    instant = parse_instant(value)
    if instant is None:
        return None
    return accepts((instant > operand) - (instant < operand))


# -- addresses --------------------------------------------------------------------------------------


def _in_cidr(operand: Any) -> Prepared:
    networks = tuple(_network(text) for text in _one_or_more(operand, _text))
    return Prepared(partial(_is_in_networks, networks), "memo")


def _network(text: str) -> IPv4Network | IPv6Network:
    """The network; one of IPv4 addresses in IPv6 clothes counts as IPv4, as such an address does."""
    from ipaddress import IPv4Network, IPv6Network, ip_network

    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"must be a network such as 10.0.0.0/8: {error}") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return IPv4Network((mapped, network.prefixlen - 96))


def _is_in_networks(networks: tuple[Any, ...], value: Any) -> bool | None:
    from ipaddress import IPv6Address, ip_address

    if not isinstance(value, str) or len(value) > MAX_TEXT:
        return None
    try:
        address = ip_address(value)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


# -- presence ---------------------------------------------------------------------------------------


def _exists(operand: Any) -> Prepared:
    if operand is not True and operand is not False:
        raise ValueError(f"must be true or false, not {_kind(operand)}")
    return Prepared(partial(_is_there, operand), "exists", operand)


def _is_there(wanted: bool, value: Any) -> bool:
    return (value is not None) is wanted


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    "eq": _eq,
    "ne": _negated(_eq),
    "in": _in,
    "not_in": _negated(_in),
    "lt": _order(_is_negative),
    "le": _order(_is_not_positive),
    "gt": _order(_is_positive),
    "ge": _order(_is_not_negative),
    "contains": _contains,
    "starts_with": _affix("startswith"),
    "ends_with": _affix("endswith"),
    "matches": _matches,
    "semver_eq": _semver(_is_zero),
    "semver_ne": _semver(_is_not_zero),
    "semver_lt": _semver(_is_negative),
    "semver_le": _semver(_is_not_positive),
    "semver_gt": _semver(_is_positive),
    "semver_ge": _semver(_is_not_negative),
    "before": _instant(_is_negative),
    "after": _instant(_is_positive),
    "in_cidr": _in_cidr,
    "exists": _exists,
}
"""Every operator by name, as what checks an operand (ValueError says what it must be) and prepares it."""


def prepare(op: str, operand: Any) -> Prepared:
    """The predicate of ``op`` with ``operand``; ValueError where the operand is of the wrong kind."""
    return OPERATORS[op](operand)
