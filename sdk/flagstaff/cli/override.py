"""``flagstaff override``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.output import Impossible, json_option, print_json, print_line
from flagstaff.cli.reading import client_of, read_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.settings import Settings

__all__ = ["override"]

_SECRET = "FLAGSTAFF_OVERRIDE_SECRET"  # noqa: S105 - the variable's name


@click.command(
    epilog=f"The token is signed with {_SECRET}, of which the application must know the same."
    " Exit codes: 0 it is printed; 1 the rules have no such flag or variant; 2 it can't be made."
)
@click.argument("overrides", nargs=-1, required=True, metavar="FLAG=VARIANT...")
@click.option(
    "--expires",
    default="2h",
    show_default=True,
    metavar="TIME",
    help="How long it is good: 90s, 30m, 2h, 7d.",
)
@click.option(
    "--audience", metavar="TEXT", help="Whom it is meant for. [default: FLAGSTAFF_OVERRIDE_AUDIENCE, if set]"
)
@click.option("--url", metavar="URL", help="The page to make a link to; without it the token is printed.")
@click.option("--rules", metavar="FILE|URL", help="Rules that must have the flags and variants.")
@json_option
@click.pass_context
def override(
    ctx: click.Context,
    /,
    *,
    overrides: tuple[str, ...],
    expires: str,
    audience: str | None,
    url: str | None,
    rules: str | None,
    as_json: bool,
) -> None:
    """Make a link that forces variants for whoever follows it.

    Nobody else sees them, and they are never counted as exposures. On any page of the site, ?flagstaff=show
    tells what is forced, and ?flagstaff=clear ends it.
    """
    from flagstaff.overrides import parse_overrides
    from flagstaff.overrides.links import lifetime_of, link_to
    from flagstaff.runtime.clock import SystemClock

    wanted = {flag: str(name) for flag, name in parse_overrides(",".join(overrides), "FLAG=VARIANT").items()}
    if rules is not None and not _can_serve(rules, wanted):
        ctx.exit(1)
    now, lifetime = SystemClock.time(), lifetime_of(expires)
    token = _signed(_settings(audience), wanted, now, lifetime)
    link = None if url is None else link_to(url, token)
    until = datetime.fromtimestamp(int(now + lifetime), UTC).isoformat()
    if as_json:
        print_json({"overrides": wanted, "expires": until, "token": token, "url": link})
    else:
        print_line(link or token)


def _settings(audience: str | None) -> Settings:
    from flagstaff.settings import Settings

    return Settings(
        key=None,
        poll_interval=None,
        flush_interval=None,
        default_poll_interval=30.0,
        override_audience=audience,
    )


def _signed(settings: Settings, wanted: Mapping[str, str], now: float, lifetime: int) -> str:
    from flagstaff.overrides.tokens import sign_token

    if not settings.override_secrets:
        raise Impossible(f"{_SECRET} is not set: it must be the secret that the application has")
    return sign_token(
        settings.override_secrets[0], wanted, now=now, lifetime=lifetime, audience=settings.override_audience
    )


def _can_serve(where: str, wanted: Mapping[str, Any]) -> bool:
    from flagstaff.errors import OverrideError

    with client_of(read_rules(where)) as client:
        try:
            with client.override(wanted):
                return True
        except OverrideError as error:
            click.echo(f"Error: {error}", err=True)
            return False
