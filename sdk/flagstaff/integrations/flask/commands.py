"""``flask flagstaff …``: what the app's own client decides, and links that force it."""

from __future__ import annotations

from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from flagstaff import Client, FlagstaffError
from flagstaff.integrations.web.telling import context_given, link_for, listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["commands"]


class _Commands(AppGroup):
    """Ends what can be foreseen in one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FlagstaffError as error:
            raise click.ClickException(str(error)) from error


commands: AppGroup = _Commands("flagstaff", help="Feature flags: what is decided, and why.")


def _for_somebody(function: Callable[..., Any]) -> Callable[..., Any]:
    attribute = click.option("-a", "attributes", multiple=True, metavar="NAME=VALUE", help="An attribute.")
    return click.option("--key", metavar="TEXT", help="The targeting key.")(attribute(function))


def _client() -> Client:
    client: Client = current_app.extensions["flagstaff"].client
    client.wait_ready()
    return client


@commands.command("list")
@_for_somebody
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def list_flags(key: str | None, attributes: tuple[str, ...], as_json: bool) -> None:
    """Every flag, and what somebody gets of it."""
    click.echo(listing(_client(), context_given(key, attributes), as_json=as_json))


@commands.command()
@click.argument("flag")
@_for_somebody
def explain(flag: str, key: str | None, attributes: tuple[str, ...]) -> None:
    """Every step to what somebody gets of a flag; exits with 1 if it can't be decided."""
    explanation = _client().explain(flag, context_given(key, attributes))
    click.echo(str(explanation))
    if explanation.decision.error is not None:
        raise click.ClickException(explanation.decision.error)


@commands.command()
def status() -> None:
    """How the client is; exits with 1 if it has no rules."""
    found = _client().status()
    click.echo(str(found))
    if not found.ready:
        raise click.ClickException("there are no rules")


@commands.command()
@click.argument("overrides", nargs=-1, required=True, metavar="FLAG=VARIANT...")
@click.option("--expires", default="2h", show_default=True, metavar="TIME", help="Such as 90s, 30m, 2h, 7d.")
@click.option("--url", metavar="URL", help="The page to make a link to; without it the token is printed.")
def override(overrides: tuple[str, ...], expires: str, url: str | None) -> None:
    """Make a link that forces variants for whoever follows it."""
    click.echo(link_for(_client(), overrides, expires, url))
