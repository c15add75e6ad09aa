"""The SDKs that are compared, each behind the same few methods."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.peers.peer import Loop, Peer, Setting

__all__ = ["FASTEST", "NAMES", "OURS", "Loop", "Peer", "Setting", "find_peer"]

OURS: Final = "flagstaff"
FASTEST: Final = ("eppo", "statsig")
_LIST = Path(__file__).parents[1] / "peers.txt"
NAMES: Final = tuple(line.partition(":")[0] for line in _LIST.read_text().splitlines())
"""The name of each is that of its module here, of its environment, and of its line in ``peers.txt``."""


def find_peer(name: str) -> type[Peer]:
    """The adapter of that name; importing it does not import the SDK.

    ``flagstaff:eppo`` is flagstaff with the rules that Eppo's SDK gets.
    """
    own, colon, vendor = name.partition(":")
    if colon:
        from tests.bench.peers.dialect import speaking

        return speaking(vendor, find_peer(own if vendor == "native" else vendor))
    module = import_module(f"tests.bench.peers.{name}")
    found: type[Peer] = module.Adapter
    return found
