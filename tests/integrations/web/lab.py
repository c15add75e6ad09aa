"""One small site, built with every framework and served by a real server: what all of them must do alike.

``/`` tells what was decided and for whom, ``/direct`` asks the client itself, ``/plain`` asks nothing,
``/public`` wants to be cached by everybody, ``/stream`` decides while its body is sent, ``/late`` asks for
its flags only then, ``/fails`` raises. ``?user=`` logs in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

from flagstaff import BoundFlags, Client, Context, Secret
from flagstaff.overrides.tokens import sign_token
from tests.server.lab import staged

SECRET = "s" * 32
PUBLIC = "public, max-age=60, s-maxage=600"
NOBODY = Context("nobody")

RULES: dict[str, Any] = {
    "version": 1,
    "project": "shop",
    "revision": 7,
    "flags": {
        "checkout-cta": {
            "variants": {"control": "Buy", "urgent": "Buy now", "calm": "Continue"},
            "default": "control",
            "rules": [{"experiment": "wording"}],
        },
        "new-checkout": {"default": "off"},
        "banner": {"default": "on"},
        "members": {"rules": [{"when": {"attribute": "user_id", "op": "exists"}, "serve": "on"}]},
    },
    "experiments": {"wording": {"split": {"control": 50, "calm": 50}}},
}


def token_for(overrides: dict[str, str], lifetime: float = 3600, secret: str = SECRET, ago: float = 0) -> str:
    return sign_token(Secret(secret), overrides, now=time.time() - ago, lifetime=lifetime)


def told(flags: BoundFlags) -> dict[str, Any]:
    """What ``/`` answers."""
    decision = flags.decide("checkout-cta")
    return {
        "variant": decision.variant,
        "reason": str(decision.reason),
        "rung": decision.metadata.get("override"),
        "members": flags.enabled("members"),
        "visitor": flags.context.attributes.get("visitor_id"),
        "key": flags.context.targeting_key,
    }


def parts(client: Client, visitor: Callable[[], object]) -> Iterator[bytes]:
    """The body of ``/stream`` and, where ``visitor`` asks for flags, of ``/late``."""
    for _ in range(3):
        variant, forced = client.variant("checkout-cta", NOBODY), client.override_token is not None
        yield f"{variant} {forced} {visitor()}\n".encode()


def user_of(query: str) -> dict[str, str] | None:
    """What the context loaders return: attributes of the one who is logged in."""
    found = parse_qs(query).get("user")
    if found == ["broken"]:
        raise ZeroDivisionError("the loader's own mistake")
    return {"user_id": found[0]} if found else None


def dumped(data: object) -> bytes:
    return json.dumps(data).encode()


# -- servers -------------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class _Server(WSGIServer):
    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def wsgi_serving(app: Any, *, valid: bool = True) -> Iterator[str]:
    """Serve by one thread, so that whatever a request leaves behind meets the next one."""
    checked = validator(app) if valid else app
    with make_server("127.0.0.1", 0, checked, _Server, _Quiet) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(20)


@contextmanager
def asgi_serving(app: Any) -> Iterator[str]:
    """Serve by uvicorn, in a loop on one thread."""
    with staged() as stage:
        stage.app = app
        yield stage.url
