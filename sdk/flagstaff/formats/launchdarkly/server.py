"""Where LaunchDarkly has all flags and segments of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagstaff.errors import ConfigError
from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.settings import Secret

__all__ = ["endpoint"]


def endpoint(url: str, key: Secret | None, _options: Mapping[str, Any]) -> Endpoint:
    """The polling service of an SDK key; an address that ends in .json is the document itself."""
    if key is None and not url.endswith(".json"):
        raise ConfigError("key", "LaunchDarkly asks for a server-side SDK key")
    address = url if url.endswith(".json") else f"{url}/sdk/latest-all"
    return Endpoint(address, {} if key is None else {"Authorization": key.reveal()})
