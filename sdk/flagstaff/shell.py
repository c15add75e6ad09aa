"""What a client and an asynchronous client share: everything but the waiting."""

from __future__ import annotations

from flagstaff.assembly import Assembly
from flagstaff.core.context import ANONYMOUS
from flagstaff.listeners import in_front_of
from flagstaff.status import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flagstaff.admission import TokenOverride
    from flagstaff.core.context import Whom
    from flagstaff.diagnosis import Diagnosis
    from flagstaff.events.ledger import Counts

__all__ = ["Shell"]

_GETTERS = ("enabled", "value", "variant", "decide")
_REQUESTS = ("send", "open")


class Shell(Assembly):
    """What a client does besides deciding: it tells of changes, reports events, and says how it is."""

    # -- what others hear of ---------------------------------------------------------------------------

    def on_change(self, callback: Callable[[frozenset[str]], None]) -> Callable[[], None]:
        """Call ``callback`` with the keys of the flags that changed: by new rules, or by the overrides' file.

        It is called where that is noticed: on one of the client's threads, or in one of its tasks. Returns a
        function that ends it.
        """
        return self._changes.add(callback)

    def on_state(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call ``callback`` with the new ``status().state``, whenever it has become another.

        Where it is called, and what is returned, is as with ``on_change``.
        """
        return self._states.add(callback)

    def intercept(
        self,
        *,
        getters: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
        requests: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    ) -> Callable[[], None]:
        """Stand in front of what this client does; returns a function that ends it, the last one first.

        ``getters`` is given ``enabled``, ``value``, ``variant`` and ``decide``, each as it was, and returns
        what is to be called instead; ``requests`` is given what sends a request of the client's own (a
        coroutine function, for an ``AsyncClient``). A client that nobody intercepts pays nothing.
        """
        ends = []
        if getters is not None:
            ends += [in_front_of(self, name, getters) for name in _GETTERS]
        if requests is not None:
            ends += [in_front_of(self._http, name, requests) for name in _REQUESTS]

        def end() -> None:
            while ends:
                ends.pop()()

        return end

    # -- events go out --------------------------------------------------------------------------------

    def track(
        self,
        event: str,
        context: Whom = ANONYMOUS,
        /,
        *,
        value: float | None = None,
        **properties: Any,
    ) -> None:
        """Report that something happened to a unit, for metrics: an order, a return, a cancellation.

        ``value`` is what is summed or averaged, ``properties`` whatever else JSON can hold. Never raises,
        never waits; what can't be sent is counted in ``stats()``. Does nothing where there is no collector.
        """
        if self._outlet is not None:
            self._outlet.track(event, context, value, properties)

    # -- what requests force --------------------------------------------------------------------------

    @property
    def accepts_tokens(self) -> bool:
        """Whether there is an ``override_secret``, without which no override token is accepted."""
        return self._admission.open

    @property
    def override_token(self) -> str | None:
        """The override token that is in force in this thread or task, to hand on with its work; or None."""
        return self._overrides.token()

    def override_from(self, token: str) -> TokenOverride:
        """What an override token forces: a ``with`` block puts it in force, in this thread or task only.

        Never raises: a token that is refused forces nothing, says why in ``refused``, and is counted in
        ``status().refused_overrides``; so is an override in it of a flag or variant that is not there.
        """
        return self._admission.admit(token)

    def sign_override(self, overrides: Mapping[str, str], lifetime: float = 7200.0) -> str:
        """A token that forces these variants wherever it is sent, for ``lifetime`` seconds.

        ConfigError without an ``override_secret``, or for a lifetime beyond 30 days; OverrideError where the
        rules have no such flag or variant.
        """
        return self._admission.sign(overrides, lifetime)

    # -- how it is ------------------------------------------------------------------------------------

    def stats(self) -> Counts:
        """What became of every event: ``accepted == delivered + pending + sum(dropped.values())``."""
        if self._outlet is not None:
            return self._outlet.stats()
        return {"accepted": 0, "delivered": 0, "pending": 0, "dropped": {}, "losses": []}

    @property
    def edition(self) -> tuple[str | None, str | None, str | None]:
        """Which rules decide: their project, environment and revision. Cheap, unlike ``status()``."""
        loaded = self._rules.loaded
        if loaded is None:
            return None, None, None
        rules = loaded.rules
        return rules.project, rules.environment, None if rules.revision is None else str(rules.revision)

    def status(self) -> Status:
        """How the client is: whether it has rules, how old they are, and what is wrong."""
        loaded, outlet, source = self._rules.loaded, self._outlet, self._source
        faults = [source.fault] if source.fault else []
        if outlet is not None:
            faults += filter(None, (outlet.fault, outlet.refused))
        faults += getattr(source, "notes", ())
        faults += self._rules.faults()
        return Status(
            state=self._rules.state(),
            source=source.describe(),
            project=loaded.rules.project if loaded else None,
            environment=loaded.rules.environment if loaded else None,
            revision=loaded.rules.revision if loaded else None,
            flags=len(loaded.rules.flags) if loaded else 0,
            age=self._rules.age(),
            pending=self.stats()["pending"],
            problems=(*faults, *self._driver_faults(), *self._problems, *self._standing.of_file()),
            refused_overrides=self._admission.refused(),
        )

    def doctor(self) -> Diagnosis:
        """Look at everything that can be wrong with this client in this process; nothing is sent.

        Print it, or log it, when flags don't change or events don't arrive.
        """
        from flagstaff import diagnosis as look

        outlet = self._outlet
        found = [
            look.rules(self.status(), self._source),
            look.clock(getattr(self._source, "skew", None)),
            *look.events(None if outlet is None else outlet.stats(), outlet.fault if outlet else None),
            look.refused(outlet.refused if outlet else None),
            look.place("directory", self._settings.directory),
            look.background(self._driver_faults(), self._driver_remedy()),
            look.uwsgi(),
            look.gevent(self._greenlets),
        ]
        return look.Diagnosis(tuple(finding for finding in found if finding is not None))

    def _driver_faults(self) -> list[str]:
        """What keeps threads or tasks from their work."""
        return []

    def _driver_remedy(self) -> str:
        """What is to be done about that."""
        return ""

    def describe(self) -> str:
        """Where rules come from and where events go, a line each."""
        events = self._outlet.describe() if self._outlet else "nowhere"
        return f"rules: {self._source.describe()}\nevents: {events}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._source.describe()}>"
