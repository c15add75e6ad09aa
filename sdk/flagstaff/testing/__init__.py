"""What tests of code that asks for flags need: clients without threads and network, and fakes of every seam.

    from flagstaff.testing import MemoryClient

    client = MemoryClient()
    client.set("new-checkout", True)

``MemoryClient`` and ``AsyncMemoryClient`` stand in for a client; ``FakeClock``, ``MemorySource`` and
``MemorySink`` for what a real client is given; ``SourceContract`` and ``SinkContract`` are the tests that
every source and sink has to pass; ``FlagsMixin`` is for unittest. pytest's fixtures need no import.
"""

from __future__ import annotations

from flagstaff.testing.cases import FlagsMixin
from flagstaff.testing.client import AsyncMemoryClient, MemoryClient, MemoryFlags
from flagstaff.testing.clock import FakeClock
from flagstaff.testing.contracts import SinkContract, SourceContract
from flagstaff.testing.exposures import Exposure, Exposures, Tracked
from flagstaff.testing.sink import MemorySink
from flagstaff.testing.source import MemorySource

__all__ = [
    "AsyncMemoryClient",
    "Exposure",
    "Exposures",
    "FakeClock",
    "FlagsMixin",
    "MemoryClient",
    "MemoryFlags",
    "MemorySink",
    "MemorySource",
    "SinkContract",
    "SourceContract",
    "Tracked",
]
