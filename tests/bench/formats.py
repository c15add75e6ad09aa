"""Other vendors' rules, decided by flagstaff and by their SDKs: ``python -m tests.bench.formats [NAME…]``.

For each vendor three workers take turns: the SDK, flagstaff with the very document that the SDK got, and
flagstaff with native rules of the same shape. The best passes are compared.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

from tests.bench.documents import FLAGS
from tests.bench.figures import plausible, summed_up
from tests.bench.peers import OURS
from tests.bench.places import staged
from tests.bench.turns import Worker, asked, say, take_turns, working
from tests.bench.workloads import SILENT, silent_tasks
from tests.fuzz.vendor import VENDORS

__all__ = ["compare", "main"]

_WORKLOADS = ("targeted", "experiment")
_ROUNDS, _SECONDS = 9, 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("vendors", nargs="*", metavar="vendor", default=VENDORS)
    print(f"{'ns for an evaluation':<30} {'flagstaff':>9} {'SDK':>9} {'ratio':>7} {'native':>9} {'ratio':>7}")
    for vendor in parser.parse_args().vendors:
        for line in compare(vendor):
            print(line)


def compare(vendor: str) -> Sequence[str]:
    """Lines of the table: each workload by flagstaff, by the SDK and by flagstaff with native rules."""
    names = (f"{OURS}:{vendor}", vendor, f"{OURS}:native")
    with staged(names, (FLAGS,)) as stage, working(partial(Worker, stage, name) for name in names) as workers:
        for worker, answers in asked(workers, "check"):
            if not plausible(answers):
                say(f"{worker.label} decides otherwise: {answers}")
        tasks = [task for task in silent_tasks(_SECONDS) if task.workload in _WORKLOADS]
        found = summed_up(take_turns(workers, tasks, _ROUNDS))
    if set(found) != set(names):
        return [f"{vendor}: left out"]
    lines = []
    for workload in _WORKLOADS:
        ours, theirs, native = (found[name][workload]["best"] for name in names)
        title = f"{vendor}: {SILENT[workload].short}"
        compared = f"{theirs:>9.0f} {theirs / ours:>7.1f} {native:>9.0f} {ours / native:>7.2f}"
        lines.append(f"{title:<30} {ours:>9.0f} {compared}")
    return lines


if __name__ == "__main__":
    main()
