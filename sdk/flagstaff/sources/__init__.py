"""Where rules come from."""

from __future__ import annotations

from flagstaff.sources.source import Publish as Publish
from flagstaff.sources.source import Source as Source
