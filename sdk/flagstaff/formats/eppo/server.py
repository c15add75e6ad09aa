"""Where Eppo has its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flagstaff.errors import ConfigError
from flagstaff.formats.endpoint import Endpoint

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["endpoint"]


def endpoint(url: str, key: Secret | None, options: Mapping[str, Any]) -> Endpoint:  # noqa: ARG001 - there are none
    """``url`` ends in ``/api``, as for Eppo's SDKs; ``key`` is an SDK key. ConfigError without one."""
    if key is None:
        raise ConfigError("key", "must be an SDK key of Eppo")
    query = urlencode({"apiKey": key.reveal(), "sdkName": "python", "sdkVersion": "4.4.1"})
    return Endpoint(f"{url.rstrip('/')}/flag-config/v1/config?{query}", {})
