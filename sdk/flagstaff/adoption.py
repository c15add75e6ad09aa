"""The rules that a client decides by: taken in as they arrive, marked when nobody confirms them any more."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.core.evaluate import Snapshot
    from flagstaff.formats.native import Loaded
    from flagstaff.runtime.clock import Clock
    from flagstaff.sources import Source

__all__ = ["Adoption"]


class Adoption:
    """The rules in force, ``loaded``, and whether they are older than ``max_stale`` seconds: ``stale``.

    ``adopt`` is called with what to decide by from now on.
    """

    def __init__(
        self, source: Source, clock: Clock, max_stale: float | None, adopt: Callable[[Snapshot], None]
    ) -> None:
        # Here, not when the first rules arrive: that is on a thread, which a fork may cut off.
        import flagstaff.core.stale  # noqa: F401

        self.loaded: Loaded | None = None
        self.stale: bool = False
        self.max_stale: float | None = max_stale
        self._source = source
        self._clock = clock
        self._adopt = adopt
        self._fresh: Snapshot | None = None

    def take_in(self, loaded: Loaded) -> None:
        """Decide by these rules from now on."""
        from flagstaff.core.evaluate import Snapshot

        snapshot = Snapshot(loaded.rules, self._clock.time)
        suspects = loaded.suspects(self.loaded)
        if suspects is not None and self._fresh is not None:
            snapshot.take_over(self._fresh, suspects)
        self._fresh = snapshot
        self.mark()
        self.loaded = loaded  # only now: who waits for rules must find them

    def mark(self) -> None:
        """Have decisions say whether the rules are too old by now."""
        from flagstaff.core.stale import StaleSnapshot

        if self._fresh is not None:
            age = self.age()
            self.stale = age is not None and self.max_stale is not None and age >= self.max_stale
            self._adopt(StaleSnapshot(self._fresh) if self.stale else self._fresh)

    def age(self) -> float | None:
        """Seconds since the rules were last known to be current."""
        checked = self._source.checked
        return None if checked is None else self._clock.monotonic() - checked

    def state(self) -> str:
        """As in ``Status``: NOT_READY, READY or STALE."""
        if self.loaded is None:
            return "NOT_READY"
        return "READY" if self._source.fault is None and not self.stale else "STALE"

    def faults(self) -> list[str]:
        """What is wrong with the rules' age."""
        if not self.stale:
            return []
        return [f"the rules were confirmed {self.age():.0f} s ago; max_stale is {self.max_stale:g} s"]
