"""Calls to an owner that may be gone: what works in the background must not keep alive whom it works for."""

from __future__ import annotations

from weakref import WeakMethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["weakly"]


def weakly(method: Callable[..., Any]) -> Callable[..., None]:
    """A function that calls a bound method for as long as its object lives, and does nothing from then on."""
    reference = WeakMethod(method)

    def call(*args: Any) -> None:
        bound = reference()
        if bound is not None:
            bound(*args)

    return call
