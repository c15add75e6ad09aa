"""What is known of a document's parts without looking at them again.

An index is made from the one before it: what was found in a part that has changed is taken out, what is found
in it now is put in. The rest stays, so new rules cost what is new in them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from flagstaff.errors import Problem

from .findings import Findings, Slot, overlaps, shared_salt
from .graph import MAX_OWN, faults
from .parts import SECTIONS, Part

__all__ = ["Index"]

_Note = tuple[int, tuple[tuple[str, str], ...]]
"""How many rules and conditions a part has, and its draws: all that is kept of most parts."""


class Index:
    """What was found in each part, and what that comes to."""

    def __init__(self, before: Index | None, rest: Callable[[], object]) -> None:
        """``rest`` is called between steps: of many flags, a copy of each of these is a lengthy one."""
        self.notes: dict[str, dict[str, _Note]] = {}
        for section in SECTIONS:
            rest()
            self.notes[section] = {**before.notes[section]} if before else {}
        self.problems: dict[Part, tuple[Problem, ...]] = {**before.problems} if before else {}
        self.faults: dict[Part, str] = {**before.faults} if before else {}
        self.uses: dict[Part, Mapping[Part, int]] = {**before.uses} if before else {}
        rest()
        self._named: dict[Part, int] = {**before._named} if before else {}  # by how many parts each is used
        self._slots: dict[Part, tuple[Slot, ...]] = {**before._slots} if before else {}
        rest()
        self._salts: Counter[str] = Counter()
        if before:
            dict.update(self._salts, before._salts)
            rest()
        self._linked: set[Part] = before._linked if before else set()
        self._unanswerable: tuple[tuple[Part, str], ...] = before._unanswerable if before else ()
        self._stirred = before is None  # whether what asks for what has changed
        self._crowded: set[str] = {*before._crowded} if before else set()

    def forget(self, part: Part) -> None:
        """Take out what was found in a part."""
        self._stirred = self._stirred or part in self._linked
        _, draws = self.notes[part.section].pop(part.name, (0, ()))
        for salt, _ in draws:
            self._salts[salt] -= 1
            if not self._salts[salt]:
                del self._salts[salt]
        for other in self.uses.pop(part, ()):
            self._named[other] -= 1
            if not self._named[other]:
                del self._named[other]
        for found in (self.problems, self.faults, self._slots):
            found.pop(part, None)

    def enter(self, part: Part, findings: Findings) -> None:
        """Put in what was found in a part, which has been forgotten or was never there."""
        self.notes[part.section][part.name] = (findings.own, findings.draws)
        for salt, _ in findings.draws:
            self._salts[salt] += 1
            if self._salts[salt] > 1:
                self._crowded.add(salt)
        if findings.problems:
            self.problems[part] = findings.problems
        if findings.fault is not None:
            self.faults[part] = findings.fault
        if findings.uses:
            self.uses[part] = findings.uses
            for other in findings.uses:
                self._named[other] = self._named.get(other, 0) + 1
        self._stirred = (
            self._stirred or part in self._linked or findings.own > MAX_OWN or _asks(findings.uses)
        )
        if findings.slots:
            self._slots[part] = findings.slots

    def users(self, changed: Collection[Part]) -> Iterator[Part]:
        """The parts that name one of these."""
        if self._named.keys().isdisjoint(changed):  # as it is with most flags
            return
        for part, used in self.uses.items():
            if not used.keys().isdisjoint(changed):
                yield part

    # -- what it comes to ----------------------------------------------------------------------------------

    def overlaps(self) -> Iterator[tuple[Part, Problem]]:
        """Experiments of one layer that take the same slots."""
        by_layer: dict[str, list[Slot]] = defaultdict(list)
        for slots in self._slots.values():
            by_layer[slots[0].layer].extend(slots)
        for taken in by_layer.values():
            yield from overlaps(taken)

    def layers(self) -> set[str]:
        """The layers that experiments draw in."""
        return {slots[0].layer for slots in self._slots.values()}

    def shared_salts(self, meant: Collection[str], layers: Iterable[tuple[str, Part]]) -> Iterator[Problem]:
        """Draws of different parts that fall alike; ``layers`` are the draws of layers, by salt."""
        drawn = dict[str, dict[str, Part]]()
        for salt, part in layers:
            drawn.setdefault(salt, {})[str(part)] = part
        crowded = {salt for salt in self._crowded if self._salts[salt] > 1}
        crowded |= {salt for salt, places in drawn.items() if len(places) > 1 or salt in self._salts}
        crowded.difference_update(meant)
        for salt, path, part in self._draws_of(crowded):
            drawn.setdefault(salt, {})[path] = part
        for salt in sorted(crowded):
            yield shared_salt(salt, drawn[salt])

    def _draws_of(self, salts: Collection[str]) -> Iterator[tuple[str, str, Part]]:
        for section, notes in self.notes.items() if salts else ():
            for name, (_, draws) in notes.items():
                for salt, path in draws:
                    if salt in salts:
                        yield salt, path, Part(section, name)

    def unanswerable(self) -> tuple[tuple[Part, str], ...]:
        """The flags and segments that can't be answered in good time, and why."""
        if self._stirred:
            graph = {part: used for part, used in self.uses.items() if _asks(used)}
            sizes = {part: self._size(part) for used in graph.values() for part in used}
            sizes |= {part: self._size(part) for part in graph}
            for section in _ASKED:
                for name, (own, _) in self.notes[section].items():
                    if own > MAX_OWN:
                        sizes[Part(section, name)] = own
            self._linked = {*sizes}
            asked = {part: own for part, own in sizes.items() if own and part.section in _ASKED}
            self._unanswerable = tuple(faults(graph, asked))
            self._stirred = False
        return self._unanswerable

    def _size(self, part: Part) -> int:
        return self.notes[part.section].get(part.name, (0, ()))[0]


_ASKED = ("segments", "flags")


def _asks(used: Mapping[Part, int]) -> bool:
    return any(part.section in _ASKED for part in used)
