"""What the tests of the command share: documents, the command here and as a process, a terminal, a server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from flagstaff.cli.app import app

ROOT = Path(__file__).parents[2]

SHOP: dict[str, Any] = {
    "version": 1,
    "project": "shop",
    "segments": {"benelux": {"attribute": "country", "op": "in", "value": ["NL", "BE", "LU"]}},
    "layers": {"checkout": {}},
    "experiments": {
        "cta-wording": {
            "split": {"control": 34, "urgent": 33, "calm": 33},
            "layer": "checkout",
            "slots": [[0, 50]],
            "hypothesis": "Urgency raises order value",
            "metrics": {"primary": "order_value_30d"},
        }
    },
    "flags": {
        "new-checkout": {"owner": "payments", "rules": [{"segment": "benelux", "rollout": 25}]},
        "checkout-cta": {
            "owner": "growth",
            "variants": {"control": "Buy", "urgent": "Buy now", "calm": "Continue"},
            "default": "control",
            "rules": [{"experiment": "cta-wording"}],
        },
    },
}


def write(directory: Path, document: Mapping[str, Any], name: str = "flags.json") -> str:
    path = directory / name
    path.write_text(json.dumps(document))
    return str(path)


def invoke(*arguments: str, stdin: str | bytes | None = None, **environment: str) -> Result:
    return CliRunner().invoke(
        app, list(arguments), input=stdin, env=environment, prog_name="flagstaff", catch_exceptions=False
    )


def answer(*arguments: str, stdin: str | bytes | None = None, exit_code: int = 0) -> Any:
    """Give what the command prints as JSON."""
    result = invoke(*arguments, "--json", stdin=stdin)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


# -- the command as a process ------------------------------------------------------------------------


def environment(**extra: str) -> dict[str, str]:
    paths = [str(ROOT / "sdk"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **extra}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flagstaff", *arguments]


def run(*arguments: str, stdin: bytes | None = None, **extra: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(*arguments),
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        env=environment(**extra),
        capture_output=True,
        check=False,
    )


def on_a_terminal(*arguments: str, **extra: str) -> tuple[int, str]:
    """Run the command on a terminal of its own; give its exit code and all that the terminal got."""
    master, slave = pty.openpty()
    settings = environment(TERM="xterm-256color", COLUMNS="100", **extra)
    with subprocess.Popen(
        command(*arguments), env=settings, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        received = b"".join(iter(lambda: _read(master), b""))
    os.close(master)
    return process.returncode, received.decode()


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # what Linux says when the last process on the terminal is gone
        return b""


# -- a server of rules -------------------------------------------------------------------------------


@dataclass
class RulesServer:
    url: str
    status: int = 200
    body: bytes = b"{}"
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def rules_server() -> Iterator[RulesServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.keys.append(self.headers["Authorization"])
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(served.body)))
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = RulesServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
