"""Whom to decide for, as options say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import click

from flagstaff.core.context import Context

__all__ = ["JSON", "context_from", "context_options", "fixed_options", "parse_json"]

F = TypeVar("F", bound=Callable[..., Any])
_KEY = "targeting_key"


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def parse_json(text: str) -> Any:
    """The JSON value that a text holds; ValueError where it holds none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


class _Json(click.ParamType):
    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_json(value)
        except ValueError as error:
            self.fail(f"{value!r} is no JSON: {error}", param, ctx)


class _Object(_Json):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not isinstance(found, dict):
            self.fail(f'must be an object such as {{"country": "NL"}}, not {value!r}', param, ctx)
        return found


class _Attribute(click.ParamType):
    name = "name=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"must read name=value, not {value!r}", param, ctx)
        try:
            return name, parse_json(text)
        except ValueError:
            return name, text


JSON = _Json()


def fixed_options(function: F) -> F:
    """Adds ``--attribute`` and ``--context``."""
    attribute = click.option(
        "-a",
        "--attribute",
        "attributes",
        multiple=True,
        type=_Attribute(),
        help="An attribute, such as country=NL or age=30: a JSON value if it reads as one, else text.",
    )
    context = click.option(
        "--context",
        "given",
        type=_Object(),
        metavar="JSON",
        help=f'Attributes as a JSON object; in it, "{_KEY}" is the targeting key. -a wins over it.',
    )
    return attribute(context(function))


def context_options(function: F) -> F:
    """Adds ``--key``, ``--attribute`` and ``--context``."""
    key = click.option("--key", metavar="TEXT", help="The targeting key, such as user-42.")
    return key(fixed_options(function))


def context_from(
    given: Mapping[str, Any] | None, attributes: Iterable[tuple[str, Any]] = (), key: str | None = None
) -> Context:
    """The context that an object, attributes by name and a key make; what stands later here wins."""
    merged = {**(given or {}), **dict(attributes)}
    inner = merged.pop(_KEY, None)
    return Context(inner if key is None else key, merged)
