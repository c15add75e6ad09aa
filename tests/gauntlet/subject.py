"""A process that records events through a client until its part is played, or until it is killed.

It is told what to do by a JSON object as its argument, and prints another when it ends by itself.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from flagstaff import Client, Context
from tests.gauntlet.truth import Truth

_PATIENCE = 120.0  # seconds for a child: one that hangs takes longer than any machine

_STACK = 1 << 30

RULES = {
    "version": 1,
    "flags": {
        "cta": {
            "variants": {"calm": "Buy", "urgent": "Buy now"},
            "default": "calm",
            "rules": [{"experiment": "wording"}],
        }
    },
    "experiments": {"wording": {"split": {"calm": 50, "urgent": 50}}},
}


def client_for(part: dict[str, Any]) -> Client:
    return Client.from_document(
        RULES,
        events=part["url"],
        durability=part.get("durability", "process"),
        directory=part["directory"],
        flush_interval=part.get("flush_interval", 0.05),
        spool_quota=part.get("quota"),
    )


def emit(client: Client, part: dict[str, Any], name: str, count: int, start: int = 0) -> list[int]:
    """Record events, exposures and tracked ones in turn; the nanoseconds that each call took."""
    truth = _truth(part["truths"], name)
    taken = []
    for number in range(start, start + count):
        context = Context(f"{name}-{number}")
        begun = _instant()
        if number % 2:
            client.track("step", context, value=1.0)
        else:
            client.variant("cta", context)
        taken.append(_between(begun, _instant()))
        truth.accepted = number + 1
        if number % 20 == 0 and "pace" in part:
            time.sleep(part["pace"])
    return taken


_Instant: TypeAlias = tuple[int, int, int]


def _instant() -> _Instant:
    waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    return time.perf_counter_ns(), time.thread_time_ns(), waits


def _between(begun: _Instant, ended: _Instant) -> int:
    """Nanoseconds of this thread's: all of them if it waited for anything, else without those that the
    machine took away from it for other processes."""
    passed, worked, waited = (late - early for early, late in zip(begun, ended, strict=True))
    return passed if waited else worked


@cache
def _truth(directory: str, name: str) -> Truth:
    return Truth(Path(directory, name))


def child(client: Client | None, part: dict[str, Any], name: str) -> None:
    """A child's life; one that was not forked has no client yet."""
    own = client or client_for(part)
    emit(own, part, name, part["child_count"])
    if name.endswith(("1", "3", "5", "7", "9")):
        own.close(10)  # the others end without


def fork(client: Client, part: dict[str, Any]) -> list[int]:
    """Have children of one kind, all at once; their exit codes, None for one that hangs."""
    names = [f"{part['name']}-child{number}" for number in range(part["children"])]
    if part["fork"] == "os.fork":
        return [_wait(pid) for pid in [_forked(client, part, name) for name in names]]
    context: Any = multiprocessing.get_context(part["fork"])
    mine = client if part["fork"] == "fork" else None
    children = [context.Process(target=child, args=(mine, part, name)) for name in names]
    for process in children:
        process.start()
    for process in children:
        process.join(_PATIENCE)
    return [-1 if process.exitcode is None else process.exitcode for process in children]


def _forked(client: Client, part: dict[str, Any], name: str) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        child(client, part, name)
        os._exit(0)
    finally:
        os._exit(1)


def _wait(pid: int) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return -1


def _limited(limit: str | None, directory: str) -> Callable[[], object]:
    """Take something away from this process; what gives it back."""
    if limit is None:
        return lambda: None
    if limit.startswith("remount,"):  # what the disk lacks was taken from it before
        return partial(subprocess.run, ["mount", "-o", limit, directory], check=True)
    if limit == "threads":  # a stack is larger than what is left of the addresses; all else is smaller
        threading.stack_size(_STACK)
    kind, soft = {
        "threads": (resource.RLIMIT_AS, _addresses() + _STACK // 2),
        "fsize": (resource.RLIMIT_FSIZE, 4096),
        "nofile": (resource.RLIMIT_NOFILE, len(list(Path("/proc/self/fd").iterdir())) - 1),
    }[limit]
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, before[1]))
    return lambda: resource.setrlimit(kind, before)


def _addresses() -> int:
    """The bytes of addresses that this process has taken."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _handle(code: int | None) -> None:
    """The host's own way to end on SIGTERM."""
    if code:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))


def _recover(client: Client, part: dict[str, Any], give_back: Callable[[], object]) -> dict[str, Any]:
    """Go on when what was taken away is there again; what was wrong, and whether it is mended."""
    fault = "; ".join(client.status().problems)
    give_back()
    deadline = time.monotonic() + 20
    emitted = 0
    while (problems := client.status().problems) or emitted < part["after"]:
        if time.monotonic() > deadline:
            break
        emit(client, part, f"{part['name']}-after", 1, emitted)
        emitted += 1
        time.sleep(0.002)
    return {"fault": fault, "mended": not problems}


def main() -> None:
    part: dict[str, Any] = json.loads(sys.argv[1])
    warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
    _handle(part.get("handler"))
    if "limit" in part:  # what is imported later would miss it as well
        client_for(part | {"directory": f"{part['directory']}-before"}).close()
        _truth(part["truths"], part["name"])
    give_back = _limited(part.get("limit"), part["directory"])
    client = client_for(part)
    report: dict[str, Any] = {}
    emit(client, part, part["name"], part["count"])
    if "limit" in part:
        report |= _recover(client, part, give_back)
    if "fork" in part:
        report["children"] = fork(client, part)
        emit(client, part, f"{part['name']}-later", part["count"])
    if part["end"] == "linger":
        print(json.dumps(report), flush=True)
        sys.stdin.read()
    elif part["end"] == "close":
        if part.get("on_call"):
            sys.stdin.readline()
        begun = time.monotonic()
        client.close(part["timeout"])
        report["close"] = time.monotonic() - begun
    report["stats"] = client.stats()
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
