"""``{% load flagstaff %}``: ``{% flag "x" %}…{% else %}…{% endflag %}`` and ``{% variant "y" as v %}``."""

from __future__ import annotations

from typing import Any

from django import template

from flagstaff.integrations.django.views import flags_of

__all__ = ["register"]

register: template.Library = template.Library()


class _FlagNode(template.Node):
    def __init__(self, flag: Any, shown: Any, otherwise: Any) -> None:
        self.flag = flag
        self.nodelist = shown
        self.nodelist_else = otherwise

    child_nodelists = ("nodelist", "nodelist_else")

    def render(self, context: Any) -> Any:
        flags = flags_of(context.get("request"))
        chosen = self.nodelist if flags.enabled(self.flag.resolve(context)) else self.nodelist_else
        return chosen.render(context)


@register.tag("flag")
def _flag(parser: Any, token: Any) -> _FlagNode:
    parts = token.split_contents()
    if len(parts) != 2:
        raise template.TemplateSyntaxError(f'{parts[0]} takes the flag\'s key alone: {{% {parts[0]} "x" %}}')
    shown, otherwise = parser.parse(("else", "endflag")), template.NodeList()
    if parser.next_token().contents == "else":
        otherwise = parser.parse(("endflag",))
        parser.delete_first_token()
    return _FlagNode(parser.compile_filter(parts[1]), shown, otherwise)


@register.simple_tag(name="variant", takes_context=True)
def _variant(context: Any, flag: str) -> str | None:
    return flags_of(context.get("request")).variant(flag)


@register.simple_tag(name="flag_value", takes_context=True)
def _value(context: Any, flag: str, default: Any = None) -> Any:
    return flags_of(context.get("request")).value(flag, default)
