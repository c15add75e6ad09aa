"""What is asked, what is answered, and what went wrong in between. Pure."""

from __future__ import annotations

from types import MappingProxyType

from flagstaff.errors import FlagstaffError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Request", "Response", "TransportError", "host_of"]


class TransportError(FlagstaffError):
    """No usable answer came. ``kind`` is one word; the text names the host and the cause, nothing else.

    Kinds: ``connect``, ``dns``, ``tls`` (a certificate that is not trusted), ``timeout``, ``network``,
    ``protocol``, ``redirect``, ``too-large``, ``encoding``, ``closed``, ``failed`` (anything else).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Request:
    """One request, immutable, with everything that bounds it.

    ``timeout`` is the total in seconds, from the first packet to the last byte; ``max_bytes`` bounds
    the decoded body of the answer. Raises ValueError for a header that can't be sent as it is.
    """

    __slots__ = ("body", "headers", "max_bytes", "method", "timeout", "url")

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: float
    max_bytes: int

    def __init__(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        timeout: float = 10.0,
        max_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        given = dict(headers or {})
        for name, value in given.items():
            _check_header(name, value)
        put = object.__setattr__
        put(self, "method", method)
        put(self, "url", url)
        put(self, "headers", MappingProxyType(given))
        put(self, "body", body)
        put(self, "timeout", timeout)
        put(self, "max_bytes", max_bytes)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """A copy with some headers added or replaced."""
        merged = {**self.headers, **headers}
        return Request(
            self.method, self.url, merged, self.body, timeout=self.timeout, max_bytes=self.max_bytes
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Request can't be changed: {name}")

    def __repr__(self) -> str:
        return f"Request({self.method} {host_of(self.url)})"


class Response:
    """One answer: its status, its headers with lower-case names, its decoded body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status: int = status
        self.headers: Mapping[str, str] = headers
        self.body: bytes = body

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


def host_of(url: str) -> str:
    """The host and port of a URL, fit to be shown: no user, path or query, which may be secrets."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "(no host)"
    except ValueError:
        return "(no host)"


def _check_header(name: str, value: str) -> None:
    """Refuse what could end a header early or change on its way; never repeat the value."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} can't be the name of a header")
    try:
        sent = value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"the header {name} has a character outside of Latin-1") from None
    if any(byte < 32 and byte != 9 for byte in sent) or 127 in sent:
        raise ValueError(f"the header {name} has a control character")
