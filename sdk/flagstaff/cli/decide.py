"""``flagstaff eval`` and ``flagstaff explain``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.contexts import JSON, context_from, context_options
from flagstaff.cli.output import json_option, print_json, print_line, print_pairs
from flagstaff.cli.reading import client_of, read_rules, suffix_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.core.explain import Explanation

__all__ = ["evaluate", "explain"]

_SHOWN = ("variant", "enabled", "reason", "rule", "experiment", "error")
_EXIT_CODES = "Exit codes: 0 it was decided; 1 it could not be (its reason is an error); 2 there are no rules."


def _asking(function: Callable[..., None]) -> Callable[..., None]:
    """Adds what both commands are told."""
    for add in (
        json_option,
        suffix_option,
        click.option(
            "--default", type=JSON, metavar="JSON", help="The caller's default, which fixes the type."
        ),
        context_options,
        click.argument("flag"),
        click.argument("rules", metavar="FILE|URL"),
    ):
        function = add(function)
    return function


@click.command("eval", epilog=_EXIT_CODES)
@_asking
@click.pass_context
def evaluate(ctx: click.Context, flag: str, as_json: bool, **asked: Any) -> None:
    """Decide a flag as an application would. Nothing is recorded."""
    decision = _explained(flag, **asked).to_dict()["decision"]
    if as_json:
        print_json(decision)
    else:
        pairs = [(name, decision[name]) for name in _SHOWN if decision[name] is not None]
        value = json.dumps(decision["value"], ensure_ascii=False)
        print_pairs(f"{flag} = {value}", [(name, _text(item)) for name, item in pairs])
    ctx.exit(0 if decision["error"] is None else 1)


@click.command(epilog=_EXIT_CODES)
@_asking
@click.pass_context
def explain(ctx: click.Context, flag: str, as_json: bool, **asked: Any) -> None:
    """Decide a flag and tell every step: rules tried, values compared, buckets drawn."""
    explanation = _explained(flag, **asked)
    if as_json:
        print_json(explanation.to_dict())
    else:
        print_line(str(explanation))
    ctx.exit(0 if explanation.decision.error is None else 1)


def _explained(
    flag: str, rules: str, suffix: str | None, default: Any, key: str | None, **context: Any
) -> Explanation:
    """The decision is made by the very steps that explain it, so one question serves both commands."""
    who = context_from(context["given"], context["attributes"], key)
    with client_of(read_rules(rules, suffix)) as client:
        return client.explain(flag, who, default)


def _text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item)
