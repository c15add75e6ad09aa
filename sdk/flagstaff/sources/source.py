"""What a client asks of a place that rules come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.machine import Machine

    Publish: TypeAlias = Callable[[Loaded], None]
else:
    Publish: TypeAlias = Any

__all__ = ["Publish", "Source"]


@runtime_checkable
class Source(Protocol):
    """A place that rules come from.

    One that holds on to something may have a method ``close`` (and ``aclose``, for ``AsyncClient``), which is
    called when its client is closed and nothing drives its machine any more. One that has more to say about
    itself may have ``channel``, a few words on how it hears of news; ``skew``, the seconds that its clock is
    ahead of ours; ``notes``, sentences about what is wrong and yet leaves the rules current.
    """

    @property
    def fault(self) -> str | None:
        """A sentence about what is wrong now, or None."""
        ...

    @property
    def checked(self) -> float | None:
        """The monotonic time, in seconds, at which the rules were last known to be current, or None."""
        ...

    def describe(self) -> str:
        """One line for people, without secrets."""
        ...

    def attach(self, publish: Publish) -> Machine[Any, Any] | None:
        """Begin: hand over through ``publish`` what is there; return what keeps looking, if anything does.

        Called once, by the client that the source is given to. May raise RulesError.
        """
        ...
