"""Rules from a server: any that answers GET, a static file server included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagstaff.errors import FlagstaffError, RulesError
from flagstaff.net.backoff import Backoff, clock_skew, is_lasting, retry_after
from flagstaff.net.message import Request, Response, TransportError, host_of
from flagstaff.runtime.clock import rest
from flagstaff.runtime.notice import info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.formats import Format
    from flagstaff.formats.endpoint import Endpoint
    from flagstaff.formats.native import Loaded
    from flagstaff.net.backoff import Rng
    from flagstaff.net.http import AsyncHttp, Http
    from flagstaff.runtime.clock import Clock
    from flagstaff.runtime.machine import Machine
    from flagstaff.sources.source import Publish

__all__ = ["MAX_BYTES", "Fetched", "HttpSource", "Received", "origin"]

MAX_BYTES = 16 * 1024 * 1024
"""The largest document that is read, in bytes once decompressed: room for 100,000 flags."""

_SHORTEST = 0.2  # seconds between two polls, however often a stream tells of news
_TIMEOUT = 10.0  # seconds for a whole answer
_FIRST_RETRY = 1.0  # seconds
_LONGEST_RETRY = 60.0  # seconds
# A replica that lags or a cache that is stale corrects itself; a server that was rolled back does not.
_INSISTENCE = 3600.0  # seconds of nothing but an older revision, after which the server is believed
_INSISTENT = 10  # answers that say so, at least

_MOST_PAGES = 100
_TAGS = ("etag", "last-modified")

_MEANINGS = {
    401: "the key is refused",
    403: "the key may not read these rules",
    404: "there are no rules at this address",
    410: "there are no rules at this address any more",
    429: "too many requests",
}


class Fetched(NamedTuple):
    """An answer, and the rules in it if it holds any."""

    response: Response
    loaded: Loaded | None


class Received(NamedTuple):
    """What rules were made of."""

    body: bytes
    etag: str | None


def origin(url: str) -> str:
    """Scheme, host and port of an address, fit to be shown."""
    return f"{url.partition(':')[0]}://{host_of(url)}"


class HttpSource:
    """Polls an address with its ETag; whatever comes back, rules that worked stay until better ones come."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        http: Http | AsyncHttp,
        format: Format,  # noqa: A002
        clock: Clock,
        interval: float,
        rng: Rng | None = None,
    ) -> None:
        if rng is None:
            import random

            rng = random
        self.fault: str | None = None
        self.checked: float | None = None
        self._endpoint = endpoint
        self._origin = origin(endpoint.url)
        self._host = host_of(endpoint.url)
        self._http = http
        self._format = format
        self._clock = clock
        self._interval = interval
        self._rng = rng
        self._backoff = Backoff(_FIRST_RETRY, max(_LONGEST_RETRY, interval), rng)
        self._due = 0.0
        self.skew: float | None = None  # seconds that the server's clock is ahead of ours
        self._asked = -_SHORTEST
        self.etag: str | None = None
        self._modified: str | None = None
        self._current: Loaded | None = None
        self._kept: Loaded | None = None
        self._received: Received | None = None
        self._older = 0  # answers of an older revision since rules were last found current
        self._older_since = 0.0

    def describe(self) -> str:
        return f"poll({self._origin}, {self._interval:g} s)"

    def attach(self, publish: Publish) -> Machine[Any, Any]:
        self._publish = publish
        return self

    def resume(self, loaded: Loaded, etag: str | None) -> None:
        """Begin with what an earlier process had from here: it need not be sent again."""
        self._current = self._kept = loaded
        self.etag = etag

    def ask_again(self) -> None:
        """Have the whole document sent with the next poll, changed or not."""
        self.etag = self._modified = None

    def take_received(self) -> Received | None:
        """What the rules that were published last were made of; once."""
        received, self._received = self._received, None
        return received

    def prepare(self) -> None:
        import email.utils  # noqa: F401
        import logging  # noqa: F401

        import flagstaff.core.difference
        import flagstaff.formats.native  # noqa: F401

        self._http.prepare()

    # -- what next ------------------------------------------------------------------------------------

    def next(self, now: float) -> Request | float:
        return self._request() if now >= self._due else self._due - now

    def hurry(self, now: float) -> None:
        """Poll as soon as may be: there is news. A server that just failed gets its rest all the same."""
        if self.fault is None:
            self._due = min(self._due, max(now, self._asked + _SHORTEST))

    def stagger(self, now: float) -> None:
        """Poll at some moment of the coming interval, for a server that may have lost all its streams."""
        if self.fault is None:
            self._due = now + self._interval * self._rng.random()

    def credentials(self) -> Mapping[str, str]:
        """The headers that say who asks."""
        return self._endpoint.headers

    def _request(self) -> Request:
        headers = {"Accept": "application/json", **self.credentials()}
        if self.etag is not None:
            headers["If-None-Match"] = self.etag
        elif self._modified is not None:
            headers["If-Modified-Since"] = self._modified
        return Request("GET", self._endpoint.url, headers, timeout=_TIMEOUT, max_bytes=MAX_BYTES)

    # -- input and output -----------------------------------------------------------------------------

    def perform(self, job: Request) -> Fetched:
        http: Any = self._http
        pages: list[Response] = [http.send(job)]
        while (more := self._more(job, pages)) is not None:
            pages.append(http.send(more))
        return self._read_all(pages)

    async def aperform(self, job: Request) -> Fetched:
        import asyncio

        http: Any = self._http
        pages: list[Response] = [await http.send(job)]
        while (more := self._more(job, pages)) is not None:
            pages.append(await http.send(more))
        return await asyncio.to_thread(self._read_all, pages)

    def _more(self, job: Request, pages: list[Response]) -> Request | None:
        """The request for the next page, of a document that comes in several."""
        if self._endpoint.join is None or pages[-1].status != 200:
            return None
        from urllib.parse import urljoin

        from flagstaff.net.links import next_page

        link = next_page(pages[-1].headers)
        if link is None:
            return None
        url = urljoin(job.url, link)
        if origin(url) != self._origin:
            raise TransportError("redirect", f"{self._host} has the next page elsewhere, which is not asked")
        if len(pages) == _MOST_PAGES:
            raise TransportError("too-large", f"{self._host} has more than {_MOST_PAGES} pages")
        left = MAX_BYTES - sum(len(page.body) for page in pages)
        headers = {"Accept": "application/json", **self.credentials()}
        return Request("GET", url, headers, timeout=_TIMEOUT, max_bytes=max(1, left))

    def _joined(self, pages: list[Response]) -> Response:
        """The answer that pages come to: without a tag, as that of the first says nothing of the others."""
        if self._endpoint.join is None or len(pages) == 1 or pages[-1].status != 200:
            return pages[-1]
        headers = {name: value for name, value in pages[0].headers.items() if name not in _TAGS}
        return Response(200, headers, self._endpoint.join([page.body for page in pages]))

    def _read_all(self, pages: list[Response]) -> Fetched:
        """Reading is work, so it is done here, where no event loop waits for it."""
        return self._read(self._joined(pages))

    def _read(self, response: Response) -> Fetched:
        if response.status != 200:
            return Fetched(response, None)
        where = self._host
        loaded = self._format.load(
            response.body,
            source=where,
            strict=False,
            before=self._current,
            breathe=rest,
        )
        return Fetched(response, loaded)

    # -- what came of it ------------------------------------------------------------------------------

    def done(self, job: Request, answer: Fetched | Exception, now: float) -> None:  # noqa: ARG002
        self._asked = now
        if isinstance(answer, Fetched):
            self.skew = clock_skew(answer.response.headers, self._clock.time())
        if isinstance(answer, Exception):
            lasting = isinstance(answer, TransportError) and is_lasting(answer.kind)
            self._failed(_sentence(answer), now, lasting=lasting)
        elif answer.loaded is not None:
            self._arrived(answer.response, answer.loaded, now)
        elif answer.response.status == 304 and self._current is not None:
            self._succeeded(now)
        else:
            status = answer.response.status
            meaning = f": {_MEANINGS[status]}" if status in _MEANINGS else ""
            wait = retry_after(answer.response.headers, self._clock.time())
            fault = f"{self._host} answered {status}{meaning}"
            self._failed(fault, now, wait, lasting=is_lasting(status))

    def _arrived(self, response: Response, loaded: Loaded, now: float) -> None:
        refusal = self._refusal(loaded, now)
        if refusal is not None:
            self._failed(refusal, now)
            return
        self.etag = _usable(response, "etag")
        self._modified = _usable(response, "last-modified")
        self._current, self._kept = loaded, None
        self._received = Received(response.body, self.etag)
        self._succeeded(now)
        self._publish(loaded)

    def _refusal(self, loaded: Loaded, now: float) -> str | None:
        """Why rules that can be read are not to be adopted.

        Whose rules they must be is known from the first answer in this process, not from an earlier one: a
        key may have been moved, and a server on this port may be another one than yesterday.
        """
        if self._current is None:
            return None
        old, new = self._current.rules, loaded.rules
        if (old.project, old.environment) != (new.project, new.environment):
            if self._current is self._kept:
                return None
            ours, theirs = f"{old.project}/{old.environment}", f"{new.project}/{new.environment}"
            return f"the server sent the rules of {theirs}, not of {ours}"
        if old.revision is None or new.revision is None or new.revision >= old.revision:
            return None
        if self._insists(now):
            info("sources", "the server went back to revision %d for good: adopted", new.revision)
            return None
        return (
            f"the server sent revision {new.revision}, older than {old.revision}: publish its rules under"
            f" {old.revision + 1} or more, or wait; it is believed after an hour of nothing else"
        )

    def _insists(self, now: float) -> bool:
        """Whether the server has sent nothing but older rules for so long that it means them."""
        if self._older == 0:
            self._older_since = now
        self._older += 1
        return self._older >= _INSISTENT and now - self._older_since >= _INSISTENCE

    def _succeeded(self, now: float) -> None:
        self.fault = None
        self.checked = now
        self._older = 0
        self._backoff.succeeded()
        self._due = now + self._interval * (0.9 + 0.2 * self._rng.random())

    def _failed(self, fault: str, now: float, wait: float | None = None, *, lasting: bool = False) -> None:
        self.fault = fault
        self._due = now + self._backoff.failed(now, wait, lasting=lasting)


def _usable(response: Response, name: str) -> str | None:
    """A header that can be sent back as it is."""
    tag = response.headers.get(name)
    return tag if tag is not None and tag.isascii() and tag.isprintable() and len(tag) <= 1024 else None


def _sentence(error: Exception) -> str:
    if isinstance(error, RulesError):
        return f"the server's answer is no rules document: {error.problems[0]}"
    return str(error) if isinstance(error, FlagstaffError) else f"{type(error).__name__} while fetching rules"
