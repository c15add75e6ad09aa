"""The rows of the scorecard: a module for each family of promises, with its own ``ROWS``.

A row is a function of the scale (1 is the fast lane) that plays a fault and returns a ``Row``; it is kept
only if the fault is shown to have happened.
"""

from __future__ import annotations

from tests.gauntlet.rows import crowd, death, disks, hostile, hosts, imposters, limits, outage, rules, soak
from tests.gauntlet.stage import Rows

__all__ = ["ROWS"]

ROWS: Rows = (
    death.ROWS
    | hosts.ROWS
    | outage.ROWS
    | limits.ROWS
    | disks.ROWS
    | rules.ROWS
    | crowd.ROWS
    | hostile.ROWS
    | imposters.ROWS
    | soak.ROWS
)
