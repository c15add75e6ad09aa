"""``flagstaff vectors``."""

from __future__ import annotations

from typing import Any

import click

from flagstaff.cli.contexts import parse_json
from flagstaff.cli.output import Impossible, counted, json_option, print_json, print_line
from flagstaff.cli.reading import read_bytes

__all__ = ["vectors"]


@click.command(epilog="Exit codes: 0 fine; 1 there are differences; 2 the file is no set of vectors.")
@click.option("--check", "checking", is_flag=True, help="Compare the vectors of FILE, or the packaged ones.")
@click.argument("file", metavar="[FILE]", required=False)
@json_option
@click.pass_context
def vectors(ctx: click.Context, checking: bool, file: str | None, as_json: bool) -> None:
    """Print or check the golden vectors of bucketing.

    They are what every port of the bucketing must reproduce: hashes, buckets and whole decisions.
    """
    from flagstaff.vectors import check, generate, packaged, render

    if not checking:
        if file is not None:
            raise click.UsageError("FILE is for --check")
        click.echo(render(generate()), nl=False)
        return
    differences = check(packaged() if file is None else _read(file))
    if as_json:
        print_json({"differences": differences})
    else:
        for difference in differences:
            print_line(difference)
        print_line(counted(len(differences), "difference") if differences else "no differences", "bold")
    ctx.exit(1 if differences else 0)


def _read(file: str) -> Any:
    try:
        return parse_json(read_bytes(file).decode("utf-8-sig"))
    except ValueError as error:
        raise Impossible(f"{file} is no JSON: {error}") from None
