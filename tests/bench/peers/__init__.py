"""The SDKs that are compared, each behind the same few methods."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from tests.bench.peers.peer import Loop, Peer, Setting

__all__ = ["FASTEST", "NAMES", "OURS", "Loop", "Peer", "Setting", "find_peer"]

OURS: Final = "flagstaff"
FASTEST: Final = ("eppo", "statsig")
NAMES: Final = (
    OURS,
    *FASTEST,
    "growthbook",
    "configcat",
    "flagsmith",
    "launchdarkly",
    "openfeature",
    "flagd",
    "optimizely",
    "unleash",
    "posthog",
    "split",
)


def find_peer(name: str) -> type[Peer]:
    """The adapter of that name; importing it does not import the SDK."""
    module = import_module(f"tests.bench.peers.{name}")
    found: type[Peer] = module.Adapter
    return found
