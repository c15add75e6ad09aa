"""What is measured in fresh processes: loading, updating, importing, event loops, delivery, size."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple, TypeAlias

from tests.bench.collector import EVENTS
from tests.bench.documents import FLAGS, MANY, restore
from tests.bench.peers import OURS, find_peer
from tests.bench.places import Stage, command, serving
from tests.bench.sink import HANGING
from tests.bench.turns import WorkerError, say

__all__ = ["Alone", "Lab", "measure_alone"]

Found: TypeAlias = dict[str, float]
Alone: TypeAlias = dict[str, dict[str, Found]]
"""By SDK, by measure: the medians of what was found."""

_PATIENCE = 300.0  # seconds
_IMPORTS = 5  # imports for every repeat: they are short and noisy
_LENGTHY = 4.0  # seconds


class _Measure(NamedTuple):
    name: str
    of: str
    act: Callable[[], Found]


def measure_alone(stage: Stage, names: Sequence[str], *, repeats: int, whole: bool) -> Alone:
    """All measures for all SDKs, which take turns.

    What takes one of the others long is not repeated. Most of that is waiting, for several swaps or for
    thousands of ticks, of which the median or a quantile is told in any case; the rest is so far behind that
    its spread says nothing.
    """
    lab = Lab(stage)
    found: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    enough: set[tuple[str, str]] = set()
    for number in range(repeats):
        for measure in lab.measures(names, first=number == 0, whole=whole):
            if (measure.of, measure.name) in enough:
                continue
            start = time.monotonic()
            try:
                found[measure.of][measure.name].append(measure.act())
            except WorkerError as error:
                say(f"left out: {error}")
                enough.add((measure.of, measure.name))
            if measure.of != OURS and time.monotonic() - start > _LENGTHY:
                enough.add((measure.of, measure.name))
        say(f"  round {number + 1} of {repeats}")
    return {
        name: {measure: _medians(samples) for measure, samples in by_measure.items()}
        for name, by_measure in found.items()
    }


def _medians(samples: Sequence[Found]) -> Found:
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


class Lab:
    """Measures one SDK after the other, each in a process that has done nothing before."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def measures(self, names: Sequence[str], *, first: bool, whole: bool) -> Iterator[_Measure]:
        """One round; what can't change is measured in the ``first`` alone."""
        for name in names:
            run = partial(self.run, name)
            yield _Measure("import", name, partial(self._import, name))
            yield _Measure("ready", name, partial(run, "ready", FLAGS))
            yield _Measure("load_1000", name, partial(run, "load", FLAGS))
            yield _Measure("load_10000", name, partial(run, "load", MANY))
            if first:
                yield _Measure("footprint", name, partial(run, "footprint", FLAGS))
        if whole:
            yield from self._long(names)

    def _long(self, names: Sequence[str]) -> Iterator[_Measure]:
        for name in names:
            run = partial(self.run, name)
            if find_peer(name).refreshes:
                yield _Measure("update", name, partial(run, "update", MANY))
                yield _Measure("loop_swap", name, partial(run, "loop_swap", MANY))
            if find_peer(name).exposes:
                yield _Measure("loop_hang", name, partial(run, "loop_hang", FLAGS, prefix=HANGING))
            if name == OURS:
                yield _Measure("deliver", name, self._deliver)

    def run(self, name: str, measure: str, flags: int, prefix: str = "") -> Found:
        """One measure with so many flags. WorkerError."""
        directory = self._stage.directory(name, flags)
        restore(directory)
        return self._ask(name, measure, directory, self._stage.address(name, flags, prefix))

    def _ask(self, name: str, measure: str, directory: Path, url: str) -> Found:
        asked = command(self._stage.python(name), "alone", measure, name, directory, url)
        try:
            done = subprocess.run(
                asked,
                env=self._stage.environment,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise WorkerError(f"{name}, {measure}: {error.stderr[-2000:]}") from None
        except subprocess.TimeoutExpired:
            raise WorkerError(f"{name}, {measure}: took longer than {_PATIENCE:g} s") from None
        return dict(json.loads(done.stdout))

    def _import(self, name: str) -> Found:
        """Seconds of an import over those of a bare Python."""
        with_it, without = [], []
        for _ in range(_IMPORTS):
            without.append(self._time(name, "pass"))
            with_it.append(self._time(name, find_peer(name).imports))
        return {"seconds": statistics.median(with_it) - statistics.median(without)}

    def _time(self, name: str, statement: str) -> float:
        start = time.perf_counter()
        subprocess.run([self._stage.python(name), "-c", statement], env=self._stage.environment, check=True)
        return time.perf_counter() - start

    def _deliver(self) -> Found:
        """Events of one process into the development server, on this machine; counted in its database."""
        from flagstaff.server import EventStore

        place = self._stage.directory(OURS, FLAGS)
        restore(place)
        copyfile(place / "document", place / "document.json")
        for old in place.glob(f"{EVENTS}*"):
            old.unlink()
        with serving(self._stage.environment, "collector", place) as url:
            found = self._ask(OURS, "deliver", place, url)
        with EventStore(place / EVENTS) as store:
            found["stored"] = sum(row.count for row in store.exposures())
        return found
