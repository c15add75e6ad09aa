"""A request's body, bounded in bytes, in time, and in what it unpacks to."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from flagstaff.server.problems import Refused

__all__ = ["MAX_BYTES", "MAX_SECONDS", "receive", "unpack"]

MAX_BYTES = 10 * 1024 * 1024
MAX_SECONDS = 30.0


async def receive(request: Request) -> bytes:
    """Read the body as it was sent; refuses with 413 past MAX_BYTES and 408 past MAX_SECONDS."""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await _gather(request)
    except TimeoutError:
        raise Refused(408, f"the body took longer than {MAX_SECONDS:g} s") from None


def unpack(body: bytes, coding: str) -> bytes:
    """Undo a Content-Encoding without ever holding more than MAX_BYTES; refuses with 400, 413 or 415."""
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise Refused(415, "the content coding must be gzip or none", {"Accept-Encoding": "gzip"})
    return _gunzip(body)


async def _gather(request: Request) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _too_large()
    except ClientDisconnect:
        raise Refused(400, "the body was cut short") from None
    return bytes(body)


def _gunzip(body: bytes) -> bytes:
    """Unpack one gzip member; a chain of tiny ones would cost time in the square of its length."""
    member = zlib.decompressobj(wbits=31)
    try:
        plain = member.decompress(body, MAX_BYTES + 1)
    except zlib.error:
        raise Refused(400, "the body is not gzip") from None
    if len(plain) > MAX_BYTES:
        raise _too_large()
    if not member.eof or member.unused_data:
        raise Refused(400, "the body is not one whole gzip member")
    return plain


def _too_large() -> Refused:
    return Refused(413, f"the body is larger than {MAX_BYTES} bytes; send fewer events at once")
