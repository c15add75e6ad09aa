"""Other vendors' rules, decided by flagstaff and by their SDKs: ``python -m tests.bench.formats [NAME…]``.

For each vendor three workers take turns: the SDK, flagstaff with the very document that the SDK got, and
flagstaff with native rules of the same shape. Turns of the same round are compared; beside them stands what
the vendor's hash takes alone, which nobody who decides alike can do without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import truediv
from pathlib import Path
from typing import NamedTuple

from tests.bench.documents import FLAGS
from tests.bench.figures import Figure, machine, paired, plausible, summed_up
from tests.bench.peers import OURS, find_peer
from tests.bench.places import staged
from tests.bench.report import grid
from tests.bench.turns import Worker, asked, say, take_turns, working
from tests.bench.workloads import SILENT, silent_tasks
from tests.fuzz.vendor import VENDORS

__all__ = ["Row", "compare", "main", "page"]

_WORKLOADS = ("targeted", "experiment")
_HASH = "hash"
_ROUNDS, _SECONDS = 31, 0.03


class Row(NamedTuple):
    """One workload of one vendor; the hashes alone among it."""

    vendor: str
    sdk: str
    workload: str
    ours: Figure
    theirs: Figure
    native: Figure
    hashed: Figure
    native_hashed: Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("vendors", nargs="*", metavar="vendor", default=VENDORS)
    parser.add_argument("--out", type=Path, help="the directory to write formats.md to")
    given = parser.parse_args()
    made = page([row for vendor in sorted(given.vendors) for row in compare(vendor)])
    print(made)
    if given.out is not None:
        (given.out / "formats.md").write_text(made)


def compare(vendor: str) -> Iterator[Row]:
    """Each workload by flagstaff, by the SDK and by flagstaff with native rules."""
    names = (f"{OURS}:{vendor}", vendor, f"{OURS}:native")
    with staged(names, (FLAGS,)) as stage, working(partial(Worker, stage, name) for name in names) as workers:
        for worker, answers in asked(workers, "check"):
            if not plausible(answers):
                say(f"{worker.label} decides otherwise: {answers}")
        versions = {worker.label: worker.version for worker in workers}
        tasks = [task for task in silent_tasks(_SECONDS) if task.workload in (*_WORKLOADS, _HASH)]
        found = summed_up(take_turns(workers, tasks, _ROUNDS))
    if set(found) != set(names):
        say(f"{vendor}: left out")
        return
    sdk = f"{find_peer(vendor).title} {versions[vendor]}"
    for workload in _WORKLOADS:
        yield _row(vendor, sdk, workload, [found[name] for name in names])


def _row(vendor: str, sdk: str, workload: str, found: Sequence[Mapping[str, Figure]]) -> Row:
    ours, theirs, native = (figures[workload] for figures in found)
    return Row(vendor, sdk, workload, ours, theirs, native, found[0][_HASH], found[2][_HASH])


def page(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    it = machine()
    return (
        "# Other vendors' rules\n\n"
        f"Measured on {it['day']}: {it['python']}, {it['processor']}, {it['cores']} cores. Nanoseconds for "
        "one evaluation, the median of many turns. For each vendor its SDK, flagstaff with the same "
        "document, and flagstaff with native rules of the same shape took turns in one run; a ratio is the "
        "median of the rounds' own.\n\n"
        "*Rules* are three attribute rules and a 25 % rollout, *experiment* is a three-way experiment, not "
        "exposed. *Hash* is what hashing a salt and a user by the vendor's hash takes a program that does "
        "nothing else; the last column compares with native rules once both are rid of their hashes.\n\n"
        + grid(
            (
                *("", "workload", "SDK", "its time", "flagstaff", "times as fast", "hash"),
                *("native rules", "ratio", "ratio, hash aside"),
            ),
            map(_cells, rows),
        )
    )


def _cells(row: Row) -> Sequence[str]:
    ours, native = row.ours, row.native
    beside = paired(_beside, ours, row.hashed, native, row.native_hashed)
    return (
        row.vendor,
        SILENT[row.workload].short,
        row.sdk,
        f"{row.theirs['median']:,.0f}",
        f"{ours['median']:,.0f}",
        f"{paired(truediv, row.theirs, ours):.1f}",
        f"{row.hashed['median']:,.0f}",
        f"{native['median']:,.0f}",
        f"{paired(truediv, ours, native):.2f}",
        f"{beside:.2f}",
    )


def _beside(ours: float, hashed: float, native: float, native_hashed: float) -> float:
    """How many times as long as native rules, hashes left aside."""
    return max(ours - hashed, 0.0) / max(native - native_hashed, 1.0)


if __name__ == "__main__":
    main()
