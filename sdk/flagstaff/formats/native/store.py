"""The parts of one version of a document, by name, and what is made of them when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flagstaff.core.rules import Condition, Flag
from flagstaff.errors import Problem

from .parts import SECTIONS, Part, parse
from .translate import translate_flag, translate_segment

if TYPE_CHECKING:
    from .document import Document, ExperimentModel, FlagModel, HoldoutModel, LayerModel

__all__ = ["Flags", "Segments", "Store"]

_AT_HAND = 256
"""How many parts are kept as values, for those that many others name, and how many flags as flags."""


class Store:
    """Texts of parts that have the right shape, and notes on those that don't."""

    def __init__(self, head: dict[str, Any], texts: dict[str, dict[str, str]]) -> None:
        self.token: object = object()
        """What a later version remembers this one by, without keeping it alive."""
        self.head = head
        self.texts = texts
        self.warnings: dict[Part, tuple[Problem, ...]] = {}
        """What is wrong with the shape of parts."""
        self.mended: dict[Part, str] = {}
        """The texts of parts less the fields that nobody knows."""
        self.unreadable: dict[Part, str] = {}
        """Why parts were left out."""
        self.unheld: dict[Part, str] = {}
        """Why the holdouts of experiments were left out."""
        self._values: dict[Part, Any] = {}
        self._held: dict[str, list[tuple[str, HoldoutModel]]] | None = None

    def value(self, part: Part) -> Any:
        """A part as data."""
        return parse(self.mended.get(part) or self.texts[part.section][part.name])

    def document(self) -> Document:
        """All of it as data."""
        sections = {
            section: {name: self.value(Part(section, name)) for name in self.texts[section]}
            for section in SECTIONS
            if section in self.head
        }
        document: Any = {**self.head, **sections}
        return document  # type: ignore[no-any-return]

    def in_order(self, parts: Iterable[Part]) -> Iterator[Part]:
        """These parts as they are told of: by section, then as the document has them."""
        wanted: dict[str, dict[str, Part]] = {section: {} for section in _ORDER}
        for part in parts:
            wanted[part.section][part.name] = part
        for section, by_name in wanted.items():
            if by_name:
                yield from (by_name[name] for name in self.texts[section] if name in by_name)

    def settle(self) -> None:
        """Forget what was only of use while parts were compared."""
        self._values.clear()
        self._held = None

    # -- one part seen from another ------------------------------------------------------------------------

    def names(self, section: str) -> Collection[str]:
        return self.texts[section]

    def is_unreadable(self, flag: str) -> bool:
        return Part("flags", flag) in self.unreadable

    def flag(self, name: str) -> FlagModel:
        found: FlagModel = self._at_hand("flags", name)
        return found

    def experiment(self, name: str) -> ExperimentModel:
        found: ExperimentModel = self._at_hand("experiments", name)
        return found

    def layer(self, name: str) -> LayerModel:
        found: LayerModel = self._at_hand("layers", name)
        return found

    def _at_hand(self, section: str, name: str) -> Any:
        part = Part(section, name)
        value = self._values.get(part)
        if value is None:
            if len(self._values) >= _AT_HAND:
                self._values.clear()
            value = self._values[part] = self.value(part)
        return value

    def holdouts(self, experiment: str) -> Iterable[tuple[str, HoldoutModel]]:
        held = self._held
        if held is None:
            held = {}
            for name in self.texts["holdouts"]:
                holdout: HoldoutModel = self.value(Part("holdouts", name))
                for key in dict.fromkeys(holdout["experiments"]):
                    held.setdefault(key, []).append((name, holdout))
            self._held = held  # only now that it is whole: other threads make rules, too
        return held.get(experiment, ())

    def held_by(self, holdouts: Iterable[str]) -> Iterator[Part]:
        """The experiments that these holdouts name."""
        for name in holdouts:
            if name in self.texts["holdouts"]:
                for key in self.value(Part("holdouts", name))["experiments"]:
                    yield Part("experiments", key)


_ORDER = ("segments", "experiments", "holdouts", "flags", "layers")


class Flags(Mapping[str, Flag]):
    """The engine's flags, each made when it is asked for; a few are kept, for who asks again."""

    def __init__(self, store: Store, malformed: Collection[str]) -> None:
        self._store = store
        self._texts = store.texts["flags"]
        self._malformed = malformed
        self._made: dict[str, Flag] = {}

    def __getitem__(self, key: str) -> Flag:
        flag = self._made.get(key)
        if flag is None:
            if key in self._malformed or key not in self._texts:
                raise KeyError(key)
            flag = translate_flag(key, self._store.value(Part("flags", key)), self._store)
            if len(self._made) >= _AT_HAND:
                self._made.clear()
            self._made[key] = flag
        return flag

    def __contains__(self, key: object) -> bool:
        return key in self._texts and key not in self._malformed

    def __iter__(self) -> Iterator[str]:
        if not self._malformed:
            return iter(self._texts)
        return (key for key in self._texts if key not in self._malformed)

    def __len__(self) -> int:
        return len(self._texts) - sum(key in self._texts for key in self._malformed)

    def __repr__(self) -> str:
        return repr(dict(self))


class Segments(Mapping[str, Condition]):
    """The engine's segments, each made when it is asked for."""

    def __init__(self, store: Store, broken: Collection[str]) -> None:
        self._store = store
        self._broken = broken

    def __getitem__(self, name: str) -> Condition:
        if name in self._broken or name not in self._store.texts["segments"]:
            raise KeyError(name)
        return translate_segment(self._store.value(Part("segments", name)))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._store.texts["segments"] if name not in self._broken)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))
