"""What many parts have in common: text with holes in which one value is as good as another.

Ten thousand flags have a few dozen shapes. A part that was read, and has the right shape, is a mould for
those that come after it. One that fits it to the letter, but for what stands in the holes, has the right
shape, too, and is neither parsed nor checked. What is found in it is what was found in the others that fit.

Only what can't make a difference is a hole, and only plainly written values fill it; whatever else there is,
is read as if there were no moulds. So what is wrong with a part is always told by those who read all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .checks import Session, examine
from .findings import Findings
from .parts import Part
from .store import Store

__all__ = ["Alike", "Cast", "Mould", "Moulds", "stands_alone"]

_ANY = "\0"
"""In place of a name, where something is true for all of them. No part is called that."""

_AT_HAND = 32
"""How many moulds are tried."""

_LESSONS = 256
"""How many are made in one document: that takes longer than to check a part."""

_MAX_TEXT = 5_000
"""The longest text that a mould is made of."""


class Cast(NamedTuple):
    """A part that fits a mould, up to ``end``, and the experiment that its rules run if it may be any."""

    mould: Mould
    end: int
    experiment: str | None


class Mould:
    """Literal texts, each followed by a hole, and a last one; ``alone`` if what fits names no other part."""

    __slots__ = ("_last", "_steps", "alone")

    def __init__(self, text: str, *, alone: bool) -> None:
        self.alone: bool = alone
        *pieces, self._last = _HOLE.split(text)
        self._steps = [(pieces[at], _FILLINGS[int(pieces[at + 1])]) for at in range(0, len(pieces), 2)]

    def cast(self, text: str, at: int) -> Cast | None:
        """What fits at a place in a text, if it does. It ends with a bracket, so nothing longer is meant."""
        experiment = None
        for literal, filling in self._steps:
            found = filling(text, at + len(literal)) if text.startswith(literal, at) else None
            if found is None:
                return None
            if found.lastindex:
                experiment = found[1]
            at = found.end()
        return Cast(self, at + len(self._last), experiment) if text.startswith(self._last, at) else None


class Moulds:
    """The moulds of one section, most useful first."""

    def __init__(self, section: str) -> None:
        self._section = section
        self._open = _OPEN.get(section)
        self._known: list[Mould] = []
        self._left = _LESSONS

    def cast(self, name: str, text: str, at: int) -> Cast | None:
        """The part of that name whose value begins at a place in a text, if it fits one of them."""
        if not (name.isascii() and name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
            return None
        known = self._known
        for index, mould in enumerate(known):
            cast = mould.cast(text, at)
            if cast is not None:
                if index:
                    known[index - 1 : index + 1] = mould, known[index - 1]
                return cast
        return None

    def learn(self, name: str, value: Any, text: str) -> Cast | None:
        """Make a mould of a part that has the right shape, if it is written as machines write."""
        if self._open is None or not self._left or len(text) > _MAX_TEXT or "\\" in text:
            return None
        self._left -= 1
        try:
            opened = json.dumps(self._open(value), ensure_ascii=False, separators=(",", ":"))
        except RecursionError:  # that is for the checks to tell
            return None
        mould = Mould(opened, alone=self._section == "flags" and stands_alone(text))
        cast = mould.cast(text, len(f'"{name}":'))
        if cast is None or cast.end != len(text):
            return None
        self._known[_AT_HAND - 1 :] = [mould]
        return cast


class Alike:
    """What is found in casts; of those that are alike, only one is looked at.

    ``casts`` are those that name others or may be named, and are looked at when all parts are there.
    """

    def __init__(self, store: Store, session: Session) -> None:
        self.casts: dict[Part, Cast] = {}
        self._store = store
        self._session = session
        self._found: dict[tuple[Mould, Mould | None], _Same] = {}

    def examine(self, part: Part, cast: Cast) -> Findings:
        """What is found in a cast."""
        experiment = None if cast.experiment is None else self.casts.get(_named(cast.experiment))
        is_odd = experiment is None and cast.experiment is not None
        if is_odd or (part.section == "experiments" and self._store.holdouts(part.name)):
            return self._examine(part)
        kind = cast.mould, experiment.mould if experiment else None
        same = self._found.get(kind)
        if same is not None:
            return same.of(part.name, cast.experiment)
        findings = self._examine(part)
        if not findings.problems and not findings.slots:
            self._found[kind] = _Same(self._examine(part, _ANY), cast.experiment)
        return findings

    def _examine(self, part: Part, name: str | None = None) -> Findings:
        called = part if name is None else part._replace(name=name)
        return examine(called, self._store.value(part), self._store, self._session)


class _Same:
    """What is found in one cast called ``_ANY``, which has no faults, and so in all that are like it."""

    def __init__(self, findings: Findings, experiment: str | None) -> None:
        self._findings = findings
        self._uses = {**findings.uses}
        self._count = self._uses.pop(_named(experiment), 0)
        self._varies = bool(findings.draws or self._count)

    def of(self, name: str, experiment: str | None) -> Findings:
        """What is found in the part of a name."""
        if not self._varies:
            return self._findings
        _, _, uses, own, draws, _ = self._findings
        if self._count:
            uses = {**self._uses, _named(experiment): self._count}
        if draws:
            draws = tuple([(salt.replace(_ANY, name), at.replace(_ANY, name)) for salt, at in draws])
        return Findings((), None, uses, own, draws, ())


def stands_alone(text: str) -> bool:
    """Whether a look tells that a flag names no other part."""
    return not ("\\" in text or '"segment"' in text or '"flag"' in text or '"experiment"' in text)


def _named(experiment: str | None) -> Part:
    return Part("experiments", experiment or _ANY)


# -- where values are as good as others ------------------------------------------------------------------

_LONGEST_NAME = 256
_TEXT, _TEXTS, _NUMBER, _VERSION, _PERCENT, _PROSE, _NAME, _EXPERIMENT = map(chr, range(8))
_HOLE = re.compile(r'"\\u000([0-7])"')

_PLAIN = r"[ !#-\[\]-~]"  # what is written as it is, and as everybody reads it
_DIGITS = "(?:0|[1-9][0-9]{0,8})"
_FILLINGS: list[Callable[[str, int], re.Match[str] | None]] = [
    re.compile(pattern).match
    for pattern in (
        rf'"{_PLAIN}*+"',
        rf'\["{_PLAIN}*+"(?:,"{_PLAIN}*+")*+\]',
        rf"-?{_DIGITS}(?:\.[0-9]{{1,9}})?",
        rf'"{_DIGITS}\.{_DIGITS}\.{_DIGITS}"',
        "100|[1-9]?[0-9]",
        rf'"{_PLAIN}{{0,10000}}+"',
        rf'"{_PLAIN}{{1,{_LONGEST_NAME}}}+"',
        rf'"({_PLAIN}{{1,{_LONGEST_NAME}}}+)"',
    )
]

_NUMBERS = {int: _NUMBER, float: _NUMBER}
_OPERANDS: dict[str, dict[type, str]] = {
    **{op: {str: _TEXT, **_NUMBERS} for op in ("eq", "ne")},
    **{op: {list: _TEXTS} for op in ("in", "not_in")},
    **{op: {str: _TEXT, list: _TEXTS} for op in ("contains", "starts_with", "ends_with")},
    **dict.fromkeys(("lt", "le", "gt", "ge"), _NUMBERS),
    **{f"semver_{order}": {str: _VERSION} for order in ("eq", "ne", "lt", "le", "gt", "ge")},
}
"""By operator and type, what else its operand could be."""


def _flag(flag: Any) -> Any:
    opened = _with_prose(flag, "description", "owner", "expires")
    if flag.get("variants"):
        opened["variants"] = {name: _variant(given) for name, given in flag["variants"].items()}
    rules = flag.get("rules") or []
    measured = sum(type(rule.get("experiment")) is str for rule in rules)
    if rules:
        opened["rules"] = [_rule(rule, alone=len(rules) == 1, measured=measured) for rule in rules]
    return opened


def _variant(given: Any) -> Any:
    if not isinstance(given, dict):
        return _TEXT if type(given) is str else given
    opened = _with_prose(given, "description")
    if type(given["value"]) is str:
        opened["value"] = _TEXT
    return opened


def _rule(rule: Any, *, alone: bool, measured: int) -> Any:
    opened = _with_prose(rule, "description")
    if alone and rule.get("id"):
        opened["id"] = _NAME
    if rule.get("when"):
        opened["when"] = _condition(rule["when"])
    if type(rule.get("rollout")) is int:
        opened["rollout"] = _PERCENT
    if measured == 1 and rule.get("experiment"):
        opened["experiment"] = _EXPERIMENT
    return opened


def _condition(node: Any) -> Any:
    if isinstance(node, list):
        return [_condition(item) for item in node]
    for kind in ("all", "any", "not", "known"):
        if kind in node:
            return {**node, kind: _condition(node[kind])}
    operand = _OPERANDS.get(node.get("op"), {}).get(type(node.get("value")))
    return node if operand is None else {**node, "value": operand}


def _experiment(experiment: Any) -> Any:
    return _with_prose(experiment, "description", "owner", "hypothesis", "goal", "initiative")


def _with_prose(part: Any, *fields: str) -> Any:
    return {**part, **{field: _PROSE for field in fields if type(part.get(field)) is str}}


_OPEN: dict[str, Callable[[Any], Any]] = {"flags": _flag, "experiments": _experiment}
"""By section, what opens the holes of a part's value."""
