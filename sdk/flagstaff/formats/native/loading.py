"""Reading a rules document: strictly, as a person's file is read, or leniently, as a server's answer is.

Strict: any problem at all is a RulesError that lists every one. Lenient: unknown fields are warnings, since
a newer server may send more; a broken flag, or one that stands on a broken part, is left out and reported;
only a document that is no rules document is a RulesError.

A document is read part by part, and each part is forgotten but for its text: it becomes rules when somebody
asks for it. The next version is read against the one before it; what stands there as it stood is not looked
at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flagstaff.core.rules import Rules
from flagstaff.errors import Problem, RulesError
from flagstaff.whole import whole

from .checks import Session, examine
from .graph import taken_along
from .index import Index
from .loaded import Loaded
from .moulds import Alike, Cast, Moulds, stands_alone
from .parts import SECTIONS, Irregular, Part, Raw, scan, text_of
from .plainly import MAX_PIECES, has_too_many_pieces, is_plain, is_plain_head
from .reading import decoded, plain, read
from .store import Flags, Segments, Store

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["load"]

_ROUNDS = 8
"""What is wrong inside a part may show only when more obvious faults are gone, but not for ever."""

_WARNINGS = 1_000
"""How many warnings are kept."""

_BEARABLE = 10_000
"""How many parts may be broken, or how many faults a strict reader tells."""

_BREATH = 0.001  # seconds of work between two breaths


def load(
    data: bytes | Mapping[str, Any],
    *,
    suffix: str = ".json",
    source: str = "document",
    strict: bool = True,
    before: Loaded | None = None,
    breathe: Callable[[], object] | None = None,
) -> Loaded:
    """Reads a rules document from bytes (by ``suffix``) or from plain data.

    ``before`` is the version before it, if there is one: reading then costs what has changed. ``breathe`` is
    called every millisecond or so, to let others work. RulesError lists what is wrong; see the module for
    what ``strict`` means.
    """
    try:
        reader = _Reader(source, before, breathe, strict=strict)
        if suffix != ".json" or not isinstance(data, bytes | bytearray):
            return reader.read_data(data, suffix)
        try:
            return reader.read_text(decoded(data, source))
        except Irregular:  # read as a whole, it shows what is wrong with it, or that it is just odd
            return _Reader(source, before, breathe, strict=strict).read_data(data, suffix)
    except RecursionError:
        raise RulesError([Problem("", "is nested too deep")], source) from None


class _Reader:
    """Reads one document."""

    def __init__(
        self, source: str, before: Loaded | None, breathe: Callable[[], object] | None, *, strict: bool
    ) -> None:
        if before is not None and strict and (before.warnings or before.rules.malformed):
            before = None  # read by somebody less strict
        self._source = source
        self._strict = strict
        self._before = before
        self._old = before.store if before else Store({}, {section: {} for section in SECTIONS})
        self._breathe = breathe
        self._breath = perf_counter() + _BREATH
        self._store = Store({}, {section: {} for section in SECTIONS})
        self._index = Index(before.index if before else None, self._rest)
        self._session = Session()
        self._moulds = {section: Moulds(section) for section in SECTIONS}
        self._alike = Alike(self._store, self._session)
        self._fresh: dict[Part, bool] = {}  # whether it still has to be examined
        self._problems: list[Problem] = []  # of shape, in a strict reader

    # -- reading -------------------------------------------------------------------------------------------

    def read_text(self, text: str) -> Loaded:
        """Irregular, RulesError."""
        self._rest()
        head: dict[str, Any] = {}
        old, texts = self._old.texts, self._store.texts
        for raw in scan(text, old, head, texts, self._moulds, rest=self._rest):
            self._take(raw)
        return self._finish(head)

    def read_data(self, data: bytes | Mapping[str, Any], suffix: str) -> Loaded:
        """RulesError, ConfigError."""
        given = (
            read(bytes(data), suffix, self._source) if isinstance(data, bytes | bytearray) else plain(data)
        )
        if not isinstance(given, dict):
            message = f"a rules document is an object, not {type(given).__name__}"
            raise RulesError([Problem("", message)], self._source)
        head = dict(given)
        for section in SECTIONS:
            if isinstance(given.get(section), dict):
                head[section] = {}
                for name, value in given[section].items():
                    self._take((section, name, value, None))
        return self._finish(head)

    def _take(self, raw: Raw) -> None:
        section, name, value, text = raw
        self._rest()
        if isinstance(value, Cast) and text is not None:
            self._keep_cast(Part(section, name), value, text)
            return
        faults = self._faults(section, name, value, text)
        if faults:
            self._take_faulty(raw, faults)
        else:
            cast = None if text is None else self._moulds[section].learn(name, value, text)
            if cast is not None:
                self._alike.casts[Part(section, name)] = cast
            self._keep(section, name, value, text or text_of(name, value))

    def _faults(self, section: str, name: str, value: Any, text: str | None) -> list[ErrorDetails]:
        if (text is None or len(text) > 2 * MAX_PIECES) and has_too_many_pieces(value):
            found: list[ErrorDetails] = _shape().excess(section, name)
        elif is_plain(section, name, value):
            found = []
        else:
            found = _shape().faults_of({"version": 1, section: {name: value}})
        return found

    def _keep(self, section: str, name: str, value: Any, text: str) -> None:
        """Take in a part that has the right shape."""
        known = self._old.texts[section].get(name)
        if known == text and Part(section, name) not in self._old.mended:
            self._store.texts[section][name] = known
            return
        self._store.texts[section][name] = text
        part, alone = Part(section, name), section == "flags" and stands_alone(text)
        if self._before is not None:
            self._index.forget(part)
        if alone:
            self._index.enter(part, examine(part, value, self._store, self._session))
        if self._before is not None or not alone:
            self._fresh[part] = not alone

    def _keep_cast(self, part: Part, cast: Cast, text: str) -> None:
        """Take in a part that has the right shape, since it fits a mould."""
        self._store.texts[part.section][part.name] = text
        if self._before is not None:
            self._index.forget(part)
        if cast.mould.alone:
            self._index.enter(part, self._alike.examine(part, cast))
        else:
            self._alike.casts[part] = cast
        if self._before is not None or not cast.mould.alone:
            self._fresh[part] = not cast.mould.alone

    def _take_faulty(self, raw: Raw, faults: list[ErrorDetails]) -> None:
        if self._strict:
            self._problems += [_shape().problem_of(item) for item in faults]
            self._bear(len(self._problems))
            return
        section, name, value, text = raw
        part, warnings = Part(section, name), list[Problem]()
        document = {"version": 1, section: {name: value}}
        for _ in range(_ROUNDS):
            warnings += [_shape().problem_of(item) for item in faults]
            wrong = [_shape().problem_of(item) for item in faults if item["type"] != "extra_forbidden"]
            if wrong:
                self._give_up(part, value, str(wrong[0]))
                break
            for item in faults:
                _drop(document, _shape().keys_of(item))
            faults = _shape().faults_of(document)
            if not faults:
                self._keep(section, name, value, text or text_of(name, value))
                self._store.mended[part] = text_of(name, value)
                break
        else:
            self._give_up(part, value, str(warnings[-1]))
        self._store.warnings[part] = tuple(warnings[:_WARNINGS])

    def _give_up(self, part: Part, value: Any, why: str) -> None:
        """Leave out a part that nothing can be made of."""
        self._store.unreadable[part] = why
        self._bear(len(self._store.unreadable))
        self._fresh[part] = False
        if self._before is not None:
            self._index.forget(part)
        if part.section == "holdouts":  # without it, nobody would be held out
            held = value.get("experiments") if isinstance(value, dict) else None
            for experiment in held if isinstance(held, list) else []:
                self._store.unheld[Part("experiments", str(experiment))] = why

    def _rest(self) -> None:
        if self._breathe is not None and perf_counter() > self._breath:
            self._breathe()
            self._breath = perf_counter() + _BREATH

    def _bear(self, broken: int) -> None:
        """RulesError where so much is broken that nobody would read on."""
        if broken > _BEARABLE:
            told = [problem for found in self._store.warnings.values() for problem in found]
            raise RulesError([*self._problems, *told][:_WARNINGS], self._source)

    # -- what it comes to ----------------------------------------------------------------------------------

    def _finish(self, head: dict[str, Any]) -> Loaded:
        warnings = self._take_head(head)
        if self._problems:
            raise RulesError(self._problems, self._source)
        store, index = self._store, self._index
        changed = self._examine_rest()
        warnings += [problem for found in store.warnings.values() for problem in found]
        self._rest()
        problems, broken = self._judge()
        self._rest()
        if problems and self._strict:
            raise RulesError(problems, self._source)
        causes = taken_along(broken, index.uses) if broken else {}
        malformed = {part.name: why for part, why in store.unreadable.items() if _is_flag(part)}
        malformed |= _malformed(broken, causes)
        rules = Rules(
            flags=Flags(store, malformed),
            segments=Segments(store, {part.name for part in causes if part.section == "segments"}),
            malformed=malformed,
            project=store.head.get("project", "default"),
            environment=store.head.get("environment", "default"),
            revision=store.head.get("revision"),
        )
        self._rest()
        suspects = self._suspects(changed, malformed)
        store.settle()
        told = [*warnings, *problems][:_WARNINGS]
        return Loaded(store, index, rules, told, before=self._before, suspects=suspects)

    def _take_head(self, head: dict[str, Any]) -> list[Problem]:
        """Check what the document says of itself; what may be told of it as a warning."""
        self._store.head = head
        warnings: list[Problem] = []
        faults = [] if is_plain_head(head) else _shape().faults_of(head)
        if self._strict or any(item["type"] != "extra_forbidden" for item in faults):
            self._problems[:0] = [_shape().problem_of(item) for item in faults]
            if faults:
                raise RulesError(self._problems, self._source)
        for item in faults:
            warnings.append(_shape().problem_of(item))
            _drop(head, _shape().keys_of(item))
        return warnings

    def _examine_rest(self) -> set[Part]:
        """Examine what could not be before everything was there; the parts that have changed."""
        store, index, old = self._store, self._index, self._old
        changed = {*self._fresh}
        for section in SECTIONS:
            self._rest()
            texts = store.texts[section]
            for name in [name for name in old.texts[section] if name not in texts]:
                changed.add(Part(section, name))
                index.forget(Part(section, name))
        changed |= old.unreadable.keys() - store.unreadable.keys()
        if [*old.texts["holdouts"]] != [*store.texts["holdouts"]]:  # the first that holds a unit out is told
            changed.update(Part("holdouts", name) for name in store.texts["holdouts"])
        self._carry_warnings(changed)
        waiting = dict.fromkeys(part for part, waits in self._fresh.items() if waits)
        if changed and self._before is not None:
            again = [
                *index.users(changed),
                *store.held_by(part.name for part in changed if _is_holdout(part)),
            ]
            for part in again:
                if part.name in store.texts[part.section]:
                    index.forget(part)
                    waiting[part] = None
        for part in waiting:
            self._rest()
            cast = self._alike.casts.get(part)
            if cast is None:
                index.enter(part, examine(part, store.value(part), store, self._session))
            else:
                index.enter(part, self._alike.examine(part, cast))
        return changed

    def _carry_warnings(self, changed: set[Part]) -> None:
        for part, warnings in self._old.warnings.items():
            if part not in changed and part.name in self._store.texts[part.section]:
                self._store.warnings.setdefault(part, warnings)
                self._store.mended.setdefault(part, self._old.mended[part])

    def _judge(self) -> tuple[list[Problem], dict[Part, str]]:
        """All problems in how parts go together, in order, and why each broken part is broken."""
        store, index = self._store, self._index
        problems = [problem for part in store.in_order(index.problems) for problem in index.problems[part]]
        broken = {**store.unheld, **index.faults}
        for part, problem in index.overlaps():
            problems.append(problem)
            broken.setdefault(part, str(problem))
        self._rest()
        for part, message in index.unanswerable():
            problem = Problem(str(part), message, part.name if _is_flag(part) else None)
            problems.append(problem)
            broken.setdefault(part, str(problem))
        self._rest()
        layers = [
            (store.layer(name).get("salt") or name, Part("layers", name))
            for name in index.layers()
            if name in store.texts["layers"]
        ]
        problems += index.shared_salts(store.head.get("shared_salts", []), layers)
        return problems, broken

    def _suspects(self, changed: set[Part], malformed: Mapping[str, str]) -> frozenset[str] | None:
        """The flags that changed, or that stand on a part that did."""
        before = self._before
        if before is None:
            return None
        reached = {*changed}
        while True:
            more = {*before.index.users(reached), *self._index.users(reached)} - reached
            if not more:
                break
            reached |= more
        names = {part.name for part in reached if _is_flag(part)}
        return frozenset(names.union(key for key, _ in malformed.items() ^ before.rules.malformed.items()))


def _shape() -> Any:
    """The schema, in place of what is plain; to load it takes long."""
    with whole():
        from . import shape

    return shape


def _is_flag(part: Part) -> bool:
    return part.section == "flags"


def _is_holdout(part: Part) -> bool:
    return part.section == "holdouts"


def _malformed(broken: Mapping[Part, str], causes: Mapping[Part, Part]) -> dict[str, str]:
    """Why each flag that can't be decided can't."""
    return {
        part.name: broken[part] if part in broken else f"stands on a part that is broken: {broken[cause]}"
        for part, cause in causes.items()
        if part.section == "flags"
    }


def _drop(raw: Any, keys: list[str | int]) -> None:
    *path, last = keys
    for key in path:
        try:
            raw = raw[key]
        except (KeyError, IndexError):
            return  # went with a part that was dropped
    raw.pop(last, None)
