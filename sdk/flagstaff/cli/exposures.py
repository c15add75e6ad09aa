"""``flagstaff exposures``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flagstaff.cli.output import Impossible, json_option, print_json, print_line, print_table

if TYPE_CHECKING:
    from flagstaff.server import EventStore, ExposureCount, Gap, LossCount, TrackCount

__all__ = ["exposures"]


@click.command(epilog="Exit codes: 0 fine; 2 there is no such file, or it holds no events.")
@click.argument("file", metavar="FILE.db")
@json_option
def exposures(file: str, as_json: bool) -> None:
    """Tell what has arrived in an event file.

    Exposures and tracked events, losses (what clients say that they had to drop) and gaps (numbered events
    that have not come yet).
    """
    from flagstaff.server import EventStore

    if not Path(file).is_file():
        raise Impossible(f"there is no file {file}")
    with EventStore(file) as store:
        if as_json:
            _print_json(store)
        else:
            _print_exposures(store.exposures())
            _print_tracks(store.tracks())
            _print_losses(store.losses())
            _print_gaps(store.gaps())


def _print_json(store: EventStore) -> None:
    print_json(
        {
            "exposures": [asdict(item) for item in store.exposures()],
            "tracks": [asdict(item) for item in store.tracks()],
            "losses": [asdict(item) for item in store.losses()],
            "gaps": [asdict(item) for item in store.gaps()],
        }
    )


def _print_exposures(found: Sequence[ExposureCount]) -> None:
    rows = [
        [
            item.flag,
            item.experiment,
            item.variant,
            f"{item.count:,}",
            f"{item.units:,}",
            item.first,
            item.last,
        ]
        for item in found
    ]
    heads = ("flag", "experiment", "variant", "count", "units", "first", "last")
    _print(heads, rows, "exposures")


def _print_tracks(found: Sequence[TrackCount]) -> None:
    rows = [[item.event, f"{item.count:,}", f"{item.units:,}"] for item in found]
    _print(("event", "count", "units"), rows, "tracked events")


def _print_losses(found: Sequence[LossCount]) -> None:
    rows = [[item.reason, item.flag or "–", item.variant or "–", f"{item.count:,}"] for item in found]
    _print(("reason", "flag", "variant", "count"), rows, "losses")


def _print_gaps(found: Sequence[Gap]) -> None:
    rows = [
        [item.source, item.process, f"{item.highest:,}", f"{item.missing:,}"]
        for item in found
        if item.missing
    ]
    _print(("source", "process", "numbered", "missing"), rows, "gaps")


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]], what: str) -> None:
    if rows:
        numbers = ("count", "units", "numbered", "missing")
        print_table(heads, rows, numbers=numbers, title=what.capitalize())
    else:
        print_line(f"No {what}")
    print_line()
