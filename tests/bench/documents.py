"""The rules in every SDK's dialect, laid out for the sink."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copyfile

from tests.bench.peers import find_peer
from tests.bench.scenario import make_flags

__all__ = ["FEW", "FLAGS", "MANY", "lay_out", "restore"]

FEW, FLAGS, MANY = 10, 1000, 10_000
"""How many flags there are: to warm up, to evaluate, to load."""


def lay_out(place: Path, peer: str, flags: int) -> None:
    """Fill a directory: the rules before and after one flag is switched, the other answers, all keys."""
    place.mkdir(parents=True)
    adapter = find_peer(peer)
    for file, switched in (("original", False), ("switched", True)):
        (place / file).write_bytes(adapter.document(make_flags(flags, switched=switched)))
    restore(place)
    answers = {prefix: body.decode() for prefix, body in adapter.answers().items()}
    (place / "answers.json").write_text(json.dumps(answers))
    keys = {flag.key: flag.kind == "experiment" for flag in make_flags(flags)}
    (place / "keys.json").write_text(json.dumps(keys))


def restore(place: Path) -> None:
    """Serve the original rules again."""
    copyfile(place / "original", place / "document")
