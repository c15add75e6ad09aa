"""Clients in memory: what they decide, a test sets; what they record, a test reads. No thread, no network."""

from __future__ import annotations

from flagstaff.aio import AsyncClient
from flagstaff.client import Client
from flagstaff.core.buckets import unit_text
from flagstaff.core.context import ANONYMOUS, Context, as_context
from flagstaff.core.dialect import unit_of
from flagstaff.flags import BoundFlags
from flagstaff.shell import Shell
from flagstaff.testing.exposures import Exposure, Exposures, Tracked
from flagstaff.testing.source import MemorySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from typing import Any

    from flagstaff.core.context import Whom
    from flagstaff.core.decision import Decision
    from flagstaff.runtime.clock import Clock

__all__ = ["AsyncMemoryClient", "MemoryClient", "MemoryFlags"]

_SHOWN = 10  # flags in a line of pytest's


class _InMemory(Shell):
    """What both have in common."""

    def __init__(
        self,
        rules: Mapping[str, Any] | bytes | str | os.PathLike[str] | MemorySource | None = None,
        *,
        format: str = "native",  # noqa: A002 - what everybody calls it
        clock: Clock | None = None,
    ) -> None:
        """``rules`` as for ``MemorySource``, or one of those."""
        memory = rules if isinstance(rules, MemorySource) else MemorySource(rules, format=format)
        self.exposures: Exposures = Exposures()
        self._memory: MemorySource = memory
        super().__init__(memory, key="", events=None, clock=clock)
        self._expose: Callable[[Decision, Whom], None] | None = self._record

    def set(self, flag: str, wanted: Any, *, experiment: str | None = None) -> None:
        """Let a flag be something for everybody, in every thread and task: see ``MemorySource.set``."""
        self._memory.set(flag, wanted, experiment=experiment)

    def replace(self, rules: Mapping[str, Any] | bytes | str | os.PathLike[str]) -> None:
        """Go on with other rules, as when a server has new ones. RulesError, ConfigError."""
        self._memory.replace(rules)

    def reset(self) -> None:
        """Forget what was set and what was recorded."""
        self._memory.reset()
        self.exposures.clear()

    def track(
        self,
        event: str,
        context: Whom = ANONYMOUS,
        /,
        *,
        value: float | None = None,
        **properties: Any,
    ) -> None:
        """As ``Client.track``: it is kept in ``exposures.tracked``."""
        unit = unit_text(getattr(as_context(context), "targeting_key", None))
        self.exposures.tracked.append(Tracked(event, unit, value, properties))

    def _record(self, decision: Decision, context: Whom) -> None:
        exposed = decision._exposed
        if exposed is not None:
            unit = unit_of(as_context(context), exposed.unit)
            if unit:
                found = Exposure(exposed.flag, exposed.variant, exposed.experiment, unit)
                self.exposures.record(found)


class MemoryClient(_InMemory, Client):
    """A ``Client`` in memory: it has no threads, opens no connection and writes no file.

        client = MemoryClient()  # or MemoryClient("flags.toml"), or a document
        client.set("new-checkout", True)
        client.enabled("new-checkout")
        client.exposures.assert_none()

    Flags are set for all threads and tasks, unlike with ``override``. Exposures and tracked events are kept
    in ``exposures``.
    """


class AsyncMemoryClient(_InMemory, AsyncClient):
    """``MemoryClient`` for code that takes an ``AsyncClient``: it has no tasks either."""


class MemoryFlags(BoundFlags):
    """The getters of a client in memory for one context, the client itself, and, called, a way to set flags.

    flags(new_checkout=True)
    flags({"checkout-cta": "urgent"})
    flags.enabled("new_checkout")
    flags.client.exposures
    """

    __slots__ = ("client",)

    def __init__(self, client: MemoryClient | AsyncMemoryClient, context: Context) -> None:
        super().__init__(client, context)
        self.client: MemoryClient | AsyncMemoryClient = client

    def __call__(self, flags: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Set flags for everybody, until the end of the test: see ``MemorySource.set``."""
        for flag, wanted in {**(flags or {}), **named}.items():
            self.client.set(flag, wanted)

    def set(self, flag: str, wanted: Any, *, experiment: str | None = None) -> None:
        """Set one flag; with ``experiment``, as if that experiment served it: decisions are exposures."""
        self.client.set(flag, wanted, experiment=experiment)

    def bind(self, context: Context) -> BoundFlags:
        """The same flags for somebody else."""
        return self.client.bind(context)

    def __repr__(self) -> str:
        """What there is: an assertion that failed may have misspelt it."""
        decided = self.client.decide_all(self.context)
        shown = [f"{flag}={decision.value!r}" for flag, decision in list(decided.items())[:_SHOWN]]
        more = [f"and {len(decided) - _SHOWN} more"] if len(decided) > _SHOWN else []
        return f"<flags: {', '.join([*shown, *more]) or 'none'}>"
