"""A progress bar for work that turns out to take long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["tracked"]

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
_STRIDE = 256  # items between two looks at the clock


def tracked(items: Iterable[T], total: int, label: str) -> Iterable[T]:
    """The same items; after a second, on a terminal, with a progress bar on stderr."""
    return _tracked(items, total, label) if sys.stderr.isatty() else items


def _tracked(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)
    try:
        for number, item in enumerate(items):
            if number % _STRIDE == 0 and time.monotonic() - begun >= PATIENCE_SECONDS:
                bar.start()
                bar.update(task, completed=number)
            yield item
    finally:
        bar.stop()
