"""Log lines that can't hurt the work they tell of."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["info", "warn"]


def warn(room: str, message: str, *args: object) -> None:
    """Log a state change for the worse to ``flagstaff.<room>``."""
    _write(room, "warning", message, args)


def info(room: str, message: str, *args: object) -> None:
    """Log a state change for the better to ``flagstaff.<room>``."""
    _write(room, "info", message, args)


def _write(room: str, level: str, message: str, args: tuple[object, ...]) -> None:
    import logging

    with suppress(Exception):  # handlers are the host's; one that raises must not stop our work
        getattr(logging.getLogger(f"flagstaff.{room}"), level)(message, *args)
