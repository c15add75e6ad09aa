"""Where a server of some dialect has its rules, and what it wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from flagstaff.settings import Secret

__all__ = ["Endpoint", "endpoint"]


class Endpoint:
    """An address that answers GET with a document, and the headers to ask it with.

    Address and headers may hold the key, so both are kept where no look at the parts of a client finds them.
    """

    __slots__ = ("_headers", "_url", "join")

    def __init__(
        self, url: str, headers: Mapping[str, str], join: Callable[[list[bytes]], bytes] | None = None
    ) -> None:
        self.join: Callable[[list[bytes]], bytes] | None = join
        """What makes one document of its pages, for servers that send it in several. RulesError."""
        self._url = Secret(url)
        self._headers = {name: Secret(value) for name, value in headers.items()}

    @property
    def url(self) -> str:
        """The address, which may hold the key."""
        return self._url.reveal()

    @property
    def headers(self) -> Mapping[str, str]:
        """What to say besides."""
        return {name: value.reveal() for name, value in self._headers.items()}

    def __repr__(self) -> str:
        return "Endpoint(***)"


def endpoint(format: str, url: str, key: Secret | None, options: Mapping[str, Any]) -> Endpoint:  # noqa: A002
    """Where the server at ``url`` has its rules. ConfigError names what is missing, such as a key."""
    if format in ("native", "auto"):
        return _native(url, key)
    find: Callable[..., Endpoint] = import_module(f"flagstaff.formats.{format}.server").endpoint
    return find(url, key, options)


def _native(url: str, key: Secret | None) -> Endpoint:
    """An address that ends in .json is the document itself."""
    address = url if url.endswith(".json") else f"{url}/v1/rules"
    return Endpoint(address, {} if key is None else {"Authorization": f"Bearer {key.reveal()}"})
