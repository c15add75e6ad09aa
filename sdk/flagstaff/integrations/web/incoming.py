"""What a visit needs of a request, whichever framework took it in."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

__all__ = ["OVERRIDE_HEADER", "Incoming"]

OVERRIDE_HEADER = "Flagstaff-Override"
_HEADER_BYTES = OVERRIDE_HEADER.lower().encode()
_HEADER_VARIABLE = f"HTTP_{OVERRIDE_HEADER.upper().replace('-', '_')}"


class Incoming:
    """The headers and the query of a request; ``request`` is what the host's loader is called with."""

    __slots__ = ("_secure", "cookies", "override", "query", "request")

    def __init__(
        self, *, cookies: str, query: str, override: str, secure: bool | Callable[[], bool], request: Any
    ) -> None:
        self.cookies: str = cookies
        self.query: str = query
        self.override: str = override
        self._secure = secure
        self.request: Any = request

    @property
    def secure(self) -> bool:
        """Whether it came over https."""
        secure = self._secure
        return secure if isinstance(secure, bool) else secure()

    @classmethod
    def from_environ(
        cls, environ: Mapping[str, Any], request: Any = None, secure: Callable[[], bool] | None = None
    ) -> Self:
        """Of a WSGI environ, or a Django request's META."""
        return cls(
            cookies=environ.get("HTTP_COOKIE", ""),
            query=environ.get("QUERY_STRING", ""),
            override=environ.get(_HEADER_VARIABLE, ""),
            secure=environ.get("wsgi.url_scheme") == "https" if secure is None else secure,
            request=environ if request is None else request,
        )

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], request: Any) -> Self:
        """Of an ASGI scope."""
        cookies, override = [], ""
        for name, value in scope["headers"]:
            if name == b"cookie":  # HTTP/2 may send several
                cookies.append(value.decode("latin-1"))
            elif name == _HEADER_BYTES:
                override = value.decode("latin-1")
        return cls(
            cookies="; ".join(cookies),
            query=scope.get("query_string", b"").decode("latin-1"),
            override=override,
            secure=scope.get("scheme") in ("https", "wss"),
            request=request,
        )
