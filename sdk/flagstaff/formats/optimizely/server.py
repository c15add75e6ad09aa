"""Where Optimizely serves datafiles."""

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
    """The datafile of an SDK key. Where the address names the datafile itself, the key is an access token."""
    if url.endswith(".json"):
        return Endpoint(url, {} if key is None else {"Authorization": f"Bearer {key.reveal()}"})
    if key is None:
        raise ConfigError("key", "Optimizely's datafile is found by an SDK key; or name a datafile's address")
    return Endpoint(f"{url}/datafiles/{quote(key.reveal(), safe='')}.json", {})
