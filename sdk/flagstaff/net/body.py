"""A response's body, decoded by hand so that it never grows beyond its bound. Pure."""

from __future__ import annotations

from flagstaff.net.message import TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zlib

__all__ = ["Body"]

_SLACK = 64 * 1024  # gzip may be a little longer than what it holds
_GZIP = ("gzip", "x-gzip")
_PLAIN = ("", "identity")


class Body:
    """Takes raw bytes as they come and holds at most ``max_bytes`` of what they decode to.

    A bomb is refused while it goes off: neither its raw nor its decoded bytes are ever held beyond
    the bound. Raises TransportError ``too-large`` or ``encoding``.
    """

    def __init__(self, host: str, encoding: str, max_bytes: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in _GZIP + _PLAIN:
            raise TransportError("encoding", f"{host} answered in an encoding that was not asked for")
        self._host = host
        self._max = max_bytes
        self._held = bytearray()
        self._raw = 0
        self._gzip = encoding in _GZIP
        self._member: zlib._Decompress | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next raw bytes."""
        self._raw += len(chunk)
        if self._raw > self._max + (_SLACK if self._gzip else 0):
            raise self._too_large()
        if self._gzip:
            self._inflate(chunk)
        else:
            self._held += chunk

    def finish(self) -> bytes:
        """Return the decoded body; a stream that was cut short is refused."""
        if self._member is not None:
            raise TransportError("encoding", f"{self._host} sent gzip that ends too early")
        return bytes(self._held)

    def _inflate(self, chunk: bytes) -> None:
        import zlib

        while chunk:
            member = self._member = self._member or zlib.decompressobj(31)
            try:
                self._held += member.decompress(chunk, self._max - len(self._held) + 1)
            except zlib.error:
                raise TransportError("encoding", f"{self._host} sent broken gzip") from None
            if len(self._held) > self._max:
                raise self._too_large()
            chunk = member.unused_data  # gzip may be several members, one after the other
            if member.eof:
                self._member = None

    def _too_large(self) -> TransportError:
        return TransportError("too-large", f"{self._host} answered with more than {self._max:,} bytes")
