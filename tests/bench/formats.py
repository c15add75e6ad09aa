"""Other vendors' rules, decided by flagstaff and by their SDKs: ``python -m tests.bench.formats [NAME…]``.

For each vendor three workers take turns: the SDK, flagstaff with the very document that the SDK got, and
flagstaff with native rules of the same shape. The best passes are compared; beside them stands what the
vendor's hash takes alone, which nobody who decides alike can do without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench.documents import FLAGS
from tests.bench.figures import Figure, machine, plausible, summed_up
from tests.bench.peers import OURS, find_peer
from tests.bench.places import staged
from tests.bench.report import grid
from tests.bench.turns import Worker, asked, say, take_turns, working
from tests.bench.workloads import SILENT, silent_tasks
from tests.fuzz.vendor import VENDORS

__all__ = ["Row", "compare", "main", "page"]

_WORKLOADS = ("targeted", "experiment")
_HASH = "hash"
_ROUNDS, _SECONDS = 9, 0.05


class Row(NamedTuple):
    """One workload of one vendor, in nanoseconds for an evaluation; the hashes alone among them."""

    vendor: str
    sdk: str
    workload: str
    ours: float
    theirs: float
    native: float
    hashed: float
    native_hashed: float

    @property
    def beside(self) -> float:
        """How many times as long as native rules, hashes left aside."""
        return max(self.ours - self.hashed, 0.0) / (self.native - self.native_hashed)


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
    ours, theirs, native = (figures[workload]["best"] for figures in found)
    hashed, native_hashed = found[0][_HASH]["best"], found[2][_HASH]["best"]
    return Row(vendor, sdk, workload, ours, theirs, native, hashed, native_hashed)


def page(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    it = machine()
    return (
        "# Other vendors' rules\n\n"
        f"Measured on {it['day']}: {it['python']}, {it['processor']}, {it['cores']} cores. Nanoseconds for "
        "one evaluation, the best of many short passes. For each vendor its SDK, flagstaff with the same "
        "document, and flagstaff with native rules of the same shape took turns in one run.\n\n"
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
    return (
        row.vendor,
        SILENT[row.workload].short,
        row.sdk,
        f"{row.theirs:,.0f}",
        f"{row.ours:,.0f}",
        f"{row.theirs / row.ours:.1f}",
        f"{row.hashed:,.0f}",
        f"{row.native:,.0f}",
        f"{row.ours / row.native:.2f}",
        f"{row.beside:.2f}",
    )


if __name__ == "__main__":
    main()
