"""Rules from where a command was told: a file, standard input, or a server."""

from __future__ import annotations

import json
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flagstaff.cli.output import Impossible, warn
from flagstaff.cli.progress import waiting
from flagstaff.formats import FORMATS, check_format, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagstaff.client import Client
    from flagstaff.formats import Format
    from flagstaff.formats.native import Loaded
    from flagstaff.sources import Publish

__all__ = ["client_of", "format_option", "read_bytes", "read_file", "read_rules", "written_options"]

STDIN = "-"
_POLL_SECONDS = 30.0


def format_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--format`` and ``--format-option``; the command gets both as ``dialect``."""

    @wraps(function)
    def with_format(*args: Any, dialect: str, options: tuple[str, ...], **given: Any) -> Any:
        return function(*args, dialect=check_format(dialect, dict(map(_option, options))), **given)

    one = click.option(
        "--format-option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        envvar="FLAGSTAFF_FORMAT_OPTIONS",
        show_envvar=True,
        help="What a dialect leaves open, such as fractional=1 for flagd; more than once if you like.",
    )
    return click.option(
        "--format",
        "--from",
        "dialect",
        type=click.Choice(FORMATS),
        default="auto",
        show_default=True,
        help="The dialect that the rules are written in; auto goes by their shape.",
    )(one(with_format))


def _option(written: str) -> tuple[str, Any]:
    name, sign, value = written.partition("=")
    if not sign:
        raise click.BadParameter("must be NAME=VALUE", param_hint="--format-option")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def written_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--format`` and ``--suffix``: how rules are written."""
    suffix = click.option(
        "--suffix",
        type=click.Choice(["json", "toml", "yaml"]),
        help="What standard input is written in; without it, JSON if it begins with {, else TOML.",
    )
    return format_option(suffix(function))


def read_rules(where: str, suffix: str | None = None, dialect: Format | None = None) -> Loaded:
    """The rules at a path, at ``-`` or at a server's address. RulesError, ConfigError, Impossible."""
    known = dialect or check_format("auto")
    if where.lower().startswith(("http://", "https://")):
        return _fetch(where, known)
    return read_file(where, suffix, known)


def read_file(path: str, suffix: str | None, dialect: Format) -> Loaded:
    """The rules in a file or in standard input. RulesError, ConfigError."""
    from flagstaff.sources.file import load_file

    if path != STDIN:
        return load_file(path, format=dialect)
    data = read_bytes(path)
    guessed = "json" if data.lstrip().startswith(b"{") else "toml"
    return load(data, format=dialect, suffix=f".{suffix or guessed}", source="standard input")


def read_bytes(path: str) -> bytes:
    """What a file or standard input holds. Impossible."""
    try:
        return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise Impossible(f"{path}: {error.strerror or error}") from None


def _fetch(url: str, format: Format) -> Loaded:  # noqa: A002
    """Asks a server once, as a client would, and says why if no rules come back."""
    from flagstaff.net.http import Http
    from flagstaff.runtime.clock import SystemClock
    from flagstaff.settings import Settings, base_url
    from flagstaff.sources.http import HttpSource

    settings = Settings(
        key=None, poll_interval=None, flush_interval=None, default_poll_interval=_POLL_SECONDS
    )
    http, arrived = Http(), list[Any]()
    source = HttpSource(
        format.endpoint(base_url("URL", url), settings.key),
        http=http,
        format=format,
        clock=SystemClock(),
        interval=_POLL_SECONDS,
    )
    try:
        with waiting(f"asking {source.describe()}"):
            _ask(source.attach(arrived.append))
    finally:
        http.close()
    if not arrived:
        raise Impossible(source.fault or f"{url} sent no rules")
    for problem in arrived[0].warnings:
        warn(str(problem))
    loaded: Loaded = arrived[0]
    return loaded


def _ask(machine: Any) -> None:
    job = machine.next(0.0)
    try:
        answer = machine.perform(job)
    except Exception as error:  # noqa: BLE001 - the machine makes a sentence of whatever it is
        answer = error
    machine.done(job, answer, 0.0)


class _Given:
    """A source that has its rules already."""

    def __init__(self, loaded: Loaded) -> None:
        self.fault: str | None = None
        self.checked: float | None = None
        self._loaded = loaded

    def describe(self) -> str:
        return "rules at hand"

    def attach(self, publish: Publish) -> None:
        publish(self._loaded)


def client_of(loaded: Loaded) -> Client:
    """A client that decides by these rules and sends nothing; the environment's overrides hold."""
    from flagstaff.client import Client

    told = loaded.without_warnings()  # they have been printed
    return Client(_Given(told), events=None)
