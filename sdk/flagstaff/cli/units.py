"""The units of a simulation: made up, or listed in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flagstaff.cli.contexts import context_from, parse_json
from flagstaff.cli.output import Impossible
from flagstaff.cli.reading import read_bytes
from flagstaff.core.context import Context
from flagstaff.core.subjects import Reader, Subject

__all__ = ["Units"]


class Units:
    """Contexts that differ in their unit; those that a file gives as JSON may differ in anything.

    ``path`` is where a context has its unit; ``alike`` says whether only the unit tells contexts apart.
    """

    def __init__(
        self, unit: str, fixed: Mapping[str, Any], lines: Sequence[str | Mapping[str, Any]] | int
    ) -> None:
        self.path: tuple[str, ...] = (unit,)
        self._unit = unit
        self._fixed = fixed
        self._lines = lines
        self.alike: bool = isinstance(lines, int) or all(isinstance(line, str) for line in lines)

    @classmethod
    def made_up(cls, unit: str, fixed: Mapping[str, Any], count: int) -> Units:
        """``user-1`` to ``user-count``."""
        return cls(unit, fixed, count)

    @classmethod
    def listed(cls, unit: str, fixed: Mapping[str, Any], file: str) -> Units:
        """A unit a line, or a context as JSON; a line that occurs twice counts once. Impossible."""
        lines = dict.fromkeys(filter(None, map(str.strip, _text(file).split("\n"))))
        if not lines:
            raise Impossible(f"{file} lists no units")
        return cls(unit, fixed, [_read(file, line) for line in lines])

    def __len__(self) -> int:
        return self._lines if isinstance(self._lines, int) else len(self._lines)

    def __iter__(self) -> Iterator[Context]:
        for line in self._each():
            own = {self._unit: line} if isinstance(line, str) else line
            yield context_from({**self._fixed, **own})

    def _each(self) -> Iterable[str | Mapping[str, Any]]:
        if isinstance(self._lines, int):
            return (f"user-{number}" for number in range(1, self._lines + 1))
        return self._lines

    def varies(self, subject: Subject) -> bool:
        """Whether what a subject is may differ from one context to the next."""
        return not self.alike or isinstance(subject, Reader) or subject[0] == self._unit


def _text(file: str) -> str:
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Impossible(f"{file} is not UTF-8") from None


def _read(file: str, line: str) -> str | Mapping[str, Any]:
    if not line.startswith("{"):
        return line
    try:
        context: Mapping[str, Any] = parse_json(line)
    except ValueError as error:
        raise Impossible(f"{file}: {line[:60]!r} is no JSON: {error}") from None
    return context
