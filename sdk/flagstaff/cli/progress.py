"""What a terminal shows while somebody waits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

__all__ = ["tracked", "waiting"]

T = TypeVar("T")

PATIENCE_SECONDS = 1.0
_STRIDE = 256  # items between two looks at the clock


@contextmanager
def tracked(items: Iterable[T], total: int, label: str) -> Iterator[Iterable[T]]:
    """The same items; on a terminal, with a progress bar on stderr once a second has passed."""
    with ExitStack() as stack:
        yield _tracked(items, total, label, stack) if sys.stderr.isatty() else items


def _tracked(items: Iterable[T], total: int, label: str, stack: ExitStack) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=total)
    begun = time.monotonic()
    for number, item in enumerate(items):
        if number % _STRIDE == 0 and time.monotonic() - begun >= PATIENCE_SECONDS:
            if not bar.live.is_started:
                stack.enter_context(bar)
            bar.update(task, completed=number)
        yield item


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Says on a terminal's stderr what is being waited for."""
    with ExitStack() as stack:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.text import Text

            stack.enter_context(Console(stderr=True).status(Text(label)))
        yield
