"""Many clients at one ``flagstaff serve``, and a server that is killed at its work."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flagstaff.server import EventStore
from tests.gauntlet.misrule import document
from tests.gauntlet.stage import ROOT, Row, Rows, Scale
from tests.server.lab import exposure

__all__ = ["ROWS"]

_EACH = 5  # events in a client's batch
_AT_ONCE = 50  # clients that connect or post at the same moment
_PATIENCE = 60.0


def crowd(scale: Scale) -> Row:
    """Everybody has rules, listens and posts; new rules come, then a SIGKILL amid posts, and a new server."""
    clients = 200 if scale == 1 else 1000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a descriptor for each stream
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        rules, events = Path(place, "flags.json"), Path(place, "events.db")
        rules.write_text(json.dumps(document(1)))
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            port = reserved.getsockname()[1]
        with _server(rules, events, port) as first:
            told = asyncio.run(_visited(clients, port, rules, first))
        with _server(rules, events, port):
            late = asyncio.run(_posted(port, range(10 * clients, 10 * clients + 20)))
        with EventStore(events) as store:
            stored = store.count()
            doubled = stored - sum(gap.highest - gap.missing for gap in store.gaps())
    acknowledged = (told["before"] + told["amid"] + late) * _EACH
    return Row(
        "A crowd at `flagstaff serve` is served, and what it acknowledged outlives a `kill -9`",
        f"{clients:,} streams, rules and posts; {told['posts']:,} posts around the kill",
        f"{max(0, acknowledged - stored)} acknowledged events lost, {doubled} double, "
        f"{clients - told['informed']} streams not told of new rules",
        f"{told['streams']:,} streams open at once; exit code {first.returncode}, "
        f"{told['posts'] - told['amid']} posts cut off",
        stored >= acknowledged
        and not doubled
        and told["informed"] == told["streams"] == told["before"] == clients
        and first.returncode == -signal.SIGKILL
        and told["posts"] > told["amid"]
        and late == 20,
    )


@contextmanager
def _server(rules: Path, events: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    words = ["serve", str(rules), "--port", str(port), "--events", str(events)]
    command = [sys.executable, "-c", "from flagstaff.cli import main; main()", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            assert "Serving" in server.stdout.readline()
            yield server
        finally:
            server.kill()


async def _visited(clients: int, port: int, rules: Path, server: subprocess.Popen[str]) -> dict[str, int]:
    entrance = asyncio.Semaphore(_AT_ONCE)

    async def enter(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        async with entrance:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            tag = await _news(reader)
            status, _ = await _asked(port, b"GET /v1/rules HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert status == 200
            return reader, writer, tag

    streams = await asyncio.gather(*map(enter, range(clients)))
    before = await _posted(port, range(clients))
    await asyncio.to_thread(rules.write_text, json.dumps(document(2)))
    news = await asyncio.gather(*(asyncio.wait_for(_news(reader), _PATIENCE) for reader, _, _ in streams))
    informed = sum(new != old for new, (_, _, old) in zip(news, streams, strict=True))

    amid = range(clients, 3 * clients)
    arrived = await _posted(port, amid, server)
    for _, writer, _ in streams:
        writer.close()
    return {
        "streams": len(streams),
        "informed": informed,
        "before": before,
        "amid": arrived,
        "posts": len(amid),
    }


async def _news(reader: asyncio.StreamReader) -> bytes:
    """The data of the next event of a stream."""
    while line := await reader.readline():
        if line.startswith(b"data:"):
            return line
    raise AssertionError("the stream ended")


async def _posted(port: int, numbers: range, victim: subprocess.Popen[str] | None = None) -> int:
    """How many batches were acknowledged; a server that is to be killed is, when half of them were."""
    entrance = asyncio.Semaphore(_AT_ONCE)
    acknowledged = 0

    async def post(number: int) -> None:
        nonlocal acknowledged
        async with entrance:
            try:
                status, _ = await _asked(port, _batch(number))
            except (OSError, asyncio.IncompleteReadError):
                return
        acknowledged += status == 202
        if victim is not None and acknowledged == len(numbers) // 2:
            victim.kill()
            victim.wait()

    await asyncio.gather(*map(post, numbers))
    return acknowledged


async def _asked(port: int, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE)
        return int(head.split(b" ", 2)[1]), await reader.read()
    finally:
        writer.close()


def _batch(number: int) -> bytes:
    process = f"{number:016x}"
    events: list[dict[str, Any]] = [
        exposure(index, process=process, id=f"{process}-{index}") for index in range(_EACH)
    ]
    body = gzip.compress(json.dumps(events).encode(), 1)
    head = (
        "POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
        f"Content-Type: application/cloudevents-batch+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


ROWS: Rows = {"crowd": crowd}
