"""From what a client was told to the parts that it is made of."""

from __future__ import annotations

import math
import os
from functools import partial

from flagstaff.errors import ConfigError
from flagstaff.formats import check_format
from flagstaff.settings import Settings, base_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import EllipsisType
    from typing import Any

    from flagstaff.events.ledger import Ledger
    from flagstaff.events.outlet import Outlet
    from flagstaff.events.spool import Spool
    from flagstaff.events.transport import Sink, Transport
    from flagstaff.formats import Format
    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.net.message import Request
    from flagstaff.runtime.clock import Clock
    from flagstaff.settings import Secret
    from flagstaff.sources import Source
    from flagstaff.sources.http import HttpSource
    from flagstaff.sources.store import RulesStore
    from flagstaff.sources.stream import StreamSource

__all__ = ["Plan", "document_source", "file_source"]

_FILE_INTERVAL = 1.0  # seconds
_SERVER_INTERVAL = 30.0  # seconds
_EVENTS_TIMEOUT = 10.0  # seconds for a batch, from the first byte sent to the last received
_ANSWER_BYTES = 64 * 1024


class Plan:
    """Checked settings, and the source and the outlet made of them. ConfigError names what can't work."""

    def __init__(
        self,
        *,
        source: str | Source | None,
        events: str | Sink | EllipsisType | None,
        key: str | Secret | None,
        poll_interval: float | None,
        flush_interval: float | None,
        durability: str | None,
        spool_quota: int | None,
        directory: str | os.PathLike[str] | None,
        override_secret: str | Secret | Sequence[str | Secret] | None,
        override_audience: str | None,
        max_stale: float | None,
        stream: bool | None,
        format: str,  # noqa: A002
        format_options: Mapping[str, Any] | None,
        clock: Clock | None,
        http: Http | AsyncHttp,
    ) -> None:
        self.clock: Clock = clock or _system_clock()
        self.http: Http | AsyncHttp = http
        self.settings: Settings = Settings(
            key=key,
            poll_interval=poll_interval,
            flush_interval=flush_interval,
            default_poll_interval=_SERVER_INTERVAL,
            durability=durability,
            spool_quota=spool_quota,
            directory=directory,
            override_secret=override_secret,
            override_audience=override_audience,
            max_stale=max_stale,
            stream=stream,
        )
        given = source if source is not None else self.settings.environ.get("FLAGSTAFF_URL") or None
        url = None if given is not None and hasattr(given, "attach") else _server(given)
        reading = check_format(format, format_options)
        self.source: Source = given if url is None else self._server_source(url, reading)  # type: ignore[assignment]
        collector = url if reading.is_ours else None
        self.outlet: Outlet | None = self._outlet(_destination(events, collector, self.settings.environ))

    def _server_source(self, url: str, format: Format) -> Source:  # noqa: A002
        from flagstaff.sources.http import HttpSource
        from flagstaff.sources.last_known_good import LastKnownGood

        self._check_max_stale()
        self.http.expect(url)
        polling = HttpSource(
            format.endpoint(url, self.settings.key),
            http=self.http,
            format=format,
            clock=self.clock,
            interval=self.settings.poll_interval,
        )
        source = self._streaming(polling, url) if self._can_stream(url, format) else polling
        return LastKnownGood(source, self._store(url, format), format=format, clock=self.clock)

    def _can_stream(self, url: str, format: Format) -> bool:  # noqa: A002
        """Whether there may be a stream: other dialects, and a document's own address, have none."""
        return self.settings.stream and format.is_ours and not url.endswith(".json")

    def _streaming(self, polling: HttpSource, url: str) -> StreamSource:
        from flagstaff.sources.stream import StreamSource

        settings = self.settings
        # In time for another poll before rules count as too old.
        silence = math.inf if settings.max_stale is None else settings.max_stale * 0.75
        return StreamSource(
            polling, url, http=self.http, clock=self.clock, interval=settings.poll_interval, silence=silence
        )

    def _check_max_stale(self) -> None:
        settings = self.settings
        if settings.max_stale is not None and settings.max_stale < settings.poll_interval:
            raise ConfigError(
                "max_stale",
                f"must not be less than poll_interval, {settings.poll_interval:g} s",
            )

    def _store(self, url: str, format: Format) -> RulesStore:  # noqa: A002
        """Where rules are kept: those of each server, key and format, with its options, by themselves."""
        from pathlib import Path

        from flagstaff.sources.store import RulesStore

        directory = Path(self.settings.directory).absolute() / "rules"
        options = "".join(f"\0{name}={value}" for name, value in sorted(format.options.items()))
        return RulesStore(directory, f"{format.name}\0{url}\0{self.settings.revealed_key}{options}")

    def _outlet(self, destination: str | Sink | None) -> Outlet | None:
        if destination is None:
            return None
        from flagstaff.events.outlet import Outlet
        from flagstaff.net.message import host_of

        if isinstance(destination, str):
            transport, where = self._posting(destination), f"http {host_of(destination)}"
        else:
            transport, where = self._handing(destination), f"sink {type(destination).__name__}"
        durability = self._durability(destination)
        spool_for = partial(self._spool, destination, durability)
        interval = self.settings.flush_interval
        return Outlet(transport, where, self.clock, interval, spool_for, durable=durability != "memory")

    def _durability(self, destination: str | Sink) -> str:
        """What was asked for; else the process for a collector, where there are locks to do it with."""
        from importlib.util import find_spec

        said = self.settings.durability
        locks = said == "memory" or find_spec("fcntl") is not None
        if said is None:
            return "process" if locks and isinstance(destination, str) else "memory"
        if not locks:
            raise ConfigError("durability", f"{said!r} needs file locks that this system lacks; use 'memory'")
        return said

    def _spool(self, destination: str | Sink, durability: str, ledger: Ledger) -> Spool:
        """Where events wait: on disk, those for each destination by themselves, and each key's apart."""
        from flagstaff.events.spool import MemorySpool

        if durability == "memory":
            return MemorySpool()
        from pathlib import Path

        from flagstaff.events.disk import DiskSpool

        settings = self.settings
        kind = type(destination)
        name = destination if isinstance(destination, str) else f"{kind.__module__}.{kind.__qualname__}"
        # Absolute: the program may go to another working directory, and its heir come from one.
        root = Path(settings.directory).absolute() / "spool" / _digest(name)
        kin = f"{_digest(name, settings.revealed_key)}-"
        return DiskSpool(root, settings.spool_quota, self.clock, ledger, sync=durability == "disk", kin=kin)

    def _posting(self, url: str) -> Transport[Any]:
        from flagstaff.events.transport import HttpTransport
        from flagstaff.net.message import Request

        self.http.expect(url)
        headers = (
            {} if self.settings.key is None else {"Authorization": f"Bearer {self.settings.key.reveal()}"}
        )

        def request_for(body: bytes) -> Request:
            address = f"{url}/v1/events"
            return Request("POST", address, headers, body, timeout=_EVENTS_TIMEOUT, max_bytes=_ANSWER_BYTES)

        return HttpTransport(self.http, request_for, self.clock)

    def _handing(self, sink: Sink) -> Transport[Any]:
        from flagstaff.events.transport import SinkTransport

        return SinkTransport(sink)


