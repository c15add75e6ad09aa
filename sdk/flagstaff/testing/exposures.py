"""What was recorded, and assertions about it whose failures say what was recorded instead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exposure", "Exposures", "Tracked"]


class Exposure(NamedTuple):
    """A unit met a variant of an experiment."""

    flag: str
    variant: str
    experiment: str
    unit: str

    def __str__(self) -> str:
        return f"{self.flag} = {self.variant} for {self.unit}, in {self.experiment}"


class Tracked(NamedTuple):
    """Something happened to a unit."""

    event: str
    unit: str | None
    value: float | None
    properties: Mapping[str, Any]

    def __str__(self) -> str:
        told = [f"{name}={item!r}" for name, item in {"value": self.value, **self.properties}.items()]
        return f"{self.event} for {self.unit}: {', '.join(told)}"


class Exposures(Sequence[Exposure]):
    """The exposures that a client recorded, oldest first, and in ``tracked`` the events that it tracked.

    A repetition (the same unit, experiment and variant) is no exposure, just as at a real client.
    """

    def __init__(self) -> None:
        self.tracked: list[Tracked] = []
        self._seen: dict[Exposure, None] = {}

    def record(self, exposure: Exposure) -> None:
        """Take in an exposure, unless it is there already."""
        self._seen.setdefault(exposure)

    def clear(self) -> None:
        """Forget all of it: what comes next counts anew."""
        self._seen.clear()
        self.tracked.clear()

    def of(self, flag: str) -> list[Exposure]:
        """The exposures of one flag."""
        return [exposure for exposure in self if exposure.flag == flag]

    # -- assertions -----------------------------------------------------------------------------------

    def assert_seen(self, flag: str, variant: str | None = None, *, unit: str | int | None = None) -> None:
        """AssertionError unless somebody met the flag: this variant, and this unit, where they are given."""
        if not self._matching(flag, variant, unit):
            self._fail(f"nobody met {_wanted(flag, variant, unit)}")

    def assert_seen_once(
        self, flag: str, variant: str | None = None, *, unit: str | int | None = None
    ) -> None:
        """The same, and AssertionError if it was more than one."""
        found = self._matching(flag, variant, unit)
        if len(found) != 1:
            self._fail(f"{_wanted(flag, variant, unit)} was met {len(found)} times, not once")

    def assert_not_seen(self, flag: str, variant: str | None = None) -> None:
        """AssertionError if anybody met the flag, or this variant of it."""
        if self._matching(flag, variant, None):
            self._fail(f"somebody met {_wanted(flag, variant, None)}")

    def assert_none(self) -> None:
        """AssertionError if anything at all was exposed."""
        if self._seen:
            self._fail("there should be no exposure")

    def assert_tracked(self, event: str, **expected: Any) -> None:
        """AssertionError unless the event was tracked with (at least) these properties and this ``value``."""
        for tracked in self.tracked:
            told = {"unit": tracked.unit, "value": tracked.value, **tracked.properties}
            if tracked.event == event and all(
                name in told and told[name] == item for name, item in expected.items()
            ):
                return
        conditions = "".join(f", {name}={item!r}" for name, item in expected.items())
        raise AssertionError(f"not tracked: {event}{conditions}\n{_listed('tracked', self.tracked)}")

    def _matching(self, flag: str, variant: str | None, unit: str | int | None) -> list[Exposure]:
        return [
            exposure
            for exposure in self.of(flag)
            if variant in (None, exposure.variant) and unit in (None, exposure.unit, _number(exposure.unit))
        ]

    def _fail(self, sentence: str) -> None:
        raise AssertionError(f"{sentence}\n{_listed('exposures', self)}")

    # -- a sequence -----------------------------------------------------------------------------------

    @overload
    def __getitem__(self, index: int) -> Exposure: ...
    @overload
    def __getitem__(self, index: slice) -> list[Exposure]: ...
    def __getitem__(self, index: int | slice) -> Exposure | list[Exposure]:
        return list(self._seen)[index]

    def __len__(self) -> int:
        return len(self._seen)

    def __eq__(self, other: object) -> bool:
        return list(self) == (list(other) if isinstance(other, Exposures) else other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<{_listed('exposures', self)}>"


def _number(unit: str) -> int | None:
    return int(unit) if unit.isascii() and unit.isdigit() and len(unit) < 20 else None


def _wanted(flag: str, variant: str | None, unit: str | int | None) -> str:
    return flag + ("" if variant is None else f" = {variant}") + ("" if unit is None else f" for {unit}")


def _listed(what: str, items: Sequence[object]) -> str:
    if not items:
        return f"{what}: none"
    return "\n".join([f"{what}:", *(f"  {item}" for item in items)])
