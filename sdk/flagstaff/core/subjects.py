"""Where in a context something is found: the values that are compared, the units that are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .context import Context

__all__ = ["TARGETING_KEY", "Direct", "Path", "Reader", "Subject", "label"]

Path: TypeAlias = tuple[str, ...]
TARGETING_KEY = ("targeting_key",)
"""The path that stands for a context's targeting key; any other path leads through its attributes."""


@dataclass(frozen=True, slots=True)
class Direct:
    """What a reader reads of nearly every context, so that the engine can write it out in place of a call.

    It is the targeting key or the ``attribute``, with the ``prefix`` before it, wherever that is text and not
    empty; with ``always`` it is that whatever it is. All else is the reader's, and so is every context that
    has one of the attributes ``unless``.
    """

    attribute: str | None = None
    prefix: str = ""
    unless: tuple[str, ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """How another dialect finds a value or a unit in a context. A unit is text, or None where there is none.

    ``label`` is what people call the thing that is read; ``direct`` a shorter way to it, if there is one.
    """

    name: str
    argument: Any
    label: str = field(compare=False)
    read: Callable[[Context], Any] = field(compare=False, repr=False)
    direct: Direct | None = field(default=None, compare=False, repr=False)


Subject: TypeAlias = Path | Reader
"""Where in a context something is found."""


def label(subject: Subject) -> str:
    """What people call a thing in a context."""
    return subject.label if isinstance(subject, Reader) else ".".join(subject)
