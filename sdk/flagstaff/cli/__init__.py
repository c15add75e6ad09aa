"""The ``flagstaff`` command. Needs the extra ``cli`` (click, rich), imported only when the command runs."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper

from flagstaff.errors import MissingExtraError

__all__ = ["main"]

_EXTRA = ("click", "rich")


def main() -> None:
    """Run the command with the process's arguments and end the process: 0 fine, 1 no, 2 can't be done."""
    try:
        for name in _EXTRA:
            import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write(f"{MissingExtraError('the flagstaff command', 'cli')}\n")
        sys.exit(2)
    from flagstaff.cli.app import app

    _print_anything()
    app(prog_name="flagstaff")


def _print_anything() -> None:
    """What the terminal's encoding can't hold is printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
