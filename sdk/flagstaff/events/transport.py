"""The last step out: to a collector over HTTP, or to a sink of the user's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from flagstaff.events.ledger import REJECTED, TOO_LARGE
from flagstaff.net.backoff import is_lasting, retry_after
from flagstaff.net.message import host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.net.message import Request, Response
    from flagstaff.runtime.clock import Clock

__all__ = ["DELIVERED", "RETRY", "HttpTransport", "Sink", "SinkTransport", "Transport", "Verdict"]

DELIVERED = "delivered"
RETRY = "retry"

Parcel = TypeVar("Parcel")

_HEADERS = {"Content-Type": "application/cloudevents-batch+json", "Content-Encoding": "gzip"}
_GZIP_LEVEL = 1  # events resemble each other: the fastest level already takes nine tenths away
_HINTS = {401: "is the key right?", 403: "may this key send events?", 404: "is the URL right?"}


class Verdict(NamedTuple):
    """What came of a parcel: ``DELIVERED``, ``TOO_LARGE`` or ``REJECTED`` as it is, or ``RETRY`` later.

    ``fault`` is a sentence for people; ``retry_after`` the seconds that the other side asked for; ``lasting``
    tells what time alone won't mend.
    """

    outcome: str
    fault: str | None = None
    retry_after: float | None = None
    lasting: bool = False


class Transport(Protocol[Parcel]):
    """Packs records once and sends the same parcel until it arrives; both ``send`` may raise."""

    def pack(self, records: Sequence[bytes]) -> Parcel: ...
    def send(self, parcel: Parcel) -> Verdict: ...
    async def asend(self, parcel: Parcel) -> Verdict: ...


class HttpTransport:
    """POSTs batches of CloudEvents: a gzipped JSON array each.

    ``request_for`` makes the request of a body: the URL, the key, the limits.
    """

    def __init__(self, http: Http | AsyncHttp, request_for: Callable[[bytes], Request], clock: Clock) -> None:
        self._http: Any = http  # the driver knows which: a thread's blocks, a task's is awaited
        self._request_for = request_for
        self._clock = clock

    def prepare(self) -> None:
        import email.utils  # noqa: F401
        import gzip  # noqa: F401

        self._http.prepare()

    def pack(self, records: Sequence[bytes]) -> Request:
        import gzip

        body = gzip.compress(b"[" + b",".join(records) + b"]", _GZIP_LEVEL, mtime=0)
        return self._request_for(body).with_headers(_HEADERS)

    def send(self, parcel: Request) -> Verdict:
        return self._judge(parcel, self._http.send(parcel))

    async def asend(self, parcel: Request) -> Verdict:
        return self._judge(parcel, await self._http.send(parcel))

    def _judge(self, parcel: Request, answer: Response) -> Verdict:
        status = answer.status
        if 200 <= status < 300:
            return Verdict(DELIVERED)
        hint = _HINTS.get(status)
        fault = f"{host_of(parcel.url)} answered {status}" + (f" ({hint})" if hint else "")
        if status == 413:
            return Verdict(TOO_LARGE, fault)
        if status in (400, 422):
            return Verdict(REJECTED, fault)
        wait = retry_after(answer.headers, self._clock.time())
        return Verdict(RETRY, fault, wait, is_lasting(status))


class Sink(Protocol):
    """Anything that takes events: raise, and the same events come again later.

    ``send`` may be a coroutine function under ``AsyncClient``. Events are CloudEvents as plain
    dictionaries; the same event may come twice, with the same ``id``.
    """

    def send(self, events: Sequence[Mapping[str, Any]], /) -> Awaitable[None] | None: ...


class SinkTransport:
    """Hands batches to a sink; whatever it raises, the batch is kept and comes again."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def pack(self, records: Sequence[bytes]) -> tuple[bytes, ...]:
        return tuple(records)

    def send(self, parcel: tuple[bytes, ...]) -> Verdict:
        pending = self._sink.send(_decode(parcel))
        if not isinstance(pending, Awaitable):
            return Verdict(DELIVERED)
        if isinstance(pending, Coroutine):
            pending.close()  # else it complains that nobody awaited it
        return Verdict(RETRY, "the sink's send is a coroutine function, which needs an AsyncClient")

    async def asend(self, parcel: tuple[bytes, ...]) -> Verdict:
        import asyncio
        import inspect

        send: Callable[..., Any] = self._sink.send
        events = _decode(parcel)
        if inspect.iscoroutinefunction(send):
            pending = send(events)
        else:  # it may block: not in this loop
            pending = await asyncio.to_thread(send, events)
        if isinstance(pending, Awaitable):
            await pending
        return Verdict(DELIVERED)


def _decode(parcel: tuple[bytes, ...]) -> list[Mapping[str, Any]]:
    """Decode anew for every attempt: the sink may have changed what it got."""
    return [json.loads(record) for record in parcel]
