"""A gate in front of every connection that a client would open by itself: open, unless tests have shut it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check", "shut"]

_refuse: Callable[[str, bool], None] | None = None


def check(host: str, *, planned: bool = False) -> None:
    """Raise what the tests raise, if they have shut the gate.

    ``planned`` says that a client was made which will connect, not that it does so now.
    """
    if _refuse is not None:
        _refuse(host, planned)


def shut(refuse: Callable[[str, bool], None] | None) -> None:
    """From now on, and in every child process by ``fork``, ask ``refuse``; None opens the gate again.

    ``refuse`` is called with a host and with ``planned``, on any thread; it raises, or lets it pass.
    """
    global _refuse  # noqa: PLW0603 - one gate for all clients of a process
    _refuse = refuse
