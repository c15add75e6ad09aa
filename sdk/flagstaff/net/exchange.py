"""One request from its first byte to its last, whoever moves the bytes: time, redirects, size. Pure."""

from __future__ import annotations

from flagstaff.net.body import Body
from flagstaff.net.message import Response, TransportError, host_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from flagstaff.net.message import Request

__all__ = ["Exchange", "Patience", "redirected"]

_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHORTEST = 0.001  # seconds; zero would mean "don't wait" to a socket
# What httpx, httpx2 and their like call their errors, most general last.
_KINDS = {
    "TimeoutException": "timeout",
    "TimeoutError": "timeout",
    "ConnectError": "connect",
    "ProtocolError": "protocol",
    "NetworkError": "network",
    "OSError": "network",
}
# What a connection that could not be made comes from, where that says more.
_DEEP_KINDS = {"gaierror": "dns", "SSLCertVerificationError": "tls"}


class Patience(float):
    """What was left of a total deadline when this was made; a plain timeout to those who know no better.

    httpx hands its timeouts down to the sockets as they are, and starts each one anew with every
    read. A socket of ours asks ``left()`` instead.
    """

    __slots__ = ("_end", "_monotonic")

    _end: float
    _monotonic: Callable[[], float]

    def __new__(cls, seconds: float, monotonic: Callable[[], float]) -> Self:
        made = super().__new__(cls, max(_SHORTEST, seconds))
        made._monotonic = monotonic
        made._end = monotonic() + seconds
        return made

    def left(self) -> float:
        """Seconds until the end, never less than an instant."""
        return max(_SHORTEST, self._end - self._monotonic())

    def renew(self, seconds: float) -> None:
        """Begin again with so many seconds."""
        self._end = self._monotonic() + seconds


class Exchange:
    """The course of one request: what to send next, and what to make of what comes back."""

    def __init__(
        self, request: Request, monotonic: Callable[[], float], patience: Patience | None = None
    ) -> None:
        """Without a ``patience`` of the caller's the whole exchange has the request's timeout.

        With one, the time until the body begins has; the answer is then read as it comes.
        """
        self.host: str = host_of(request.url)
        self._request = request
        self._url = request.url
        self._hops = 0
        # Nothing else may come back: it is all that `Body` can bound.
        own = {name: value for name, value in request.headers.items() if name.lower() != "accept-encoding"}
        self._headers = {**own, "Accept-Encoding": "gzip" if patience is None else "identity"}
        self._patience = patience
        self._monotonic = monotonic
        self._end = monotonic() + request.timeout

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of ``client.stream`` for the present hop."""
        self.check()
        request = self._request
        return {
            "method": request.method,
            "url": self._url,
            "headers": self._headers,
            "content": request.body,
            "timeout": self._patience or Patience(self.left(), self._monotonic),
            "follow_redirects": False,
        }

    def left(self) -> float:
        return self._end - self._monotonic()

    def check(self) -> None:
        """Raise TransportError ``timeout`` when the whole request has taken too long."""
        if self.left() <= 0:
            raise self.overdue()

    def overdue(self) -> TransportError:
        return TransportError("timeout", f"{self.host}: no complete answer in {self._request.timeout:g} s")

    def opened(self, answer: Any) -> Body | None:
        """Return where the body of a client's answer goes, or None when there is another hop to make."""
        if self.follows(answer):
            return None
        if not answer.is_stream_consumed:
            return Body(self.host, answer.headers.get("content-encoding", ""), self._request.max_bytes)
        body = Body(self.host, "", self._request.max_bytes)  # a mock's answer: read and decoded already
        body.feed(answer.content)
        return body

    def follows(self, answer: Any) -> bool:
        """Whether there is another hop to make; TransportError where a redirect may not be followed."""
        if answer.status_code not in _REDIRECTS:
            return False
        self._hops += 1
        location = answer.headers.get("location")
        self._url = redirected(self._request.method, self._url, location, self._hops)
        return True

    def closed(self, answer: Any, body: Body) -> Response:
        """Return the complete answer."""
        self.check()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, body.finish())

    def broken_off(self, error: Exception, seconds: float) -> TransportError:
        """Say what ended a body that is read as it comes."""
        failure = self.failed(error)
        if failure.kind == "timeout":
            return TransportError("timeout", f"{self.host}: silent for {seconds:g} s")
        return failure

    def failed(self, error: Exception) -> TransportError:
        """Say what a client's own exception means, without its text: that may hold the whole URL."""
        if isinstance(error, TransportError):
            return error
        kind = _kind(error)
        if kind == "timeout":
            return self.overdue()
        return TransportError(kind, f"{self.host}: {_cause(error)}")


def redirected(method: str, url: str, location: str | None, hops: int) -> str:
    """Return where a redirect leads if it may be followed: a GET, the same origin, not too often.

    Raises TransportError ``redirect``: a key must reach nobody but the host it was meant for.
    """
    from urllib.parse import urljoin

    host = host_of(url)
    try:
        target = urljoin(url, location or "")
        same = location is not None and _origin(target) == _origin(url)
    except ValueError:
        raise TransportError("redirect", f"{host} redirects to something that is no URL") from None
    if not same:
        raise TransportError("redirect", f"{host} redirects to {host_of(target)}, which is another origin")
    if method != "GET":
        raise TransportError("redirect", f"{host} redirects a {method}, which is not followed")
    if hops > _MAX_REDIRECTS:
        raise TransportError("redirect", f"{host} redirects more than {_MAX_REDIRECTS} times")
    return target


def _origin(url: str) -> tuple[str, str | None, int | None]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _kind(error: Exception) -> str:
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((kind for name, kind in _KINDS.items() if name in names), "failed")
    causes = {kind.__name__ for cause in _chain(error) for kind in type(cause).__mro__}
    return next((deep for name, deep in _DEEP_KINDS.items() if name in causes), kind)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from; chains are short, but a hostile one may be a ring."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__


def _cause(error: BaseException) -> str:
    """The system's own words for a failure where there are any, else the name of its type."""
    for seen in _chain(error):
        words = getattr(seen, "verify_message", None) or (isinstance(seen, OSError) and seen.strerror)
        if words:
            return str(words)
    return type(error).__name__
