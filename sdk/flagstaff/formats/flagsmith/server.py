"""Where a Flagsmith server has its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagstaff.errors import ConfigError
from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["endpoint"]


def endpoint(url: str, key: Secret | None, _options: Mapping[str, Any]) -> Endpoint:
    """``url`` ends in ``/api/v1``, as for Flagsmith's SDKs; ``key`` is a server-side environment key."""
    if key is None:
        raise ConfigError("key", "must be a server-side environment key of Flagsmith, such as ser.…")
    return Endpoint(f"{url.rstrip('/')}/environment-document/", {"X-Environment-Key": key.reveal()})
