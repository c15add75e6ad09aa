"""The development server: one process that serves a rules file and collects exposures.

Needs the extra ``server`` (starlette, uvicorn); importing this room without it raises
:class:`flagstaff.errors.MissingExtraError`.
"""

from __future__ import annotations

from flagstaff.errors import MissingExtraError

try:
    import starlette as _starlette
    import uvicorn as _uvicorn
except ModuleNotFoundError as _error:
    raise MissingExtraError("the server", "server") from _error

from flagstaff.server.app import create_app
from flagstaff.server.rules import RulesFile, Served
from flagstaff.server.run import serve
from flagstaff.server.store import Added, EventStore, ExposureCount, Gap, LossCount, TrackCount

__all__ = [
    "Added",
    "EventStore",
    "ExposureCount",
    "Gap",
    "LossCount",
    "RulesFile",
    "Served",
    "TrackCount",
    "create_app",
    "serve",
]

del _starlette, _uvicorn
