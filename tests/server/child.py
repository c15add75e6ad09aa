"""A process that does nothing but serve: ``python -m tests.server.child RULES EVENTS [--option value]…``."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from functools import partial
from pathlib import Path

import httpx

from flagstaff.errors import FlagstaffError
from flagstaff.server import serve
from tests.server.lab import loader


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("events", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--thread", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG)
    run = partial(
        serve, given.path, given.host, given.port, events=given.events, load=loader(given.path), key=given.key
    )
    if given.thread:
        serve_beside(run)
    else:
        run(ready=say)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def serve_beside(run: partial[None]) -> None:
    """Serve in a thread of a program that has something else to do, and end with it."""
    up = threading.Event()
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        up.set()

    threading.Thread(target=run, kwargs={"ready": ready}, daemon=True).start()
    up.wait(20)
    say(f"{urls[0]} {httpx.get(f'{urls[0]}/healthz').json()['status']}")


if __name__ == "__main__":
    try:
        main()
    except FlagstaffError as error:
        sys.exit(f"{type(error).__name__}: {error}")
