"""``flagstaff convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flagstaff.cli.output import json_option, print_json, warn
from flagstaff.cli.reading import read_rules, written_options

if TYPE_CHECKING:
    from flagstaff.formats import Format

__all__ = ["convert"]


@click.command(epilog="Exit codes: 0 it was printed; 2 there are no rules.")
@click.argument("rules", metavar="FILE|URL")
@written_options
@json_option
def convert(rules: str, suffix: str | None, dialect: Format, as_json: bool) -> None:  # noqa: ARG001 - it is JSON either way
    """Print rules in flagstaff's own canonical form, as JSON.

    They decide as the document in the other vendor's dialect does: every user keeps the variant. Warnings
    on stderr tell what is not decided as it looks.
    """
    loaded = read_rules(rules, suffix, dialect)
    for problem in loaded.warnings if loaded.translated else ():
        warn(str(problem))
    print_json(loaded.canonical)
