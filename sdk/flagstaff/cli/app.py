"""All commands under one name, and what becomes of whatever goes wrong in them."""

from __future__ import annotations

import sys
from typing import Any

import click

from flagstaff.cli.convert import convert
from flagstaff.cli.decide import evaluate, explain
from flagstaff.cli.doctor import doctor
from flagstaff.cli.exposures import exposures
from flagstaff.cli.lint import lint, schema
from flagstaff.cli.output import Impossible
from flagstaff.cli.override import override
from flagstaff.cli.serve import serve
from flagstaff.cli.simulate import simulate
from flagstaff.cli.vectors import vectors
from flagstaff.errors import FlagstaffError

__all__ = ["app"]

_INTERRUPTED = 130  # as a shell says of a command that Ctrl-C ended


class _App(click.Group):
    """Ends every failure that can be foreseen in one message and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FlagstaffError as error:
            raise Impossible(str(error)) from error
        except BrokenPipeError:
            raise  # whoever read the output has had enough of it: click ends quietly
        except OSError as error:
            raise Impossible(str(error)) from error
        except KeyboardInterrupt:
            click.echo(err=True)
            ctx.exit(_INTERRUPTED)


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        number = version("flagstaff")
    except PackageNotFoundError:
        number = "of unknown version (it is on the path, but not installed)"
    click.echo(f"flagstaff {number}, Python {sys.version.split()[0]}")
    ctx.exit()


@click.group(
    cls=_App,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
    epilog="Exit codes: 0 fine; 1 the answer is no (problems, differences, a flag that can't be decided);"
    " 2 it can't be done (usage, files, servers, a missing extra).",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """Feature flags and experiments from the command line.

    FILE is a rules document (.json, .toml; .yaml with the extra) or "-" for standard input. URL is a server,
    asked with the key in FLAGSTAFF_KEY. Tables are for people; --json is for programs.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


for _command in (
    lint,
    schema,
    convert,
    evaluate,
    explain,
    simulate,
    vectors,
    serve,
    exposures,
    override,
    doctor,
):
    app.add_command(_command)
