"""One request from its first byte to its last, whoever moves the bytes: time, redirects, size. Pure."""

from __future__ import annotations

from flagstaff.net.body import Body
from flagstaff.net.message import Response, TransportError, host_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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


class Exchange:
    """The course of one request: what to send next, and what to make of what comes back."""

    def __init__(self, request: Request, monotonic: Callable[[], float]) -> None:
        self.host: str = host_of(request.url)
        self._request = request
        self._url = request.url
        self._hops = 0
        # Nothing else may come back: it is all that `Body` can bound.
        own = {name: value for name, value in request.headers.items() if name.lower() != "accept-encoding"}
        self._headers = {**own, "Accept-Encoding": "gzip"}
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
            "timeout": Patience(self.left(), self._monotonic),
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
        if answer.status_code in _REDIRECTS:
            self._hops += 1
            location = answer.headers.get("location")
            self._url = redirected(self._request.method, self._url, location, self._hops)
            return None
        if not answer.is_stream_consumed:
            return Body(self.host, answer.headers.get("content-encoding", ""), self._request.max_bytes)
        body = Body(self.host, "", self._request.max_bytes)  # a mock's answer: read and decoded already
        body.feed(answer.content)
        return body

    def closed(self, answer: Any, body: Body) -> Response:
        """Return the complete answer."""
        self.check()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status_code, headers, body.finish())

    def failed(self, error: Exception) -> TransportError:
        """Say what a client's own exception means, without its text: that may hold the whole URL."""
        if isinstance(error, TransportError):
            return error
        names = [kind.__name__ for kind in type(error).__mro__]
        kind = next((kind for name, kind in _KINDS.items() if name in names), "failed")
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


def _cause(error: BaseException) -> str:
    """The system's own words for a failure where there are any, else the name of its type."""
    seen: BaseException | None = error
    for _ in range(10):  # chains are short; a hostile one may be a ring
        if seen is None:
            break
        words = getattr(seen, "verify_message", None) or (isinstance(seen, OSError) and seen.strerror)
        if words:
            return str(words)
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__
