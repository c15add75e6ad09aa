"""GrowthBook's tests of attributes, how it finds them and whom it draws, and what a person forces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from flagstaff.core.buckets import unit_text
from flagstaff.core.prepared import Prepared
from flagstaff.core.subjects import Direct
from flagstaff.formats.dialects import Compiled, Reading
from flagstaff.formats.javascript import text, truthy

from .contexts import EXTRA
from .matching import TESTS, follow, value
from .sticky import Sticky, is_sticky, sticky_of

if TYPE_CHECKING:
    from flagstaff.core.context import Context

__all__ = ["LANGUAGES", "OPERATORS", "READERS"]

_DEAR = ("$veq", "$vne", "$vlt", "$vlte", "$vgt", "$vgte", "$regex", "$regexi")
"""Operators whose answers are worth keeping."""


def _prepared(name: str, operand: Any) -> Prepared:
    test = TESTS[name](operand)
    if name in ("$eq", "$ne") and isinstance(operand, str):
        return Prepared(test, "text in" if name == "$eq" else "text not in", frozenset((operand,)))
    if name in ("$in", "$nin") and isinstance(operand, list):
        texts = frozenset(item for item in operand if isinstance(item, str))
        return Prepared(test, "text in" if name == "$in" else "text not in", texts)
    return Prepared(test, "memo" if name in _DEAR else "")


def _like(operand: Any) -> Prepared:
    if isinstance(operand, str):
        return Prepared(value(operand), "text in", frozenset((operand,)))
    return Prepared(value(operand))


# -- what a person forces --------------------------------------------------------------------------


def _override(session: Any, key: str, count: int) -> int | None:
    """The variation that a person forces, by its index; -1 for one that there isn't, None for nothing."""
    if not isinstance(session, Mapping):
        return None
    by_address = _in_address(session.get("url"), key, count)
    if by_address is not None:
        return by_address
    forced = session.get("forcedVariations")
    if not isinstance(forced, Mapping) or key not in forced:
        return None
    index = forced[key]
    return index if isinstance(index, int) and 0 <= index < count else -1


_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,9})")


def _in_address(url: Any, key: str, count: int) -> int | None:
    if not isinstance(url, str):
        return None
    query = url.partition("?")[2].partition("?")[0].partition("#")[0]
    for pair in query.split("&"):
        name, *given = pair.split("=")[:2]
        if name == key:
            number = _INTEGER.match(given[0]) if given else None
            index = -1 if number is None else int(number[1])
            return index if 0 <= index < count else None
    return None


def _experiment(operand: Any) -> tuple[str, int, Sticky | None]:
    match operand:
        case {"key": str() as key, "count": int() as count}:
            return key, count, sticky_of(operand.get("sticky"))
        case _:
            raise ValueError("must be an experiment's key and how many variations it has")


def _forced(operand: Any) -> Prepared:
    key, count, _ = _experiment(operand)

    def test(session: Any) -> bool:
        index = _override(session, key, count)
        return index is not None and index >= 0 and session.get("enabled") is not False

    return Prepared(test, "absent", operand=False)


def _drawn(operand: Any) -> Prepared:
    """Whether somebody is drawn: what is forced, or was given before, is not."""
    key, count, sticky = _experiment(operand)

    def test(session: Any) -> bool:
        if not isinstance(session, Mapping):
            return True
        return _is_free(session, key, count) and _assigned(session, sticky) is None

    return Prepared(test, "absent", operand=True)


def _stuck(operand: Any) -> Prepared:
    """Whether somebody was given a variation before."""
    key, count, sticky = _experiment(operand)

    def test(session: Any) -> bool:
        if not is_sticky(session):
            return False
        index = _assigned(session, sticky) if _is_free(session, key, count) else None
        return index is not None and 0 <= index < count

    return Prepared(test, "absent", operand=False)


def _is_free(session: Mapping[str, Any], key: str, count: int) -> bool:
    if session.get("enabled") is False or truthy(session.get("qaMode")):
        return False
    return _override(session, key, count) is None


