"""How a client is put together from its settings, and how rules come into it.

Nothing is started and nothing is waited for: the clients drive the machines, one on threads, the other in
tasks.
"""

from __future__ import annotations

from flagstaff.admission import Admission
from flagstaff.adoption import Adoption
from flagstaff.diagnosis import greenlets
from flagstaff.flags import Flags
from flagstaff.formats import check_format
from flagstaff.listeners import Listeners
from flagstaff.overrides import Overrides
from flagstaff.plan import Plan, document_source, file_source
from flagstaff.runtime.weak import weakly
from flagstaff.standing import Standing, from_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from types import EllipsisType
    from typing import Any, Self

    from flagstaff.events.transport import Sink
    from flagstaff.formats.native import Loaded
    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.settings import Secret
    from flagstaff.sources import Source

__all__ = ["Assembly"]

_TOLD = 5  # problems in one line of a log


class Assembly(Flags):
    """Flags, the source that their rules come from, and the outlet that their exposures leave by."""

    def __init__(
        self,
        source: str | Source | None = None,
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        override_secret: str | Secret | Sequence[str | Secret] | None = None,
        override_audience: str | None = None,
        max_stale: float | None = None,
        stream: bool | None = None,
        format: str = "native",  # noqa: A002 - what everybody calls it
        format_options: Mapping[str, Any] | None = None,
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> None:
        """Make a client; ConfigError names the setting that can't work.

        ``source``
            A server's address, which has its rules at ``/v1/rules`` (an address that ends in ``.json`` is
            the document itself), or a source object. ``FLAGSTAFF_URL``.
        ``key``
            Sent as ``Authorization: Bearer``. ``FLAGSTAFF_KEY``.
        ``events``
            Where exposures and tracked events go: a collector's address (they are posted to
            ``/v1/events``), an object with a ``send`` method, or None for nowhere. Left out, they go to the
            server that rules come from, and nowhere if that is none or another vendor's.
            ``FLAGSTAFF_EVENTS``.
        ``poll_interval``
            Seconds between two looks at the rules: 30 for a server, 1 for a file.
            ``FLAGSTAFF_POLL_INTERVAL``.
        ``stream``
            Whether to be told of changes by a stream (``/v1/stream``), and to poll only where there is none;
            True. ``FLAGSTAFF_STREAM``.
        ``max_stale``
            Seconds after which rules that could not be confirmed any more are too old: decisions stay what
            they are and get the reason STALE. Left out, never. ``FLAGSTAFF_MAX_STALE``.
        ``flush_interval``
            Seconds that an event waits for company, 5. ``FLAGSTAFF_FLUSH_INTERVAL``.
        ``durability``
            What waiting events outlive: nothing ("memory"), the process, even a ``kill -9`` ("process": they
            wait on disk, and the next process sends what is left), or a power loss ("disk", an fsync for
            each). Left out, "process" for a collector's address and "memory" for a sink.
            ``FLAGSTAFF_DURABILITY``.
        ``spool_quota``
            Bytes of events kept on disk, 64 MiB. ``FLAGSTAFF_SPOOL_QUOTA``.
        ``directory``
            Where events and the last good rules are kept; by default the user's state directory.
            ``FLAGSTAFF_DIR``.
        ``override_secret``
            What override tokens are signed with, one or several of at least 32 characters, of which the
            first signs. Left out, no token is accepted. ``FLAGSTAFF_OVERRIDE_SECRET``.
        ``override_audience``
            Whom a token must be meant for, such as "shop/staging"; left out, for nobody in particular.
            ``FLAGSTAFF_OVERRIDE_AUDIENCE``.
        ``format``
            Which dialect the rules are written in: native, unleash, growthbook, flagd, optimizely, eppo,
            launchdarkly or flagsmith; auto tells by their shape.
        ``format_options``
            What else the reader of a dialect should know, such as ``{"fractional": 1}`` for flagd.
        ``http_client``
            An ``httpx.Client`` of your own (an ``httpx.AsyncClient`` for ``AsyncClient``), for proxies,
            certificates or tests; it is never closed here.
        ``clock``
            Where the time comes from; for tests.
        """
        plan = Plan(
            source=source,
            events=events,
            key=key,
            poll_interval=poll_interval,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            override_secret=override_secret,
            override_audience=override_audience,
            max_stale=max_stale,
            stream=stream,
            format=format,
            format_options=format_options,
            clock=clock,
            http=self._open(http_client),
        )
        environ = plan.settings.environ
        super().__init__(Overrides(from_environment(environ)), plan.outlet.expose if plan.outlet else None)
        self._admission = Admission(
            self, plan.settings.override_secrets, plan.settings.override_audience, plan.clock
        )
        self._clock = plan.clock
        self._http = plan.http
        self._source = plan.source
        self._outlet = plan.outlet
        self._settings = plan.settings
        self._greenlets = greenlets()
        self._closed = False
        self._rules = Adoption(plan.source, plan.clock, plan.settings.max_stale, weakly(self._adopt))
        self._problems: tuple[str, ...] = ()
        self._changes = Listeners("changes")
        self._states = Listeners("the state")
        self._told_state = self._rules.state()
        self._standing = Standing(self, environ, self._rules, self._changes)
        if self._standing.file is not None:
            self._watch(self._standing.file)
        machine = plan.source.attach(weakly(self._arrive))
        if machine is not None and plan.settings.max_stale is not None:
            from flagstaff.sources.freshness import Freshness

            machine = Freshness(machine, plan.source, plan.settings.max_stale, weakly(self._age))
        if machine is not None:
            from flagstaff.sources.told import Told

            machine = Told(machine, weakly(self._tell_state))
        self._drive(machine)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        poll_interval: float | None = None,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        override_secret: str | Secret | Sequence[str | Secret] | None = None,
        override_audience: str | None = None,
        max_stale: float | None = None,
        format: str = "native",  # noqa: A002
        format_options: Mapping[str, Any] | None = None,
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> Self:
        """A client whose rules are a file, read now and again when it changes.

        The suffix tells the form: .json, .toml; .yaml with the extra. RulesError lists what is wrong in the
        file; ConfigError where there is none. A wrong version later on leaves the rules as they are, and
        ``status()`` says so. Events go nowhere unless told.
        """
        reading = check_format(format, format_options)
        source = file_source(path, format=reading, poll_interval=poll_interval, clock=clock)
        return cls(
            source,
            key=key,
            events=events,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            override_secret=override_secret,
            override_audience=override_audience,
            max_stale=max_stale,
            http_client=http_client,
            clock=clock,
        )

    @classmethod
    def from_document(
        cls,
        document: bytes | Mapping[str, Any],
        *,
        key: str | Secret | None = None,
        events: str | Sink | EllipsisType | None = ...,
        flush_interval: float | None = None,
        durability: str | None = None,
        spool_quota: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        override_secret: str | Secret | Sequence[str | Secret] | None = None,
        override_audience: str | None = None,
        format: str = "native",  # noqa: A002
        format_options: Mapping[str, Any] | None = None,
        http_client: Any = None,
        clock: Clock | None = None,
    ) -> Self:
        """A client whose rules are given, as plain data or as JSON bytes. RulesError lists what is wrong.

        Events go nowhere unless told.
        """
        source = document_source(document, format=check_format(format, format_options), clock=clock)
        return cls(
            source,
            key=key,
            events=events,
            flush_interval=flush_interval,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            override_secret=override_secret,
            override_audience=override_audience,
            http_client=http_client,
            clock=clock,
        )

    # -- what waiting takes ------------------------------------------------------------------------------

    def _open(self, http_client: Any) -> Http | AsyncHttp:
        """Prepare what waits, and return what sends requests. Called before everything else."""
        raise NotImplementedError

    def _drive(self, machine: Machine[Any, Any] | None) -> None:
        """Have the source's machine, if it has one, and the outlet's sender driven. Called last."""
        raise NotImplementedError

    def _watch(self, machine: Machine[Any, Any]) -> None:
        """Have one more machine driven, whose jobs are short. Called before ``_drive``."""
        raise NotImplementedError

    def _notify(self) -> None:
        """Tell those who wait that rules arrived or events left."""
        raise NotImplementedError

    # -- rules come in --------------------------------------------------------------------------------

    def _arrive(self, loaded: Loaded) -> None:
        """Decide by these rules from now on."""
        if self._outlet is not None:
            self._outlet.belong_to(loaded.rules.project, loaded.rules.environment)
        before = self._rules.loaded
        self._rules.take_in(loaded)
        self._problems = (*map(str, loaded.warnings), *self._standing.of_environment())
        if self._problems and (before is None or before.warnings != loaded.warnings):
            _log("the rules have problems: %s", _briefly(self._problems))
        changed = loaded.changed(before) if self._changes else ()
        if changed:
            self._changes.tell(changed)
        self._tell_state()
        self._notify()

    def _age(self) -> None:
        """Have decisions say whether the rules are too old by now."""
        self._rules.mark()
        self._tell_state()

    def _tell_state(self) -> None:
        state, before = self._rules.state(), self._told_state
        self._told_state = state
        if state != before:
            self._states.tell(state)


def _log(message: str, *args: object) -> None:
    from flagstaff.runtime.notice import warn

    warn("client", message, *args)


def _briefly(problems: Sequence[str]) -> str:
    """The first problems and how many there are besides: a log is for people, and not ours."""
    more = len(problems) - _TOLD
    return "; ".join(problems[:_TOLD]) + (f"; and {more:,} more (see status())" if more > 0 else "")
