"""The development server in a process of its own: ``start.py collector DIRECTORY`` prints its address."""

from __future__ import annotations

from pathlib import Path

__all__ = ["EVENTS", "main"]

EVENTS = "events.db"


def main(arguments: list[str]) -> None:
    from flagstaff.server import serve
    from flagstaff.sources.file import load_file

    directory = Path(arguments[0])
    rules = directory / "document.json"
    serve(
        rules,
        port=0,
        events=directory / EVENTS,
        load=lambda: load_file(rules),
        ready=lambda url: print(url, flush=True),
    )
