"""Answers that would fill the memory: refused while they come, and the rules stay."""

from __future__ import annotations

import zlib

import pytest

from tests.client.lab import Server, numbered, run, tagged
from tests.net.badserver import Behaviour, Visit, answer, endless

_PROGRAM = """
import resource, sys, time
from flagstaff import Client

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

client = Client(sys.argv[1], events=None, stream=False, poll_interval=0.1)
assert client.wait_ready(20)
assert client.value("first") == 1
before = peak()
begun = time.monotonic()
while "more than" not in str(client.status()):
    assert time.monotonic() < begun + 20
    time.sleep(0.005)
print(round(peak() - before, 1))
assert client.value("first") == 1
print(*client.status().problems)
client.close()
"""


def bomb() -> bytes:
    """512 MiB of blanks, in half a megabyte."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(512)) + packer.flush()


@pytest.mark.parametrize("behaviour", ["bomb", "endless"])
def test_memory_does_not_grow(server: Server, behaviour: str) -> None:
    pytest.importorskip("resource")
    made: dict[str, Behaviour] = {
        "bomb": answer(bomb(), Content_Encoding="gzip"),
        "endless": endless,
    }
    answers = iter([tagged(numbered(1), '"1"')])

    def first_good(visit: Visit) -> None:
        next(answers, made[behaviour])(visit)

    server.rules = first_good

    grown, _, problem = run(_PROGRAM, server.url).partition("\n")

    assert float(grown) <= 24.0
    assert "answered with more than 16,777,216 bytes" in problem
