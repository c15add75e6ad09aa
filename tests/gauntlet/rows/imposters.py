"""Servers that can't prove who they are."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flagstaff import Client, Context
from tests.gauntlet.stage import Row, Rows, Scale, UnplayableError, until

__all__ = ["ROWS"]

_USER = Context("user-1")


def imposters(scale: Scale) -> Row:
    """A server whose certificate nobody has signed but itself: it learns nothing, and the rules stay."""
    rounds = scale
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        certificate = _certificate(Path(place))
        leaked = refused = ready = 0
        for _ in range(rounds):
            with _imposter(certificate) as (url, heard):
                ready += _adopted(url, place, heard)
                leaked += sum(text != "refused" for text in heard)
                refused += heard.count("refused")
    return Row(
        "A server that can't prove who it is gets neither the key nor an event",
        f"{rounds} servers with a certificate of their own",
        f"{leaked} requests got through, {ready} documents adopted",
        f"{refused} handshakes were broken off by the client",
        not leaked and not ready and refused >= 2 * rounds,
    )


def _adopted(url: str, place: str, heard: list[str]) -> bool:
    """Whether a client adopts anything from there."""
    client = Client(url, key="sdk-secret", events=url, stream=False, directory=place, flush_interval=0.05)
    client.track("seen", _USER)
    until(lambda: heard.count("refused") >= 2)
    until(lambda: client.status().problems)
    ready = client.wait_ready(0)
    client.close(0.1)
    return ready


def _certificate(place: Path) -> Path:
    """A key and a certificate that it has signed itself, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise UnplayableError("there is no openssl to make a certificate")
    file = place / "self.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "-", "-out", "-"]
    file.write_bytes(subprocess.run([openssl, *words], check=True, capture_output=True).stdout)
    return file


@contextmanager
def _imposter(certificate: Path) -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it hears: a request, or that a client would not talk to it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # it is over
                    return
                connection.settimeout(5)
                try:
                    with context.wrap_socket(connection, server_side=True) as talk:
                        heard.append(talk.recv(4096).decode("latin-1"))
                except OSError:
                    heard.append("refused")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


ROWS: Rows = {"imposters": imposters}
