"""Jinja2 templates in Django: ``flag("x")``, ``variant("y")``, ``flag_value("z", "default")``.

TEMPLATES = [{
    "BACKEND": "django.template.backends.jinja2.Jinja2",
    "OPTIONS": {"extensions": ["flagstaff.integrations.django.jinja.FlagstaffExtension"]},
}]
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, pass_context
from jinja2.ext import Extension
from jinja2.runtime import Context

from .views import flags_of

__all__ = ["FlagstaffExtension"]


class FlagstaffExtension(Extension):
    """Gives every template the flags of the request that it is rendered for."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(flag=_flag, variant=_variant, flag_value=_value)


@pass_context
def _flag(context: Context, name: str, default: bool = False) -> bool:
    return flags_of(context.get("request")).enabled(name, default)


@pass_context
def _variant(context: Context, name: str) -> str | None:
    return flags_of(context.get("request")).variant(name)


@pass_context
def _value(context: Context, name: str, default: Any = None) -> Any:
    return flags_of(context.get("request")).value(name, default)
