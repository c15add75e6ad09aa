"""OFREP 0.3: the rules' decisions for browsers and other languages."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, NoReturn

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from flagstaff import ofrep
from flagstaff.core.context import Context
from flagstaff.core.decision import Decision
from flagstaff.core.evaluate import Snapshot
from flagstaff.formats import load
from flagstaff.server import body
from flagstaff.server.access import Access
from flagstaff.server.negotiate import is_known
from flagstaff.server.rules import RulesFile, Version

__all__ = ["routes"]

# Pages that are being developed on this machine, and no others: a site somewhere must not ask for our flags.
_PAGES = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


def routes(rules: RulesFile, access: Access) -> Mount:
    """The protocol's two addresses, below ``/ofrep/v1``."""
    flags = _Flags(rules, access)
    return Mount(
        "/ofrep/v1",
        routes=[
            Route("/evaluate/flags", flags.all, methods=["POST"]),
            Route("/evaluate/flags/{key:path}", flags.one, methods=["POST"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origin_regex=_PAGES,
                allow_methods=["POST"],
                allow_headers=["Authorization", "Content-Type", "If-None-Match", "X-API-Key"],
                expose_headers=["ETag"],
            )
        ],
    )


class _BadRequestError(Exception):
    """A request that can't be answered: the protocol's error code, and a sentence."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details

    def told(self, **more: str) -> Response:
        return _json({**more, "errorCode": self.code, "errorDetails": self.details}, 400)


class _Flags:
    """Decides by the current rules. Nothing is recorded: who asks from afar reports exposures itself."""

    def __init__(self, rules: RulesFile, access: Access) -> None:
        self._rules = rules
        self._access = access
        self._known: tuple[Version, Snapshot] | None = None

    async def one(self, request: Request) -> Response:
        """Decide one flag."""
        self._access.check(request, api_key=True)
        key = request.path_params["key"]
        try:
            context = await _context(request)
        except _BadRequestError as wrong:
            return wrong.told(key=key)
        decision = await run_in_threadpool(lambda: self._snapshot().decide(key, context))
        if ofrep.error_code(decision) is None:
            return _json(_answer(decision))
        return _json(_answer(decision), 404 if ofrep.error_code(decision) == "FLAG_NOT_FOUND" else 400)

    async def all(self, request: Request) -> Response:
        """Decide every flag; 304 for who has exactly that already."""
        self._access.check(request, api_key=True)
        try:
            context = await _context(request)
        except _BadRequestError as wrong:
            return wrong.told()
        answer = await run_in_threadpool(self._all, context)
        etag = f'"{hashlib.sha256(answer.body).hexdigest()}"'
        answer.headers["ETag"] = etag
        if is_known(", ".join(request.headers.getlist("if-none-match")), (etag,)):
            return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "no-cache"})
        return answer

    def _all(self, context: Context) -> Response:
        snapshot = self._snapshot()
        told: dict[str, Any] = {
            "flags": [_answer(snapshot.decide(key, context)) for key in snapshot.flag_keys()]
        }
        if snapshot.rules.revision is not None:
            told["metadata"] = {"version": str(snapshot.rules.revision)}
        return _json(told)

    def _snapshot(self) -> Snapshot:
        version, known = self._rules.current, self._known
        if known is None or known[0] is not version:
            known = self._known = version, Snapshot(load(version.body).rules, time.time)
        return known[1]


async def _context(request: Request) -> Context:
    """Whom the request is about; _BadRequestError says what is wrong with it."""
    raw = body.unpack(
        await body.receive(request), request.headers.get("content-encoding", "").strip().lower()
    )
    try:
        asked = json.loads(raw or b"{}", parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _BadRequestError("PARSE_ERROR", "the body is not JSON") from None
    given = asked.get("context") if isinstance(asked, dict) else None
    if given is None and isinstance(asked, dict):
        given = {}
    if not isinstance(given, dict):
        raise _BadRequestError("INVALID_CONTEXT", "the context must be an object")
    attributes = dict(given)
    key = attributes.pop("targetingKey", None)
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int)):
        raise _BadRequestError("INVALID_CONTEXT", "the targetingKey must be text")
    return Context(key, attributes)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _answer(decision: Decision) -> dict[str, Any]:
    code = ofrep.error_code(decision)
    if code is not None:
        return {"key": decision.flag, "errorCode": code, "errorDetails": decision.error or ""}
    told = ofrep.answer(decision)
    metadata = {
        name: item for name, item in decision.metadata.items() if isinstance(item, bool | int | float | str)
    }
    if decision.experiment is not None:
        metadata["experiment"] = decision.experiment
    return told | {"metadata": metadata} if metadata else told


def _json(told: dict[str, Any], status: int = 200) -> Response:
    data = json.dumps(told, separators=(",", ":")).encode()  # ASCII: a key may hold what UTF-8 can't
    headers = {"Cache-Control": "no-cache"}
    return Response(data, status, headers=headers, media_type="application/json")
