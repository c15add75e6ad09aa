"""flagd's language: the targeting of a flag, in JsonLogic."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flagstaff.formats.dialects import Compiled
from flagstaff.formats.javascript import text
from flagstaff.formats.jsonlogic import logic

from .operators import data, operators

__all__ = ["LANGUAGES"]


def _targeting(expression: Any) -> Compiled:
    """The variant that a flag's targeting comes to."""
    if not isinstance(expression, dict) or not isinstance(expression.get("flag"), str):
        raise ValueError("must be an object with flag, fractional and logic")
    flag, fractional = expression["flag"], expression.get("fractional", 2)
    if fractional not in (1, 2, 3):
        raise ValueError("fractional must be 1, 2 or 3")
    roots = {"targetingKey": "c.targeting_key", "$flagd.timestamp": "int(now())"}
    return logic(expression.get("logic"), operators(flag, fractional), partial(data, flag), roots, text)


LANGUAGES: dict[str, Callable[[Any], Compiled]] = {"targeting": _targeting}
