"""Refusals in the one shape that machines and people can read: problem details, RFC 9457."""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

__all__ = ["Refused", "answer"]


class Refused(HTTPException):
    """A request that gets a problem for an answer; ``extra`` are further members of its body."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **extra: object
    ) -> None:
        super().__init__(status, detail, headers)
        self.extra = extra


async def answer(_request: Request, error: Exception) -> JSONResponse:
    """Write a refusal, ours or the router's (404, 405), as a problem."""
    refusal = cast(HTTPException, error)
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(refusal.status_code).phrase,
        "status": refusal.status_code,
        "detail": refusal.detail,
    }
    if isinstance(refusal, Refused):
        body |= refusal.extra
    return JSONResponse(body, refusal.status_code, refusal.headers, media_type="application/problem+json")