def _assigned(session: Mapping[str, Any], sticky: Sticky | None) -> int | None:
    return sticky.assigned(session) if sticky is not None and is_sticky(session) else None


def _stuck_variant(expression: Any) -> Compiled:
    """The variant that somebody was given before."""
    match expression:
        case {"sticky": dict() as operand, "variants": list() as variants}:
            sticky = sticky_of(operand)
        case _:
            raise ValueError("must be how an experiment's assignments are found, and its variants")

    def compute(context: Context, _now: Callable[[], float]) -> str | None:
        index = _assigned(context.attributes[EXTRA], sticky)
        found: str | None = None if index is None else variants[index]
        return found

    return lambda: compute


def _forced_variant(expression: Any) -> Compiled:
    """The variant that a person forces; a variation that is null lets the next rule decide."""
    match expression:
        case {"key": str() as key, "variants": list() as variants}:
            pass
        case _:
            raise ValueError("must be an experiment's key and its variants")

    def compute(context: Context, _now: Callable[[], float]) -> str | None:
        index = _override(context.attributes.get(EXTRA), key, len(variants))
        found: str | None = None if index is None or index < 0 else variants[index]
        return found

    return lambda: compute


OPERATORS: dict[str, Callable[[Any], Prepared]] = {
    **{name: partial(_prepared, name) for name in TESTS},
    "is": _like,
    "forced": _forced,
    "drawn": _drawn,
    "stuck": _stuck,
}
LANGUAGES: dict[str, Callable[[Any], Compiled]] = {"forced": _forced_variant, "stuck": _stuck_variant}


# -- where things are found ------------------------------------------------------------------------


def _path(argument: Any) -> Reading:
    """An attribute or what is deeper in one, by the names between dots. A context's key is its ``id``."""
    if not isinstance(argument, str):
        raise ValueError("must be names between dots")
    if argument == "id":
        return Reading("id", _read_id, Direct(unless=("id",), always=True))
    if argument.partition(".")[0] == EXTRA:
        return Reading(argument, _read_nothing)
    return Reading(argument, partial(_read_path, argument.split(".")))


def _read_path(path: list[str], context: Context) -> Any:
    return follow(context.attributes, path)


def _read_id(context: Context) -> Any:
    own = context.attributes.get("id")
    return context.targeting_key if own is None else own


def _read_nothing(_context: Context) -> None:
    return None


def _nothing(_argument: Any) -> Reading:
    return Reading("nothing", _read_nothing)


def _unit(argument: Any) -> Reading:
    """An attribute by its name: whatever counts as false is no unit, all else is one, as text.

    Of two names the second is for those who lack the first, where buckets are sticky.
    """
    if isinstance(argument, list) and len(argument) == 2:
        first, second = map(_unit, argument)
        return Reading(f"{first.label}, {second.label}", partial(_read_either, first.read, second.read))
    if not isinstance(argument, str):
        raise ValueError("must be the name of an attribute")
    if argument == "id":
        return Reading("id", _read_id_unit, Direct(unless=("id",)))
    return Reading(argument, partial(_read_unit, argument), Direct(argument))


def _read_id_unit(context: Context) -> str | None:
    own = context.attributes.get("id")
    return _unit_text(context.targeting_key if own is None else own)


def _read_unit(name: str, context: Context) -> str | None:
    return _unit_text(context.attributes.get(name))


def _read_either(
    first: Callable[[Context], Any], second: Callable[[Context], Any], context: Context
) -> str | None:
    found: str | None = first(context)
    return second(context) if found is None and is_sticky(context.attributes.get(EXTRA)) else found


def _unit_text(own: Any) -> str | None:
    if own.__class__ is str:
        return own or None
    if own.__class__ is int:  # in all its digits, of which JavaScript would keep fifteen or sixteen
        return unit_text(own) if own else None
    return text(own) if truthy(own) else None


READERS: dict[str, Callable[[Any], Reading]] = {"path": _path, "nothing": _nothing, "unit": _unit}
