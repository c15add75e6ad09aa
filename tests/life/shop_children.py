"""A program whose children serve visitors by an application that it, or a server of forks, has made.

    python -c "from tests.life.shop_children import main; main()" fork flask_app

Each child says ``ready`` half-way, goes on when it decides by other rules, and ends as such children do.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

from tests.life import shops
from tests.life.shops import CHILDREN, VISITORS

application: Any = getattr(shops, os.environ["SHOP"])()


def asked(unit: str) -> int:
    """By which rules a visitor was served."""
    environ: dict[str, Any] = {"QUERY_STRING": f"unit={unit}", "wsgi.input": BytesIO()}
    setup_testing_defaults(environ)
    statuses: list[str] = []
    body = application(environ, lambda status, *_: statuses.append(status))
    text = b"".join(body).decode()
    if hasattr(body, "close"):
        body.close()
    assert statuses == ["200 OK"], statuses
    return int(text.split()[2])


def serve(child: int) -> None:
    for number in range(VISITORS):
        asked(f"child-{child}-{number}")
    os.write(1, b"ready\n")
    deadline = time.monotonic() + 60
    while asked(f"child-{child}-0") != 40:
        assert time.monotonic() < deadline, "the new rules did not come"
        time.sleep(0.01)
    for number in range(VISITORS, 2 * VISITORS):
        asked(f"child-{child}-{number}")


def forked(child: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            serve(child)
        except BaseException as error:  # noqa: BLE001 - a child must not go on as if it were its parent
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    return pid


def main() -> None:
    method = sys.argv[1]
    asked("parent")
    if method == "os.fork":
        for pid in [forked(child) for child in range(CHILDREN)]:
            assert os.waitpid(pid, 0)[1] == 0
        return
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["tests.life.shop_children"])
    children = [context.Process(target=serve, args=(child,)) for child in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0, child.exitcode
