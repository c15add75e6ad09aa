"""A document as its parts: each flag, segment, experiment, layer and holdout a piece of JSON text.

Text is the cheapest way to keep a part: a fraction of what dictionaries take, nothing for the garbage
collector to walk through, and compared at once with the next version, where nearly all parts are the same.
A part is kept with its name, as the member of an object that it is: ``"new-checkout":{"rules":[]}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:
    from .moulds import Cast, Moulds

__all__ = [
    "SECTIONS",
    "Irregular",
    "Part",
    "Raw",
    "parse",
    "refuse_constant",
    "refuse_twins",
    "scan",
    "text_of",
]

SECTIONS = ("segments", "layers", "holdouts", "experiments", "flags")
"""Where a document has parts."""

_AHEAD = 64
"""How many parts may be gone in a row before the rest is looked up by name."""

_STRETCH = 256
"""How many parts are compared at once with how they stood, at most."""


class Part(NamedTuple):
    """A named part of a document: ``Part("flags", "new-checkout")``."""

    section: str
    name: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"


Raw: TypeAlias = tuple[str, str, Any, str | None]
"""A part as it was found: its section, its name, its value or cast, its text where it has a usable one."""


class Irregular(Exception):  # noqa: N818
    """The text is not written as usual, or is no JSON at all; who reads it as a whole will tell."""


def parse(text: str) -> Any:
    """The value of a part."""
    member, _ = _scan_kept("{" + text + "}", 0)
    (value,) = member.values()
    return value


_kept: Any = json.JSONDecoder()
_scan_kept: Callable[[str, int], tuple[dict[str, Any], int]] = _kept.scan_once


def text_of(name: str, value: Any) -> str:
    """The text of a part that was read as data."""
    return json.dumps({name: value}, ensure_ascii=False, separators=(",", ":"))[1:-1]


# -- scanning --------------------------------------------------------------------------------------------


def refuse_twins(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """An object, unless a name occurs twice in it: ValueError."""
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[Any] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {twice!r} occurs twice in one object")
    return made


def refuse_constant(name: str) -> NoReturn:
    """What JSON lacks and Python's reader takes: ValueError."""
    raise ValueError(f"{name} is no JSON number")


_decoder: Any = json.JSONDecoder(object_pairs_hook=refuse_twins, parse_constant=refuse_constant)
_scan_value: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once
_blanks = re.compile(r"[ \t\n\r]*").match


Texts: TypeAlias = Mapping[str, dict[str, str]]
"""The texts of parts, by section and name."""


def scan(
    text: str,
    before: Texts,
    head: dict[str, Any],
    texts: Texts,
    moulds: Mapping[str, Moulds],
    *,
    rest: Callable[[], object],
) -> Iterator[Raw]:
    """The parts of a document that are new, one by one; all else that it says goes into ``head``.

    Those that stand as they stood in ``before`` are recognised, not read: they go right into ``texts``, where
    it is for the caller to put the new ones. Those that fit one of ``moulds`` come as casts in place of
    values. ``rest`` is called between stretches of what is recognised. Irregular for whatever is not quite as
    it should be.
    """
    try:
        at = _blank(text, _after(text, _blank(text, 0), "{"))
        while text[at] != "}":
            name, at = _name(text, at)
            if name in SECTIONS and text[at] == "{":
                cast_of = moulds[name].cast
                at = yield from _section(
                    text, at + 1, name, before[name], texts=texts[name], cast_of=cast_of, rest=rest
                )
                value: Any = {}
            else:
                value, at = _value(text, at)
            if name in head:
                raise Irregular
            head[name] = value
            at = _next(text, at)
        if _blank(text, at + 1) != len(text):
            raise Irregular
    except (ValueError, IndexError, RecursionError):
        raise Irregular from None


def _section(
    text: str,
    at: int,
    section: str,
    before: dict[str, str],
    *,
    texts: dict[str, str],
    cast_of: Callable[[str, str, int], Cast | None],
    rest: Callable[[], object],
) -> Generator[Raw, None, int]:
    names, knowns = list(before), list(before.values())
    guess, stretch, count = 0, 1, 0
    starts, rejected = text.startswith, set[str]()
    rest()
    at = _blank(text, at)
    while text[at] != "}":
        run = knowns[guess : guess + stretch]
        same = ",".join(run)
        if run and starts(same, at):
            texts.update(zip(names[guess : guess + stretch], run, strict=True))
            guess, count, at = guess + len(run), count + len(run), at + len(same)
            at = at + 1 if text[at : at + 2] == ',"' else _next(text, at)
            stretch = min(4 * stretch, _STRETCH)
            rest()
            continue
        if len(run) > 1:
            stretch = len(run) // 4 or 1
            continue
        begin = at
        name, at = _name(text, at)
        known = before.get(name, "")
        if known:
            guess = _skip(names, guess, name)
        if known and starts(known, begin):
            at = begin + len(known)
            texts[name] = known
        elif (cast := cast_of(name, text, at)) is not None:
            at = cast.end
            yield section, name, cast, text[begin:at]
        else:
            value, at = _value(text, at)
            yield section, name, value, text[begin:at] if text[at - 1] in "}]" else None
            if name not in texts:
                rejected.add(name)
        count += 1
        at = at + 1 if text[at : at + 2] == ',"' else _next(text, at)
    if count != len(texts) + len(rejected) or not rejected.isdisjoint(texts):
        raise Irregular  # a name occurs twice
    return at + 1


def _skip(names: list[str], guess: int, name: str) -> int:
    """Where to expect what follows a part that was not expected."""
    try:
        return names.index(name, guess, guess + _AHEAD) + 1
    except ValueError:
        return guess


def _name(text: str, at: int) -> tuple[str, int]:
    name, at = scanstring(text, _after(text, at, '"'), True)
    if text[at : at + 2] == ":{":  # as machines write it
        return name, at + 1
    return name, _blank(text, _after(text, _blank(text, at), ":"))


def _value(text: str, at: int) -> tuple[Any, int]:
    try:
        return _scan_value(text, at)
    except StopIteration:
        raise Irregular from None


def _next(text: str, at: int) -> int:
    """Where the next member begins, or the brace that ends the object stands."""
    at = _blank(text, at)
    if text[at] == ",":
        at = _blank(text, at + 1)
        if text[at] != '"':
            raise Irregular
    elif text[at] != "}":
        raise Irregular
    return at


def _blank(text: str, at: int) -> int:
    return _blanks(text, at).end() if text[at : at + 1] in _BLANKS else at  # type: ignore[union-attr]


_BLANKS = frozenset(" \t\n\r")


def _after(text: str, at: int, mark: str) -> int:
    if text[at] != mark:
        raise Irregular
    return at + 1
