"""Where an Unleash server has its rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flagstaff.errors import ConfigError
from flagstaff.formats.endpoint import Endpoint

from .options import ASKED

if TYPE_CHECKING:
    from flagstaff.settings import Secret

__all__ = ["endpoint"]

_SPECIFICATION = "6.1.0"


def endpoint(url: str, key: Secret | None, options: Mapping[str, Any]) -> Endpoint:
    """``url`` ends in ``/api``, as for Unleash's SDKs; ``key`` is a client token. ConfigError without one."""
    if key is None:
        raise ConfigError("key", "must be a client token of Unleash")
    headers = {
        "Authorization": key.reveal(),
        "Unleash-Client-Spec": _SPECIFICATION,
        "unleash-appname": str(options.get("app_name", "flagstaff")),
    }
    query = urlencode({ASKED[name]: value for name, value in options.items() if name in ASKED})
    return Endpoint(f"{url.rstrip('/')}/client/features{query and '?'}{query}", headers)
