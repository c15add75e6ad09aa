"""Contexts of one kind, of many, and the users that there were before kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagstaff.core.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["USER", "context", "individual", "kinds", "value_reader"]

USER = "user"
_MULTI = "multi"


def context(given: Mapping[str, Any]) -> Context:
    """The context of what LaunchDarkly's SDKs take.

    ``{"kind", "key", …}``, ``{"kind": "multi", "user": {…}, "org": {…}}``, or a user without a kind, whose
    ``custom`` attributes are like the others.
    """
    kind = given.get("kind")
    if kind == _MULTI:
        user = given.get(USER)
        return Context(user.get("key") if isinstance(user, Mapping) else None, dict(given))
    attributes = {name: value for name, value in given.items() if name not in ("key", "custom", "kind")}
    if kind is None:
        attributes |= given.get("custom") or {}
    elif "custom" in given:
        attributes["custom"] = given["custom"]
    if kind not in (None, USER):
        attributes["kind"] = kind
    return Context(given.get("key"), attributes)


def kinds(context: Context) -> list[str]:
    """The kinds that a context is of."""
    kind = context.attributes.get("kind")
    if kind == _MULTI:
        return [name for name in context.attributes if name != "kind"]
    return [USER if kind is None else kind]


def individual(context: Context, kind: str) -> tuple[Any, Mapping[str, Any]] | None:
    """The key and the attributes of one kind; None where the context isn't of that kind."""
    attributes = context.attributes
    own = attributes.get("kind")
    if own == _MULTI:
        part = attributes.get(kind)
        return (part.get("key"), part) if isinstance(part, Mapping) else None
    return (context.targeting_key, attributes) if kind == (USER if own is None else own) else None


def value_reader(kind: str, path: tuple[str, ...]) -> Callable[[Context], Any]:
    """What finds the value that a path leads to in the part of one kind; None where there is none."""
    first, *rest = path

    def deep(context: Context) -> Any:
        found = individual(context, kind)
        if found is None:
            return None
        key, attributes = found
        value = _named(first, kind, key, attributes)
        for name in rest:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    if kind != USER or rest or first in ("key", "kind", "anonymous"):
        return deep

    def plain(context: Context) -> Any:
        attributes = context.attributes
        return deep(context) if "kind" in attributes else attributes.get(first)

    return plain


def _named(name: str, kind: str, key: Any, attributes: Mapping[str, Any]) -> Any:
    match name:
        case "key":
            return key
        case "kind":
            return kind
        case "anonymous":
            return attributes.get("anonymous") or False
    return attributes.get(name)
