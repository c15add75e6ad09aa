"""What a fresh process has to itself: ``start.py alone MEASURE NAME DIRECTORY URL``; prints JSON.

``DIRECTORY`` holds the documents that the sink serves under ``URL``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import distributions
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.documents import FEW
from tests.bench.peers import Peer, Setting, find_peer
from tests.bench.scenario import EXPERIMENT, STATIC, SWITCH, VERSION, make_users
from tests.bench.worker import private_stdout

__all__ = ["MEASURES", "main"]

_REFRESH = 1.0  # seconds between two looks at the rules: the shortest that all who look can do
_SWAPS = 3
_PATIENCE = 20.0  # seconds for new rules to be adopted
_AFTERMATH = 0.3  # seconds
_TICK = 0.001  # seconds
_HANGING_SECONDS = 3.0
_TOUCHING = 10.0  # seconds in which all flags are asked for, or as many as can be
_DELIVERED = 200_000
_WAITING = 50_000  # events that may wait while more are recorded


def main(arguments: list[str]) -> None:
    measure, name, directory, url = arguments
    say = private_stdout()
    say(MEASURES[measure](find_peer(name), Path(directory), url))
    os._exit(0)  # some leave threads behind that never end


# -- loading ------------------------------------------------------------------------------------------------


def _load(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """Load many flags, in a process that has loaded a few: what is imported late is imported by then."""
    _started(adapter, Setting(directory.with_name(_few(directory.name)) / "document", _few(url)))
    setting = Setting(directory / "document", url)
    gc.collect()
    before, start = _resident(), time.perf_counter()
    peer = _started(adapter, setting)
    seconds = time.perf_counter() - start
    gc.collect()
    loaded = _resident()
    _touch_everything(peer, directory)
    gc.collect()
    return {
        "seconds": seconds,
        "megabytes": loaded - before,
        "megabytes_used": _resident() - before,
    }


def _few(place: str) -> str:
    """Where the same SDK has a document of few flags."""
    return f"{place.rpartition('-')[0]}-{FEW}"


def _ready(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """From the import to the first answer."""
    start = time.perf_counter()
    _started(adapter, Setting(directory / "document", url))
    return {"seconds": time.perf_counter() - start}


def _started(adapter: type[Peer], setting: Setting) -> Peer:
    peer = adapter()
    peer.start(setting)
    (user,) = make_users(1)
    if peer.answer(STATIC, peer.context(user)) is not True:
        raise RuntimeError(f"{adapter.title} does not answer")
    return peer


def _touch_everything(peer: Peer, directory: Path) -> None:
    """Ask for every flag once: what is made on first use belongs to the memory that rules take."""
    (user,) = make_users(1)
    context, until = peer.context(user), time.monotonic() + _TOUCHING
    for key, text in json.loads((directory / "keys.json").read_text()).items():
        peer.answer(key, context, text=text)
        if time.monotonic() > until:
            break


def _resident() -> float:
    """This process's memory, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# -- new rules ----------------------------------------------------------------------------------------------


class _Swapping:
    """Rules that change one flag and change it back, and a way to see that the SDK has noticed."""

    def __init__(self, peer: Peer, directory: Path) -> None:
        self._peer = peer
        self._document = directory / "document"
        self._versions = [(directory / "original").read_bytes(), (directory / "switched").read_bytes()]
        (user,) = make_users(1)
        self._context = peer.context(user)
        self._swaps = count(1)
        self._wanted = False

    def swap(self) -> None:
        number = next(self._swaps)
        self._wanted = number % 2 == 1
        new = self._document.with_name("new")
        version = str(VERSION + number).encode()
        new.write_bytes(self._versions[number % 2].replace(str(VERSION).encode(), version))
        new.replace(self._document)

    def seen(self) -> bool:
        return self._peer.answer(SWITCH, self._context) is self._wanted


