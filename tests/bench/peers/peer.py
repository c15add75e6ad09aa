"""What the benchmark asks of an SDK."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from tests.bench.scenario import Flag, User

__all__ = ["Loop", "Peer", "Setting"]

Loop: TypeAlias = Callable[[Sequence[Any]], object]
"""Evaluates once for each of the items: contexts, or users of whom contexts are to be made."""


@dataclass(frozen=True)
class Setting:
    """Where an SDK finds its rules and sends its events.

    ``url`` is a server on this machine that answers GET with the document and swallows what is posted;
    ``refresh`` the seconds between two looks at the rules, None where they stay as they are.
    """

    document: Path
    url: str
    exposing: bool = False
    refresh: float | None = None


_LOOPS = (
    "static",
    "targeted",
    "experiment",
    "everything",
    "static_built",
    "targeted_built",
    "experiment_built",
)


class Peer:
    """An SDK. Loops are written out, for a call between them and the SDK would be measured with it.

    ``static``, ``targeted``, ``experiment`` and ``everything`` take the SDK's own contexts; the ``…_built``
    take users, and build the context for every evaluation. Those that an SDK can't do are left out.
    """

    title: ClassVar[str]
    package: ClassVar[str]
    """The distribution whose version is told."""
    imports: ClassVar[str]
    """What its users' programs import."""
    exposes: ClassVar[bool] = True
    """Whether it has exposures at all."""
    refreshes: ClassVar[bool] = False
    """Whether ``Setting.refresh`` is heeded."""

    # -- rules ------------------------------------------------------------------------------------------

    @staticmethod
    def document(flags: Sequence[Flag]) -> bytes:
        """The flags in the SDK's own dialect, as its server sends them."""
        raise NotImplementedError

    @staticmethod
    def answers() -> Mapping[str, bytes]:
        """What its server answers to a GET under some prefix; everything else is the document."""
        return {}

    # -- life -------------------------------------------------------------------------------------------

    def start(self, setting: Setting) -> None:
        """Construct the client, load the rules, be ready to evaluate."""
        raise NotImplementedError

    async def astart(self, setting: Setting) -> None:
        """The same inside an event loop."""
        import asyncio

        await asyncio.to_thread(self.start, setting)

    def settle(self) -> None:
        """Have the events that wait sent, so that they don't disturb what comes next."""
        time.sleep(0.3)

    def waiting(self) -> int:
        """How many events wait to be sent, where the SDK says so."""
        return 0

    def lost(self) -> int:
        """How many events were dropped so far, where the SDK says so."""
        return 0

    def close(self) -> None:
        pass

    async def aclose(self) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    # -- evaluations --------------------------------------------------------------------------------------

    def context(self, user: User) -> Any:
        """The user as the SDK wants it."""
        raise NotImplementedError

    def answer(self, flag: str, context: Any, *, text: bool = False) -> Any:
        """The value of one flag: of an experiment where ``text``, else a boolean."""
        raise NotImplementedError

    def loops(self) -> Mapping[str, Loop]:
        """What can be timed, by the name of the workload."""
        return {name: getattr(self, name) for name in _LOOPS if hasattr(self, name)}
