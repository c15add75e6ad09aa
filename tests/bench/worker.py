"""One SDK in a process that takes turns: ``start.py worker NAME DOCUMENT URL [--exposing]``.

Reads a request a line and answers each with a line, both JSON. The first line it writes tells what it can do.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.peers import Peer, Setting, find_peer
from tests.bench.scenario import EXPERIMENT, STATIC, SWITCH, TARGETED, make_users
from tests.bench.timing import Paced

__all__ = ["main"]

USERS = 10_000
THREADS = 8
_CHECKED = 2000  # users whose answers are counted


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("document", type=Path)
    parser.add_argument("url")
    parser.add_argument("--exposing", action="store_true")
    parser.add_argument("--flags", type=int, default=1000)
    given = parser.parse_args(arguments)

    logging.basicConfig(level=logging.ERROR)  # as a service in production has it
    say = private_stdout()
    setting = Setting(given.document, given.url, exposing=given.exposing)
    desk = _Desk(find_peer(given.name)(), setting, given.flags)
    say(_guarded(desk.open))
    for line in sys.stdin:
        request = json.loads(line)
        say(_guarded(getattr(desk, request.pop("do")), **request))
    os._exit(0)  # some leave threads behind that never end


def private_stdout() -> Callable[[Mapping[str, Any]], None]:
    """A way to write answers that nothing an SDK prints can get into."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer: Mapping[str, Any]) -> None:
        channel.write(json.dumps(answer) + "\n")
        channel.flush()

    return say


def _guarded(act: Callable[..., Mapping[str, Any]], **given: Any) -> Mapping[str, Any]:
    try:
        return act(**given)
    except Exception:  # noqa: BLE001 - whatever an SDK raises, the others' turns go on
        return {"error": traceback.format_exc()}


class _Desk:
    """What can be asked of one SDK."""

    def __init__(self, peer: Peer, setting: Setting, flags: int) -> None:
        self._peer = peer
        self._setting = setting
        self._flags = flags
        self._batches = count()
        self._paced: dict[str, Paced] = {}

    def open(self) -> Mapping[str, Any]:
        """Start the SDK, and make everything that is not to be measured."""
        self._peer.start(self._setting)
        self._users = list(make_users(USERS))
        self._contexts = [self._peer.context(user) for user in self._users]
        gc.collect()
        gc.freeze()  # the benchmark's users are not the SDK's to collect
        return {"version": version(self._peer.package), "can": list(self._peer.loops())}

    def check(self) -> Mapping[str, Any]:
        """How the answers fall: an SDK that decides nothing would be very fast."""
        found = {}
        for key in (STATIC, SWITCH, TARGETED, EXPERIMENT):
            some, text = self._contexts[:_CHECKED], key == EXPERIMENT
            counted = Counter(str(self._peer.answer(key, context, text=text)) for context in some)
            found[key] = {value: times / len(some) for value, times in counted.items()}
        return found

    def time(self, workload: str, seconds: float) -> Mapping[str, Any]:
        return {"each": self._find(workload).turn(seconds)}

    def threads(self, workload: str, seconds: float) -> Mapping[str, Any]:
        """By several threads, which may use all cores for once."""
        paced, pinned = self._find(workload), os.sched_getaffinity(0)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        try:
            return {"each": paced.crowd(THREADS, seconds)}
        finally:
            os.sched_setaffinity(0, pinned)

    def meet(self) -> Mapping[str, Any]:
        """Expose every user once, so that from now on all exposures are repetitions."""
        loop = self._peer.loops()["experiment"]
        for start in range(0, USERS, 1000):
            loop(self._contexts[start : start + 1000])
            self._peer.settle()
        return {}

    def first(self, most: int, seconds: float) -> Mapping[str, Any]:
        """Expose users who were never seen before, each once; then have the events sent, untimed."""
        loop, build = self._peer.loops()["experiment"], self._peer.context
        each = self._first(loop, [build(user) for user in self._strangers(50)])
        size = max(50, min(most, int(seconds * 1e9 / each)))
        contexts = [build(user) for user in self._strangers(size)]
        self._peer.settle()
        lost = self._peer.lost()
        gc.collect()
        each = self._first(loop, contexts)
        self._peer.settle()
        return {"each": each, "lost": self._peer.lost() - lost}

    def _first(self, loop: Callable[[list[Any]], object], contexts: list[Any]) -> float:
        start = time.perf_counter_ns()
        loop(contexts)
        return (time.perf_counter_ns() - start) / len(contexts)

    def _strangers(self, size: int) -> Any:
        return make_users(size, f"stranger-{os.getpid()}-{next(self._batches)}")

    def _find(self, workload: str) -> Paced:
        if workload not in self._paced:
            items: Any = self._users if workload.endswith("_built") else self._contexts
            weight = self._flags if workload == "everything" else 1
            # Who tells nobody waits for nobody: by its own processor time, no other program counts. Exposures
            # may wait for a lock that the SDK's sender holds, and that is a part of their price.
            clock = time.perf_counter_ns if self._setting.exposing else time.thread_time_ns
            self._paced[workload] = Paced(self._peer.loops()[workload], items, weight, clock)
        return self._paced[workload]
