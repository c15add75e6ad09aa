"""Imports that a fork must not cut in two.

A module that is half there when the process forks stays so in the child for ever, for nobody there goes
on with the import; OpenSSL, which sets itself up, would wait there for ever. So whoever loads much on a
thread in the background holds this lock, and forks wait for it.
"""

from __future__ import annotations

from contextlib import suppress
from threading import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["after_fork_in_child", "after_fork_in_parent", "before_fork", "whole"]

_PATIENCE = 10.0  # seconds that a fork waits

_lock = RLock()


def whole() -> AbstractContextManager[bool]:
    """What is imported in this block is imported before any fork, or after it."""
    return _lock


def before_fork() -> None:
    """Wait until nothing is half there, ten seconds at most."""
    _lock.acquire(timeout=_PATIENCE)


def after_fork_in_parent() -> None:
    """Let imports go on."""
    with suppress(RuntimeError):  # waited in vain
        _lock.release()


def after_fork_in_child() -> None:
    """Let imports begin."""
    global _lock  # noqa: PLW0603 - the parent's may be held for ever here
    _lock = RLock()
