"""Workers that take turns on one core: A B C, A B C, so that whatever slows the machine slows all of them.

Between its turns a worker is stopped by a signal, threads and all: nobody's housekeeping runs in the time of
another.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, NamedTuple, TypeAlias

from tests.bench.documents import FLAGS
from tests.bench.places import CORES, Stage, command

__all__ = ["Task", "Times", "Worker", "WorkerError", "asked", "say", "take_turns", "working"]

_GOODBYE = 10.0  # seconds
_PATIENCE = 120.0  # seconds for one answer


class WorkerError(RuntimeError):
    """What an SDK raised, as it was told by its worker."""


class Worker:
    """One SDK in its own process, stopped unless it is asked something."""

    def __init__(self, stage: Stage, name: str, *, exposing: bool = False, label: str | None = None) -> None:
        """Those who evaluate silently share a core; who sends has threads for it, and may use all."""
        self.label: str = label or name
        rules = "flagstaff" if name == "floors" else name
        directory, url = stage.directory(rules, FLAGS), stage.address(rules, FLAGS)
        more = ["--exposing"] if exposing else []
        self._process = subprocess.Popen(
            command(stage.python(name), "worker", name, directory / "document", url, *more),
            env=stage.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # what it fails of, it answers
            text=True,
        )
        if not exposing:
            os.sched_setaffinity(self._process.pid, CORES[-1:])
        try:
            hello = self._listen()
        except WorkerError:
            self.end()
            raise
        self.version: str = hello["version"]
        self.can: frozenset[str] = frozenset(hello["can"])
        self._pause()

    def ask(self, do: str, **given: Any) -> Any:
        """What the worker answers; WorkerError if it can't."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._process.stdin.flush()
        try:
            return self._listen()
        finally:
            self._pause()

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self._process.communicate(timeout=_GOODBYE)
        self._process.kill()
        self._process.wait()

    def _pause(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)

    def _listen(self) -> Any:
        assert self._process.stdout is not None
        watchdog = Timer(_PATIENCE, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise WorkerError(f"{self.label}: {answer['error']}")
        return answer


@contextmanager
def working(starts: Iterable[Callable[[], Worker]]) -> Iterator[list[Worker]]:
    """All of them, started; those that don't come up are told of and left out."""
    up: list[Worker] = []
    try:
        for start in starts:
            try:
                up.append(start())
            except WorkerError as error:
                say(f"left out: {error}")
        yield up
    finally:
        for worker in up:
            worker.end()


class Task(NamedTuple):
    """A workload as a worker is asked for it."""

    workload: str
    do: str
    loop: str
    given: Mapping[str, Any]


Times: TypeAlias = dict[str, dict[str, list[float]]]
"""By label, by workload: what every turn came to, in the order of the rounds."""


def take_turns(workers: Sequence[Worker], tasks: Sequence[Task], rounds: int) -> Times:
    """Ask every worker for every task, round after round; one that fails once is not asked for it again."""
    found: Times = defaultdict(lambda: defaultdict(list))
    broken: set[tuple[str, str]] = set()
    for number in range(rounds):
        for task in tasks:
            order = workers if number % 2 == 0 else workers[::-1]  # who comes after whom changes
            for worker in order:
                if task.loop not in worker.can or (worker.label, task.workload) in broken:
                    continue
                try:
                    answer = worker.ask(task.do, **task.given)
                except WorkerError as error:
                    say(f"left out: {error}")
                    broken.add((worker.label, task.workload))
                    continue
                found[worker.label][task.workload].append(answer["each"])
        if rounds < 20 or (number + 1) % 10 == 0:
            say(f"  round {number + 1} of {rounds}")
    return found


def asked(workers: Iterable[Worker], do: str) -> Iterator[tuple[Worker, Any]]:
    """Each of the workers with its answer; those that fail are told of and left out."""
    for worker in workers:
        try:
            yield worker, worker.ask(do)
        except WorkerError as error:
            say(f"left out: {error}")


def say(text: str) -> None:
    """Tell whoever waits; the tables alone go to standard output."""
    print(text, file=sys.stderr, flush=True)
