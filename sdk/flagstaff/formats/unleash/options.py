"""What a service says of itself once, and Unleash's SDK puts into every context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.errors import ConfigError
from flagstaff.formats.suggest import did_you_mean

__all__ = ["FIELDS", "check_options"]

FIELDS = {"app_name": "appName", "environment": "environment"}
"""The options, and the fields of the context that they fill."""


def check_options(options: Mapping[str, Any]) -> None:
    """ConfigError where an option is unknown or no text."""
    for name, value in options.items():
        if name not in FIELDS:
            hint = did_you_mean(str(name), FIELDS)
            raise ConfigError("format_options", f"of unleash are {', '.join(FIELDS)}, not {name!r}{hint}")
        if not isinstance(value, str):
            raise ConfigError("format_options", f"{name} must be text, not {type(value).__name__}")
