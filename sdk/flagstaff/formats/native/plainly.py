"""What plainly has the right shape, as nearly everything does: known without the schema.

The schema says exactly what a document may be, and what is wrong where it isn't. To load it takes longer
than to read a thousand flags, so it is asked only about what is not plain. What is plain has no fault; that
something is not plain says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from flagstaff.core.conditions import OPERATORS, parse_instant

from .graph import MAX_DEPTH
from .parts import SECTIONS
from .values import check_json, is_harmless, thousandths

__all__ = ["MAX_PIECES", "has_too_many_pieces", "is_plain", "is_plain_head"]

MAX_PIECES = 50_000
"""How many fields and items a part may have, values aside."""

_Test: TypeAlias = Callable[[Any], bool]


def is_plain(section: str, name: str, value: Any) -> bool:
    """Whether a part plainly has the right shape."""
    return _is_name(name) and _PARTS[section](value)


def is_plain_head(head: Any) -> bool:
    """The same of what a document says of itself; its sections are empty."""
    return _is_head(head)


def has_too_many_pieces(value: Any) -> bool:
    """Whether a part has so many that telling what is wrong with each would take gigabytes.

    Values don't count: they are looked at as a whole, and a list of a hundred thousand customers is no fault.
    """
    pieces, work = 0, [value]
    while work and pieces <= MAX_PIECES:
        match work.pop():
            case dict() as found:
                pieces += len(found)
                work += [item for key, item in found.items() if key != "value"]
            case list() as found:
                pieces += len(found)
                work += found
    return pieces > MAX_PIECES


# -- single values ---------------------------------------------------------------------------------------


def _is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= 256 and value.isprintable()


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= 10_000 and value.isprintable()


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**53


def _is_instant(value: Any) -> bool:
    return _is_text(value) and parse_instant(value) is not None


def _is_percent(value: Any) -> bool:
    try:
        return type(value) in (int, float) and 0 <= value <= 100 and thousandths(value) >= 0
    except ValueError:
        return False


def _is_json(value: Any) -> bool:
    try:
        if not is_harmless(value):
            check_json(value)
    except ValueError:
        return False
    return True


def _is_operator(value: Any) -> bool:
    return type(value) is str and value in OPERATORS


# -- what holds others -----------------------------------------------------------------------------------


def _maybe(test: _Test) -> _Test:
    return lambda value: value is None or test(value)


def _one_of(*names: str) -> _Test:
    return lambda value: type(value) is str and value in names


def _list(test: _Test, least: int = 0, most: int = MAX_PIECES) -> _Test:
    return lambda value: type(value) is list and least <= len(value) <= most and all(map(test, value))


def _table(test: _Test, least: int = 0) -> _Test:
    return lambda value: (
        type(value) is dict
        and len(value) >= least
        and all(map(_is_name, value))
        and all(map(test, value.values()))
    )


def _form(fields: Mapping[str, _Test], *required: str) -> _Test:
    def fits(value: Any) -> bool:
        if type(value) is not dict or not all(name in value for name in required):
            return False
        return all(name in fields and fields[name](item) for name, item in value.items())

    return fits


def _is_empty(value: Any) -> bool:
    return type(value) is dict and not value


# -- conditions ------------------------------------------------------------------------------------------

_LEAVES = (
    _form({"attribute": _is_name, "op": _is_operator, "value": _is_json}, "attribute", "op"),
    _form({"segment": _is_name}, "segment"),
    _form({"flag": _is_name, "variant": _maybe(_is_name), "enabled": _maybe(_is_boolean)}, "flag"),
)


def _is_condition(node: Any, depth: int = 1) -> bool:
    if type(node) is not dict or depth > MAX_DEPTH:
        return False
    if len(node) == 1:
        ((kind, inner),) = node.items()
        if kind == "not":
            return _is_condition(inner, depth + 1)
        if kind in ("all", "any"):
            return type(inner) is list and all(_is_condition(item, depth + 1) for item in inner)
    return any(test(node) for test in _LEAVES)


def _is_conditions(value: Any) -> bool:
    return all(map(_is_condition, value)) if type(value) is list else _is_condition(value)


# -- parts -----------------------------------------------------------------------------------------------

_NAME, _TEXT = _maybe(_is_name), _maybe(_is_text)
_PERCENT = _maybe(_is_percent)
_PINS = _table(_is_name)
_TELLING = {"description": _TEXT, "owner": _TEXT}
_WEIGHT = _list(_form({"variant": _is_name, "weight": _is_percent}, "variant", "weight"), least=1)
_WEIGHTS = _table(_is_percent, least=1)


def _is_split(value: Any) -> bool:
    return _WEIGHT(value) or _WEIGHTS(value)


_WORTH = _form(
    {
        "value": _is_json,
        "enabled": _maybe(_is_boolean),
        "description": _TEXT,
    },
    "value",
)


def _is_variant(value: Any) -> bool:
    return _WORTH(value) if type(value) is dict else _is_json(value)


_RULE = _form({
    "id": _NAME,
    "description": _TEXT,
    "when": _maybe(_is_conditions),
    "segment": _NAME,
    "start": _maybe(_is_instant),
    "end": _maybe(_is_instant),
    "serve": _NAME,
    "rollout": _PERCENT,
    "split": _maybe(_is_split),
    "experiment": _NAME,
    "salt": _NAME,
    "unit": _NAME,
})  # fmt: skip

_PARTS: dict[str, _Test] = {
    "segments": _is_conditions,
    "layers": _form({**_TELLING, "unit": _is_name, "salt": _NAME}),
    "holdouts": _form(
        {
            **_TELLING,
            "size": _is_percent,
            "experiments": _list(_is_name),
            "unit": _is_name,
            "salt": _NAME,
        },
        "size",
        "experiments",
    ),
    "experiments": _form(
        {
            **_TELLING,
            "hypothesis": _TEXT,
            "goal": _TEXT,
            "initiative": _TEXT,
            "status": _one_of("draft", "qa", "running", "stopped", "decided"),
            "winner": _NAME,
            "revision": _is_count,
            "split": _is_split,
            "unit": _is_name,
            "salt": _NAME,
            "traffic": _PERCENT,
            "layer": _NAME,
            "slots": _maybe(_list(_list(_is_percent, 2, 2))),
            "pins": _PINS,
        },
        "split",
    ),
    "flags": _form({
        **_TELLING,
        "expires": _TEXT,
        "tags": _list(_is_text),
        "enabled": _is_boolean,
        "variants": _maybe(_table(_is_variant, least=1)),
        "default": _NAME,
        "off": _NAME,
        "gates": _list(_is_condition),
        "pins": _PINS,
        "rules": _list(_RULE),
        "salt": _NAME,
    }),
}  # fmt: skip

_is_head = _form(
    {
        "$schema": _TEXT,
        "version": lambda value: type(value) is int and value == 1,
        "project": _is_name,
        "environment": _is_name,
        "revision": _maybe(lambda value: type(value) is int and 0 <= value < 2**53),
        "description": _TEXT,
        "shared_salts": _list(_is_name),
        **dict.fromkeys(SECTIONS, _is_empty),
    },
    "version",
)
