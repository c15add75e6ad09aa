"""Whether this is still the same process: a fork in C, such as uWSGI's, calls no hook of Python's."""

from __future__ import annotations

import sys
from contextlib import suppress
from mmap import PAGESIZE, mmap
from os import getpid
from typing import Protocol

__all__ = ["Birthmark", "birthmark"]

_WIPE_ON_FORK = 18  # advice for a page, which the mmap module has no name for


class Birthmark(Protocol):
    """``mark[0]`` is true in the process that made the mark, and false in every child of it."""

    def __getitem__(self, index: int, /) -> int: ...


def birthmark() -> Birthmark:
    """A mark of this process that costs next to nothing to look at.

    To ask for the process's number is a call into the kernel, the dearest single step of an exposure. Linux
    can be told instead to hand a page of memory to children as zeros.
    """
    if sys.platform == "linux":
        from mmap import MAP_ANONYMOUS, MAP_PRIVATE

        with suppress(OSError):  # a kernel of before 2017
            page = mmap(-1, PAGESIZE, flags=MAP_PRIVATE | MAP_ANONYMOUS)
            page.madvise(_WIPE_ON_FORK)
            page[0] = True
            return page
    return Numbered()


class Numbered:
    """A mark that asks for the number of the process."""

    def __init__(self) -> None:
        self._process = getpid()

    def __getitem__(self, index: int, /) -> int:
        return getpid() == self._process
