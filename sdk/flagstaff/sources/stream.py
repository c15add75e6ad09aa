"""Rules that a server tells of as they change, and that are polled for where it does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from flagstaff.errors import FlagstaffError
from flagstaff.net.backoff import Backoff, is_lasting, retry_after
from flagstaff.net.message import Request, host_of
from flagstaff.net.sse import EventParser
from flagstaff.sources.http import origin

if TYPE_CHECKING:
    from flagstaff.formats.native import Loaded
    from flagstaff.net.backoff import Rng
    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.sources.http import HttpSource, Received
    from flagstaff.sources.source import Publish

__all__ = ["StreamSource"]

_OPEN_TIMEOUT = 10.0  # seconds from the request to the head of the answer
_SILENCE = 45.0  # seconds without a byte, a heartbeat included, after which a stream is given up
_HEALTHY = 60.0  # seconds that a stream must have held for the next failure to count as the first
_FIRST_RETRY = 1.0  # seconds
_LONGEST_RETRY = 60.0  # seconds
_FLOOD_BYTES = 1024 * 1024  # of a stream in
_FLOOD_SECONDS = 10.0
_CHECK = 300.0  # seconds between two polls beside a stream, at least: it may have kept something from us


class _Listen:
    """Open the stream, or read what comes next."""


class _Opened(NamedTuple):
    pass


class _Heard(NamedTuple):
    """What a piece of the stream told: the tag of the newest rules, if any."""

    tag: str | None


class _Ended(NamedTuple):
    """The stream is over, or there never was one; why, and whether that will last."""

    fault: str | None
    lasting: bool = False
    wait: float | None = None


class StreamSource:
    """A source that polls, spared its polls while a stream says what there is.

    The stream (``GET {base}/v1/stream``, server-sent events) only tells the ETag of the newest rules; they
    are fetched as ever. One driver does both by turns: the stream waits in the socket while rules are read.
    Its failures are no faults while polls succeed.
    """

    def __init__(
        self,
        polling: HttpSource,
        url: str,
        *,
        http: Http | AsyncHttp,
        clock: Clock,
        interval: float,
        silence: float = _SILENCE,
        rng: Rng | None = None,
    ) -> None:
        if rng is None:
            import random

            rng = random
        self.channel: str = "no stream yet"
        self._polling = polling
        self._address = f"{url}/v1/stream"
        self._http = http
        self._clock = clock
        self._interval = interval
        self._check = max(_CHECK, 10 * interval)
        self._silence = min(silence, _SILENCE)
        self._rng = rng
        self._backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY, rng)
        self._inherited: list[Any] = []  # a parent's streams: not ours to close, nor to have collected
        self._process = os.getpid()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._stream: Any = None
        self._parser = EventParser("")
        self._due = 0.0
        self._opened_at = 0.0
        self._polled_at = 0.0
        self._alive_at: float | None = None  # when the stream last said that our rules are the newest
        self._told: str | None = None  # the tag that it told last
        self._seen: str | None = None  # the tag that it had told when rules were last fetched
        self._interrupted = False
        self._reading = False
        self._flood_from, self._flood = 0.0, 0

    # -- a source ----------------------------------------------------------------------------------------

    @property
    def fault(self) -> str | None:
        return self._polling.fault

    @property
    def checked(self) -> float | None:
        polled, alive = self._polling.checked, self._alive_at
        return polled if alive is None or polled is None else max(polled, alive)

    @property
    def skew(self) -> float | None:
        """Seconds that the server's clock is ahead of ours, as far as it told."""
        return self._polling.skew

    def describe(self) -> str:
        return f"stream({origin(self._address)}) -> {self._polling.describe()}"

    def attach(self, publish: Publish) -> Machine[Any, Any]:
        self._polling.attach(publish)
        return self

    def resume(self, loaded: Loaded, etag: str | None) -> None:
        self._polling.resume(loaded, etag)

    def ask_again(self) -> None:
        self._polling.ask_again()

    def take_received(self) -> Received | None:
        return self._polling.take_received()

    # -- what next ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self._polling.prepare()

    def next(self, now: float) -> Any:
        if self._process != os.getpid():
            self._inherited.append(self._stream)
            self._process = os.getpid()
            self._begin_anew()
        if self._stream is None:
            step = self._polling.next(now)
            if (
                not isinstance(step, float)
                or self._polling.fault is not None
                or self._polling.checked is None
            ):
                return step  # while it can't be polled, there is no use in a stream
            return _Listen() if now >= self._due else min(step, self._due - now)
        if self._told == self._seen and now < self._polled_at + self._check:
            return _Listen()
        self._polling.hurry(now)
        return self._polling.next(now)

    # -- input and output ----------------------------------------------------------------------------------

    def perform(self, job: Any) -> Any:
        if not isinstance(job, _Listen):
            return self._polling.perform(job)
        self._reading = True
        try:
            http: Any = self._http
            if self._stream is None:
                return self._took(http.open(self._request(), self._silence))
            return self._heard(self._stream.read(self._silence))
        finally:
            self._reading = False

    async def aperform(self, job: Any) -> Any:
        if not isinstance(job, _Listen):
            return await self._polling.aperform(job)
        http: Any = self._http
        stream, self._stream = self._stream, None  # whatever ends this task here, it must be closed
        try:
            if stream is None or not stream.usable:
                if stream is not None:
                    self._inherited.append(stream)  # another loop's
                stream = await http.open(self._request(), self._silence)
                answer: Any = self._took(stream)
            else:
                self._stream = stream
                answer = self._heard(await stream.read(self._silence))
        except BaseException:
            self._stream = None
            if stream is not None:
                await stream.close()
            raise
        if isinstance(answer, _Ended):
            self._stream = None
            await stream.close()
        return answer

    def _request(self) -> Request:
        headers = {**self._polling.credentials(), "Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._polling.etag is not None:
            headers["Last-Event-ID"] = self._polling.etag
        return Request("GET", self._address, headers, timeout=_OPEN_TIMEOUT)

    def _took(self, stream: Any) -> _Opened | _Ended:
        """Make an answer our stream if it is one."""
        self._stream = stream
        host, kind = host_of(self._address), stream.headers.get("content-type", "")
        if stream.status != 200:
            wait = retry_after(stream.headers, self._clock.time())
            return _Ended(f"{host} answered {stream.status}", is_lasting(stream.status), wait)
        if kind.partition(";")[0].strip().lower() != "text/event-stream":
            return _Ended(f"{host} answered with something else", lasting=True)
        self._parser = EventParser(host)
        return _Opened()

    def _heard(self, chunk: bytes) -> _Heard | _Ended:
        if not chunk:
            return _Ended(f"{host_of(self._address)} ended it")
        if self._is_flooded(len(chunk)):
            return _Ended(f"{host_of(self._address)} sends without end")
        events = self._parser.feed(chunk)
        tags = [event.data for event in events if event.name == "rules"]
        return _Heard(tags[-1] if tags else None)

    def _is_flooded(self, size: int) -> bool:
        now = self._clock.monotonic()
        if now > self._flood_from + _FLOOD_SECONDS:
            self._flood_from, self._flood = now, 0
        self._flood += size
        return self._flood > _FLOOD_BYTES

    # -- what came of it -----------------------------------------------------------------------------------

    def done(self, job: Any, answer: Any, now: float) -> None:
        if not isinstance(job, _Listen):
            self._polled(job, answer, now)
        elif isinstance(answer, _Opened):
            self._opened_at = now
            self.channel = "streaming"
        elif isinstance(answer, _Heard):
            self._hear(answer, now)
        else:
            self._lost(answer, now)

    def _polled(self, job: Any, answer: Any, now: float) -> None:
        told = self._told  # nothing is read from the stream while a poll is under way
        self._polling.done(job, answer, now)
        self._polled_at = now
        if self._polling.fault is None:
            self._seen = told
        elif self._stream is not None:
            self._lost(_Ended("a poll failed"), now)

    def _hear(self, answer: _Heard, now: float) -> None:
        if answer.tag is not None:
            self._told = answer.tag
            if answer.tag == self._polling.etag:
                self._seen = answer.tag
        if self._told is not None and self._told == self._seen:
            self._alive_at = now

    def _lost(self, answer: _Ended | Exception, now: float) -> None:
        stream, self._stream = self._stream, None
        self._told = self._seen = None
        self._hang_up(stream)
        if self._interrupted:
            self._interrupted = False
            self._due = now
            return
        if isinstance(answer, Exception):
            answer = _Ended(str(answer) if isinstance(answer, FlagstaffError) else type(answer).__name__)
        self.channel = f"no stream: {answer.fault}"
        if self._opened_at and now >= self._opened_at + _HEALTHY:
            self._backoff.succeeded()
        self._opened_at = 0.0
        asked = max(answer.wait or 0.0, self._parser.retry or 0.0)
        self._due = now + self._backoff.failed(now, asked, lasting=answer.lasting)
        self._polling.stagger(now)

    def _hang_up(self, stream: Any) -> None:
        """Close a blocking stream; one of an event loop was closed in its task."""
        from flagstaff.net.stream import Stream

        if isinstance(stream, Stream) and stream.usable:
            stream.close()

    # -- an end --------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Have the read that is under way end now: the driver is to stop."""
        stream = self._stream
        if stream is not None:
            self._interrupted = True
            stream.interrupt()

    def close(self) -> None:
        """Hang up, unless somebody is still reading."""
        stream = self._stream
        if stream is not None and not self._reading:
            self._stream = None
            self._hang_up(stream)

    async def aclose(self) -> None:
        """As ``close``, for a stream of the running loop."""
        stream, self._stream = self._stream, None
        if stream is not None and stream.usable:
            await stream.close()
