"""``flagstaff eval`` and ``flagstaff explain``."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.contexts import as_json_value, context_from, context_options
from flagstaff.cli.output import json_option, print_json, print_line, print_pairs, warn
from flagstaff.cli.reading import client_of, read_rules, written_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flagstaff.core.decision import Decision
    from flagstaff.flags import BoundFlags
    from flagstaff.formats import Format

__all__ = ["evaluate", "explain"]

_FIELDS = ("variant", "enabled", "reason", "rule", "experiment", "error")
_EXIT_CODES = (
    "Exit codes: 0 it was decided; 1 it could not be (its reason is an error); 2 there are no rules."
)


def _asking(function: Callable[..., None]) -> Callable[..., None]:
    """Adds what both commands are told."""
    for add in (
        json_option,
        written_options,
        click.option(
            "--default",
            metavar="JSON",
            callback=as_json_value,
            help="The caller's default, which fixes the type.",
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
def evaluate(ctx: click.Context, /, flag: str, default: Any, as_json: bool, **asked: Any) -> None:
    """Decide a flag as an application would.

    The environment's overrides hold. Nothing is recorded.
    """
    with _flags(flag, **asked) as flags:
        decision = flags.decide(flag, default, exposure=False)
    if as_json:
        print_json(_plain(decision))
    else:
        fields = ((name, getattr(decision, name)) for name in _FIELDS)
        pairs = [(name, _text(value)) for name, value in fields if value is not None]
        print_pairs(f"{flag} = {json.dumps(decision.value, ensure_ascii=False)}", pairs)
    ctx.exit(_exit_code(decision))


@click.command(epilog=_EXIT_CODES)
@_asking
@click.pass_context
def explain(ctx: click.Context, /, flag: str, default: Any, as_json: bool, **asked: Any) -> None:
    """Decide a flag and tell every step.

    Rules tried, values compared, buckets drawn. Nothing is recorded.
    """
    with _flags(flag, **asked) as flags:
        explanation = flags.explain(flag, default)
    if as_json:
        print_json(explanation.to_dict())
    else:
        print_line(str(explanation))
    ctx.exit(_exit_code(explanation.decision))


@contextmanager
def _flags(
    flag: str,
    *,
    rules: str,
    suffix: str | None,
    dialect: Format,
    key: str | None,
    given: Any,
    attributes: Any,
) -> Iterator[BoundFlags]:
    context, loaded = context_from({**given, **attributes}, key), read_rules(rules, suffix, dialect)
    _suggest(flag, [*loaded.rules.flags, *loaded.rules.malformed])
    with client_of(loaded) as client:
        yield client.bind(context)


def _suggest(flag: str, keys: list[str]) -> None:
    from flagstaff.formats.suggest import did_you_mean

    hint = "" if flag in keys else did_you_mean(flag, keys)
    if hint:
        warn(f"there is no flag {flag!r}{hint}")


def _plain(decision: Decision) -> dict[str, Any]:
    names = ("flag", "enabled", "value", "variant", "rule", "experiment", "error")
    plain = {name: getattr(decision, name) for name in names}
    return plain | {"reason": str(decision.reason), "metadata": dict(decision.metadata)}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _exit_code(decision: Decision) -> int:
    return 0 if decision.error is None else 1
