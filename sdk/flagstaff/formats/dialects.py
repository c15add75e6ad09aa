"""What other dialects bring along: their tests, their ways to find a value, their languages.

A name such as ``unleash:num_gt`` leads to the room of that format, and there to its ``dialect`` module, which
is loaded when a document first asks for it. That module has three tables, of what it has:

    OPERATORS    name -> operand -> Prepared       a test of a value (see ``core.conditions``)
    READERS      name -> argument -> Reading       where a value, or a unit, is found in a context
    LANGUAGES    name -> expression -> Compiled    what makes the function behind an expression

Each checks what it is given when rules are loaded: ValueError says what it must be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from flagstaff.core.conditions import prepare
from flagstaff.core.prepared import Prepared
from flagstaff.core.rules import Computed
from flagstaff.core.subjects import Direct, Reader
from flagstaff.formats import VENDORS
from flagstaff.formats.suggest import did_you_mean

if TYPE_CHECKING:
    from flagstaff.core.context import Context

__all__ = ["Compiled", "Compute", "Reading", "computed", "prepared", "reader"]

Compute: TypeAlias = "Callable[[Context, Callable[[], float]], str | None]"
"""From a context, and a function that tells the time (seconds since the epoch), to a variant or None."""
Compiled: TypeAlias = Callable[[], Compute]


class Reading(NamedTuple):
    """How something is found in a context, and what people call it. A unit that is found is text, or None.

    ``direct`` is a shorter way, for the contexts that it says.
    """

    label: str
    read: Callable[[Context], Any]
    direct: Direct | None = None


def prepared(op: str, operand: Any) -> Prepared:
    """The test of an operator, native or another dialect's. ValueError."""
    if ":" not in op:
        return prepare(op, operand)
    test: Prepared = _named("OPERATORS", "operator", op)(operand)
    return test


def reader(name: str, argument: Any) -> Reader:
    """The reader of a name, for an argument. ValueError."""
    reading: Reading = _named("READERS", "reader", name)(argument)
    return Reader(name, argument, *reading)


def computed(language: str, expression: Any) -> Computed:
    """What an expression comes to. ValueError."""
    compiled: Compiled = _named("LANGUAGES", "language", language)(expression)
    return Computed(language, expression, compiled)


def _named(table: str, noun: str, name: str) -> Callable[[Any], Any]:
    vendor, _, own = name.partition(":")
    if vendor not in VENDORS:
        raise ValueError(f"no such {noun}: {name}{did_you_mean(vendor, VENDORS)}")
    from importlib import import_module

    dialect = import_module(f"flagstaff.formats.{vendor}.dialect")
    found: Mapping[str, Callable[[Any], Any]] = getattr(dialect, table, {})
    if own not in found:
        raise ValueError(f"no such {noun}: {name}{did_you_mean(own, found)}")
    return found[own]
