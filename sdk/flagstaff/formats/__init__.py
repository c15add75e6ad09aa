"""Bytes of some dialect to rules. Each format is a room of its own; this one finds it by name."""

from __future__ import annotations

from flagstaff.errors import ConfigError
from flagstaff.formats.suggest import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flagstaff.formats.native import Loaded

__all__ = ["FORMATS", "check_format", "load"]

FORMATS = ("native", "auto")


def check_format(name: object) -> str:
    """The name if it is a format's; ConfigError otherwise."""
    if not isinstance(name, str) or name not in FORMATS:
        hint = did_you_mean(str(name), FORMATS)
        raise ConfigError("format", f"must be one of {', '.join(FORMATS)}, not {name!r}{hint}")
    return name


def load(
    data: bytes | Mapping[str, Any],
    *,
    format: str = "native",  # noqa: A002 - what everybody calls it
    suffix: str = ".json",
    source: str = "document",
    strict: bool = True,
    before: Loaded | None = None,
    breathe: Callable[[], object] | None = None,
) -> Loaded:
    """Read a rules document; ``strict`` refuses what a lenient reader leaves out. RulesError, ConfigError.

    Where there was a version ``before`` it, only what has changed is read. ``breathe`` is called every
    millisecond or so, to let others work.
    """
    from flagstaff.formats import native

    check_format(format)
    return native.load(data, suffix=suffix, source=source, strict=strict, before=before, breathe=breathe)
