"""Which of the ways to draw a unit an installation of flagd has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagstaff.errors import ConfigError
from flagstaff.formats.suggest import did_you_mean

__all__ = ["FRACTIONAL", "check_options"]

FRACTIONAL = 2
"""The version of ``fractional`` that flagd runs."""


def check_options(options: Mapping[str, Any]) -> None:
    """ConfigError where an option is unknown, or there is no such version."""
    for name, value in options.items():
        if name != "fractional":
            hint = did_you_mean(str(name), ["fractional"])
            raise ConfigError("format_options", f"of flagd are fractional, not {name!r}{hint}")
        if type(value) is not int or value not in (1, 2, 3):
            raise ConfigError("format_options", f"fractional must be 1, 2 or 3, not {value!r}")