def _update(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """What one changed flag among many costs: processor time, and how long evaluation stands still."""
    peer = _started(adapter, Setting(directory / "document", url, refresh=_REFRESH))
    swapping = _Swapping(peer, directory)
    costs, pauses = [], []
    for _ in range(_SWAPS):
        swapping.swap()
        costs.append(_cpu_while(lambda: _await(swapping.seen)))
    for _ in range(_SWAPS):
        swapping.swap()
        pauses.append(_longest_pause(swapping.seen))
    return {
        "seconds": statistics.median(costs),
        "pause": statistics.median(pauses),
    }


def _cpu_while(act: Callable[[], None]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start


def _await(done: Callable[[], bool]) -> None:
    """Wait without using the processor, and a while longer for what goes on behind."""
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the new rules were not adopted")
        time.sleep(0.02)
    time.sleep(_AFTERMATH)


def _longest_pause(done: Callable[[], bool]) -> float:
    """Evaluate without a break until the new rules are there, and a while longer; the longest gap."""
    worst, last = 0.0, time.perf_counter()
    until, adopted = last + _PATIENCE, False
    while last < until:
        if done() and not adopted:
            adopted, until = True, last + _AFTERMATH
        now = time.perf_counter()
        worst, last = max(worst, now - last), now
    if not adopted:
        raise TimeoutError("the new rules were not adopted")
    return worst


# -- event loops ------------------------------------------------------------------------------------------


def _loop_swap(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """How late an event loop runs while rules are swapped once a second or so."""

    async def swapping_rules(peer: Peer, late: list[float]) -> None:
        swapping = _Swapping(peer, directory)
        for _ in range(_SWAPS):
            swapping.swap()
            deadline = time.monotonic() + _PATIENCE
            while not swapping.seen():
                await _tick(late)
                if time.monotonic() > deadline:
                    raise TimeoutError("the new rules were not adopted")

    setting = Setting(directory / "document", url, refresh=_REFRESH)
    return asyncio.run(_lateness(adapter, setting, swapping_rules))


def _loop_hang(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """How late an event loop runs that exposes a user a tick while the collector never answers."""

    async def exposing(peer: Peer, late: list[float]) -> None:
        users = make_users(10**9, "loop")
        until = time.monotonic() + _HANGING_SECONDS
        while time.monotonic() < until:
            peer.answer(EXPERIMENT, peer.context(next(users)), text=True)
            await _tick(late)

    setting = Setting(directory / "document", url, exposing=True, refresh=3600.0)
    return asyncio.run(_lateness(adapter, setting, exposing))


async def _lateness(adapter: type[Peer], setting: Setting, act: Any) -> Mapping[str, Any]:
    peer = adapter()
    await peer.astart(setting)
    late: list[float] = []
    for _ in range(200):
        await _tick([])
    await act(peer, late)
    late.sort()
    return {"p99": late[int(len(late) * 0.99)], "worst": late[-1]}


async def _tick(late: list[float]) -> None:
    start = time.perf_counter()
    await asyncio.sleep(_TICK)
    late.append(time.perf_counter() - start - _TICK)


# -- delivery ---------------------------------------------------------------------------------------------


def _deliver(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """Expose many users while the sender runs; from the first exposure to the last acknowledgement."""
    peer = adapter()
    peer.start(Setting(directory / "document", url, exposing=True))
    contexts = [peer.context(user) for user in make_users(_DELIVERED, "delivered")]
    loop = peer.loops()["experiment"]
    gc.collect()
    gc.freeze()
    recording, start = 0.0, time.perf_counter()
    for at in range(0, len(contexts), 500):
        while peer.waiting() > _WAITING:
            time.sleep(0.001)
        began = time.perf_counter()
        loop(contexts[at : at + 500])
        recording += time.perf_counter() - began
    peer.settle()
    seconds = time.perf_counter() - start
    peer.close()
    return {"events": _DELIVERED, "seconds": seconds, "recording": recording, "lost": peer.lost()}


# -- size -------------------------------------------------------------------------------------------------


def _footprint(adapter: type[Peer], directory: Path, url: str) -> Mapping[str, Any]:
    """What its environment holds: distributions, and megabytes without compiled modules."""
    size, names = 0, set()
    for distribution in distributions():
        names.add(distribution.metadata["Name"])
        for file in distribution.files or ():
            path = Path(str(file.locate()))
            if path.suffix != ".pyc" and path.is_file():
                size += path.stat().st_size
    return {"distributions": len(names), "megabytes": size / 1e6}


MEASURES: Mapping[str, Callable[[type[Peer], Path, str], Mapping[str, Any]]] = {
    "load": _load,
    "ready": _ready,
    "update": _update,
    "loop_swap": _loop_swap,
    "loop_hang": _loop_hang,
    "deliver": _deliver,
    "footprint": _footprint,
}
