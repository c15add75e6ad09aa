"""Where GrowthBook serves features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flagstaff.errors import ConfigError
from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.settings import Secret

__all__ = ["endpoint"]


def endpoint(url: str, key: Secret | None, _options: Mapping[str, Any]) -> Endpoint:
    """The features of a client key. An address that names them itself is taken as it is."""
    if "/api/features/" in url or url.endswith(".json"):
        return Endpoint(url, {})
    if key is None:
        raise ConfigError("key", "GrowthBook's features are found by a client key, such as sdk-abc123")
    return Endpoint(f"{url}/api/features/{quote(key.reveal(), safe='')}", {})
