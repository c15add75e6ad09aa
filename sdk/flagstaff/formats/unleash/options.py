"""What a service says once: of itself, for every context, and which flags it asks its server for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.errors import ConfigError
from flagstaff.formats.suggest import did_you_mean

__all__ = ["ASKED", "FIELDS", "check_options"]

FIELDS = {"app_name": "appName", "environment": "environment"}
"""The options that fill a field of the context, and which."""

ASKED = {"project": "project", "name_prefix": "namePrefix"}
"""The options that say which flags a server is to send, and what the server calls them."""


def check_options(options: Mapping[str, Any]) -> None:
    """ConfigError where an option is unknown or no text."""
    known = (*FIELDS, *ASKED)
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(str(name), known)
            raise ConfigError("format_options", f"of unleash are {', '.join(known)}, not {name!r}{hint}")
        if not isinstance(value, str):
            raise ConfigError("format_options", f"{name} must be text, not {type(value).__name__}")
