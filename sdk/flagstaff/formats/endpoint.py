"""Where a server of some dialect has its rules, and what it wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["Endpoint", "endpoint"]


class Endpoint:
    """An address that answers GET with a document, and the headers to ask it with.

    Address and headers may hold the key, so neither is ever shown.
    """

    __slots__ = ("headers", "url")

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url: str = url
        self.headers: Mapping[str, str] = headers

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
