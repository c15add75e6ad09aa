"""What commands print: tables and lines for people, JSON for programs.

On a terminal rich draws (it honours NO_COLOR); anywhere else the text is plain, and nothing is cut off or
wrapped. Rules may come from anywhere, so no text of theirs is printed with control characters in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import click

__all__ = [
    "Impossible",
    "counted",
    "json_option",
    "print_json",
    "print_line",
    "print_pairs",
    "print_table",
    "shown",
    "warn",
]

F = TypeVar("F", bound=Callable[..., Any])


class Impossible(click.ClickException):
    """What was asked can't be done: one message on stderr, exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


def json_option(function: F) -> F:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def shown(text: str) -> str:
    """The text with every character that is not printable, but for line ends, as an escape."""
    if text.isprintable():
        return text
    return "".join(
        item if item.isprintable() or item == "\n" else item.encode("unicode_escape").decode()
        for item in text
    )


def print_json(data: Any) -> None:
    """Prints data as JSON in ASCII, which every pipe and every encoding carries."""
    click.echo(json.dumps(data, indent=2))


def print_line(text: str = "", style: str = "") -> None:
    """Prints a line; ``style`` is rich's ("bold", "red"), for terminals."""
    if not sys.stdout.isatty():
        click.echo(shown(text))
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(shown(text), style), soft_wrap=True)


def counted(count: int, noun: str) -> str:
    """``"1 problem"``, ``"2 problems"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def warn(text: str) -> None:
    """Prints a warning to stderr."""
    click.echo(f"Warning: {shown(text)}", err=True)


def print_pairs(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Prints names and values below a title."""
    rows = list(pairs)
    width = max(len(name) for name, _ in rows)
    print_line(title, "bold")
    for name, value in rows:
        print_line(f"  {name:<{width}}  {value}")


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str] = (), title: str = ""
) -> None:
    """Prints a table; the columns whose heads are in ``numbers`` stand flush right."""
    cells = [[shown(cell) for cell in row] for row in rows]
    right = [head in numbers for head in heads]
    if sys.stdout.isatty():
        _draw(heads, cells, right, title)
    else:
        click.echo("\n".join([*([title] if title else []), *_aligned(heads, cells, right)]))


def _aligned(heads: Sequence[str], rows: list[list[str]], right: list[bool]) -> list[str]:
    lines = [list(heads), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]


def _draw(heads: Sequence[str], rows: list[list[str]], right: list[bool], title: str) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for head, flush in zip(heads, right, strict=True):
        table.add_column(Text(head), justify="right" if flush else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
