"""``flagstaff serve``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from flagstaff.cli.output import json_option, print_json, print_line, shown, warn
from flagstaff.cli.reading import format_option

if TYPE_CHECKING:
    from flagstaff.formats import Format

__all__ = ["serve"]


@click.command(
    epilog="Exit codes: 0 it was told to stop; 2 it can't serve (wrong rules, a port in use, ...)."
)
@click.argument("file", metavar="FILE")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8000, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--events",
    metavar="FILE.db",
    default="flagstaff-events.db",
    show_default=True,
    help="Where events are collected.",
)
@click.option(
    "--key",
    envvar="FLAGSTAFF_KEY",
    show_envvar=True,
    metavar="TEXT",
    help="What clients must send as their key; the variable is the safer place.",
)
@format_option
@json_option
def serve(
    *, file: str, host: str, port: int, events: str, key: str | None, dialect: Format, as_json: bool
) -> None:
    """Serve a rules file and collect what clients send.

    Rules in another vendor's dialect are served in flagstaff's own.

    The file may be changed at any time; a wrong version leaves the last good one in place. Ctrl-C ends it.
    """
    from flagstaff.server import serve as run
    from flagstaff.settings import Settings
    from flagstaff.sources.file import load_file

    settings = Settings(
        key=key, poll_interval=None, flush_interval=None, default_poll_interval=30.0, environ={}
    )
    if settings.key is None and not _is_loopback(host):
        warn(
            f"anybody who can reach {host or 'this machine'} can read these rules and send events; set a key"
        )
    with _told():
        run(
            file,
            host,
            port,
            events=events,
            load=partial(load_file, file, format=dialect),
            key=None if settings.key is None else settings.key.reveal(),
            ready=partial(_announce, file, events, settings.key is not None, as_json),
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _announce(file: str, events: str, has_key: bool, as_json: bool, url: str) -> None:
    if as_json:
        print_json({"url": url, "rules": file, "events": events, "key": has_key})
        return
    print_line(f"Serving {file} at {url}", "bold")
    print_line(f"Events are collected in {events}: flagstaff exposures {events}")
    print_line(f"A client: Client({url!r}{', key=...' if has_key else ''}), or set FLAGSTAFF_URL={url}")
    print_line("Ctrl-C ends it.")


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


@contextmanager
def _told() -> Iterator[None]:
    """What the server has to say goes to stderr meanwhile."""
    logger, handler = logging.getLogger("flagstaff"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
