"""What is found in the parts of a document, and what shows only when several are held together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from flagstaff.errors import Problem

from .parts import Part

__all__ = ["Findings", "Slot", "flag_of", "listed", "overlaps", "shared_salt"]


class Slot(NamedTuple):
    """What an experiment takes of its layer, in buckets."""

    layer: str
    start: int
    stop: int
    experiment: str


class Findings(NamedTuple):
    """What is found in one part.

    ``fault`` is the first problem that keeps it from being decided; ``slots`` what an experiment takes of its
    layer. ``uses`` says which parts it names, and
    how often, whether they are there or not; ``own`` how many rules and conditions it has; ``draws`` under
    which salts it draws, and where.
    """

    problems: tuple[Problem, ...]
    fault: str | None
    uses: Mapping[Part, int]
    own: int
    draws: tuple[tuple[str, str], ...]
    slots: tuple[Slot, ...]


def overlaps(slots: Iterable[Slot]) -> Iterator[tuple[Part, Problem]]:
    """The experiments of one layer that take what another one has."""
    end, first = 0, ""
    for layer, start, stop, second in sorted(slots):
        if start < min(end, stop):
            both = f"{start / 1000:g} to {min(end, stop) / 1000:g}"
            message = f"overlap those of {first} in layer {layer}: {both} percent belong to both"
            yield Part("experiments", second), Problem(f"experiments.{second}.slots", message)
        end, first = max((end, first), (stop, second))


def shared_salt(salt: str, draws: Mapping[str, Part]) -> Problem:
    """What to say of draws, by their places, that fall alike."""
    first, *others = sorted(draws)
    message = (
        f"draws with the same salt as {listed(others)}: {salt!r}, so their units fall alike; "
        "give one a salt of its own, or name the salt in shared_salts if that is meant"
    )
    return Problem(first, message, flag_of(draws[first]))


def flag_of(part: Part) -> str | None:
    return part.name if part.section == "flags" else None


def listed(names: Collection[str]) -> str:
    """The names, or the first of them."""
    first = list(islice(names, 20))
    return ", ".join(first) + (f" and {len(names) - len(first):,} more" if len(names) > len(first) else "")
