"""A server in a process of its own: it hands out rules and swallows whatever is posted.

``start.py sink DIRECTORY`` prints its address and serves until its standard input ends. Below the address,
``/NAME/…`` answers a GET with ``DIRECTORY/NAME/document`` as it is at that moment, or with what
``DIRECTORY/NAME/answers.json`` has for the longest prefix of the rest of the path. ``/hang-NAME/…`` does the
same, but never answers a POST.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

__all__ = ["HANGING", "main"]

HANGING = "hang-"
_TAKEN = b'{"success":true,"status":1}'


def main(arguments: list[str]) -> None:
    asyncio.run(_run(Path(arguments[0])))


async def _run(directory: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _Conversation(directory, reader, writer).hold()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has left
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024)
    (listener,) = server.sockets
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


class _Conversation:
    """One connection: requests one after the other."""

    def __init__(self, directory: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._directory = directory
        self._reader = reader
        self._writer = writer

    async def hold(self) -> None:
        while True:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            method, target, _ = first.split(" ", 2)
            headers = {name.strip().lower(): value.strip() for name, _, value in map(_halves, lines)}
            if headers.get("expect", "").lower() == "100-continue":
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._take_body(headers)
            if method != "GET" and target.startswith(f"/{HANGING}"):
                await asyncio.sleep(3600)
            self._writer.write(_respond(200, _TAKEN) if method != "GET" else self._find(target, headers))
            await self._writer.drain()

    async def _take_body(self, headers: Mapping[str, str]) -> None:
        if "chunked" not in headers.get("transfer-encoding", ""):
            await self._reader.readexactly(int(headers.get("content-length", 0)))
            return
        size = -1
        while size != 0:
            size = int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16)
            await self._reader.readexactly(size + 2)

    def _find(self, target: str, headers: Mapping[str, str]) -> bytes:
        name, _, path = target.removeprefix("/").removeprefix(HANGING).partition("/")
        place = self._directory / name
        answers = _answers(place / "answers.json")
        prefix = max((known for known in answers if f"/{path}".startswith(known)), key=len, default=None)
        try:
            body = answers[prefix].encode() if prefix else (place / "document").read_bytes()
        except FileNotFoundError:
            return _respond(404, b"{}")
        etag = f'"{zlib.crc32(body):08x}"'
        if headers.get("if-none-match") == etag:
            return _respond(304, b"", etag)
        return _respond(200, body, etag)


@lru_cache
def _answers(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def _halves(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _respond(status: int, body: bytes, etag: str = '"none"') -> bytes:
    head = (
        f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"ETag: {etag}\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + body
