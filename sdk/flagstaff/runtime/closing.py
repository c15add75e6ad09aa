"""The end of what may be the host's: it must not be ours as well."""

from __future__ import annotations

from flagstaff.runtime.notice import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["aclose", "close"]


def close(source: Any) -> None:
    """Have a source keep and close what it has open; nothing drives it any more."""
    if hasattr(source, "close"):
        try:
            source.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, closing must go on
            warn("sources", "closing the source raised %s", type(error).__name__)


async def aclose(source: Any) -> None:
    """The same, awaiting."""
    if not hasattr(source, "aclose"):
        import asyncio

        await asyncio.to_thread(close, source)
        return
    try:
        await source.aclose()
    except Exception as error:  # noqa: BLE001 - as above
        warn("sources", "closing the source raised %s", type(error).__name__)
