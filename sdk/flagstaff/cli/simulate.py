"""``flagstaff simulate``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.contexts import fixed_options
from flagstaff.cli.output import Impossible, json_option, print_json, print_table
from flagstaff.cli.progress import tracked
from flagstaff.cli.reading import read_rules, written_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagstaff.cli.tally import Row, Tally
    from flagstaff.cli.units import Units
    from flagstaff.core.evaluate import Snapshot
    from flagstaff.formats import Format

__all__ = ["simulate"]

_HEADS = ("flag", "variant", "units", "share", "expected", "off by")
_NUMBERS = ("units", "share", "expected", "off by")


@click.command(epilog="Exit codes: 0 it was done; 2 there are no rules, or no such flag or units.")
@click.argument("rules", metavar="FILE|URL")
@click.argument("flags", nargs=-1, metavar="[FLAG]...")
@click.option(
    "-n", "--number", type=click.IntRange(min=1), default=100_000, show_default=True, help="How many units."
)
@click.option(
    "--units",
    "file",
    metavar="FILE",
    help="Take the units from a file, one a line, or a context a line as JSON; - is standard input.",
)
@click.option(
    "--unit",
    metavar="NAME",
    default="targeting_key",
    show_default=True,
    help="The attribute that is the unit.",
)
@fixed_options
@written_options
@json_option
def simulate(
    *,
    rules: str,
    flags: tuple[str, ...],
    suffix: str | None,
    dialect: Format,
    as_json: bool,
    attributes: Mapping[str, Any],
    given: Mapping[str, Any],
    **units: Any,
) -> None:
    """Decide flags for many units and compare shares.

    Without FLAG, all of them. Units are made up (user-1, user-2, ...) or listed. Each variant's share stands
    beside the one to be expected, which is worked out from the rules for the attributes given; "–" means that
    it can't be. How far a share is off is told in standard errors: beyond 4 it is hardly chance.
    """
    from flagstaff.cli.tally import Tally
    from flagstaff.core.evaluate import Snapshot

    begun = time.time()
    snapshot = Snapshot(read_rules(rules, suffix, dialect).rules, lambda: begun)
    population = _population({**given, **attributes}, **units)
    tallies = [Tally(snapshot, key, population) for key in _known(snapshot, flags)]
    with tracked(population, len(population), "deciding") as contexts:
        for context in contexts:
            for tally in tallies:
                tally.add(context)
    if as_json:
        print_json({"units": len(population), "flags": [_plain(tally) for tally in tallies]})
    else:
        rows = [(tally.key, row) for tally in tallies for row in tally.rows()]
        print_table(_HEADS, [_cells(key, row) for key, row in rows], numbers=_NUMBERS)


def _population(fixed: Mapping[str, Any], number: int, file: str | None, unit: str) -> Units:
    from flagstaff.cli.units import Units

    return Units.made_up(unit, fixed, number) if file is None else Units.listed(unit, fixed, file)


def _known(snapshot: Snapshot, flags: tuple[str, ...]) -> list[str]:
    """The flags that were named, each once, or all there are. Impossible where one is not there."""
    from flagstaff.formats.suggest import did_you_mean

    keys = snapshot.flag_keys()
    for flag in flags:
        if flag not in keys:
            raise Impossible(f"the rules have no flag {flag!r}{did_you_mean(flag, keys)}")
    return list(dict.fromkeys(flags)) or keys


def _plain(tally: Tally) -> dict[str, Any]:
    return {"flag": tally.key, "variants": [row._asdict() for row in tally.rows()]}


def _cells(key: str, row: Row) -> list[str]:
    expected = "–" if row.expected is None else f"{row.expected:.3%}"
    deviation = "–" if row.deviation is None else f"{row.deviation:+.2f}"
    return [key, row.variant or "–", f"{row.units:,}", f"{row.share:.3%}", expected, deviation]
