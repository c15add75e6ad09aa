"""Whom to decide for, as options say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import click

from flagstaff.core.context import Context

__all__ = ["as_json_value", "context_from", "context_options", "fixed_options", "parse_json"]

F = TypeVar("F", bound=Callable[..., Any])
_KEY = "targeting_key"


def parse_json(text: str) -> Any:
    """The JSON value that a text holds; ValueError where it holds none."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def as_json_value(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Any:
    """Reads an option that is JSON."""
    if text is None:
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no JSON: {error}") from None


def _as_object(ctx: click.Context, param: click.Parameter, text: str | None) -> Mapping[str, Any]:
    found = {} if text is None else as_json_value(ctx, param, text)
    if not isinstance(found, dict):
        raise click.BadParameter(f'must be an object such as {{"country": "NL"}}, not {text!r}')
    return found


def _as_attributes(_ctx: click.Context, _param: click.Parameter, texts: Iterable[str]) -> dict[str, Any]:
    return dict(map(_attribute, texts))


def _attribute(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"must read name=value, not {text!r}")
    try:
        return name, parse_json(value)
    except ValueError:
        return name, value


def fixed_options(function: F) -> F:
    """Adds ``--attribute`` and ``--context``."""
    attribute = click.option(
        "-a",
        "--attribute",
        "attributes",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_as_attributes,
        help="An attribute, such as country=NL or age=30: a JSON value if it reads as one, else text.",
    )
    context = click.option(
        "--context",
        "given",
        metavar="JSON",
        callback=_as_object,
        help=f'Attributes as a JSON object; in it, "{_KEY}" is the targeting key. -a wins over it.',
    )
    return attribute(context(function))


def context_options(function: F) -> F:
    """Adds ``--key``, ``--attribute`` and ``--context``."""
    key = click.option("--key", metavar="TEXT", help="The targeting key, such as user-42.")
    return key(fixed_options(function))


def context_from(given: Mapping[str, Any], key: str | None = None) -> Context:
    """The context that plain data makes, in which the targeting key may stand; ``key`` wins over that."""
    attributes = dict(given)
    inner = attributes.pop(_KEY, None)
    return Context(inner if key is None else key, attributes)