def file_source(
    path: str | os.PathLike[str],
    *,
    format: Format,  # noqa: A002
    poll_interval: float | None,
    clock: Clock | None,
) -> Source:
    """A file's rules, read now and watched from then on. RulesError, ConfigError."""
    from flagstaff.sources.file import FileSource

    settings = Settings(
        key=None, poll_interval=poll_interval, flush_interval=None, default_poll_interval=_FILE_INTERVAL
    )
    return FileSource(path, format=format, clock=clock or _system_clock(), interval=settings.poll_interval)


def document_source(document: bytes | Mapping[str, Any], *, format: Format, clock: Clock | None) -> Source:  # noqa: A002
    """Rules that are given. RulesError, ConfigError."""
    from flagstaff.sources.static import StaticSource

    return StaticSource(document, format=format, clock=clock or _system_clock())


def _digest(*parts: str) -> str:
    from hashlib import sha256

    from flagstaff.events.inheritance import SPOOL_NAME

    return sha256("\0".join(parts).encode()).hexdigest()[:SPOOL_NAME]


def _system_clock() -> Clock:
    from flagstaff.runtime.clock import SystemClock

    return SystemClock()


def _server(given: object) -> str:
    if given is None:
        raise ConfigError("source", "is missing: give a server's address, or set FLAGSTAFF_URL")
    return base_url("source", given)


def _destination(
    given: str | Sink | EllipsisType | None, url: str | None, environ: Mapping[str, str]
) -> str | Sink | None:
    """Where events go: where the caller says, else where the environment does, else where rules come from."""
    if given is ...:
        said = environ.get("FLAGSTAFF_EVENTS")
        if said:
            return base_url("FLAGSTAFF_EVENTS", said)
        return None if url is None or url.endswith(".json") else url
    if given is None or hasattr(given, "send"):
        return given
    if isinstance(given, str):
        return base_url("events", given)
    raise ConfigError(
        "events", f"must be an address, a sink with a send method or None, not {type(given).__name__}"
    )
