"""Servers that can't prove who they are, and one that sends clients where nobody has to."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flagstaff import Client, Context
from tests.gauntlet.misrule import good
from tests.gauntlet.stage import Row, Rows, Scale, until
from tests.net.badserver import serving

__all__ = ["ROWS"]

_USER = Context("user-1")
_KEY = "sdk-secret"
_DOCUMENT = b'{"version":1,"revision":1,"flags":{}}'


def imposters(scale: Scale) -> Row:
    """Each has one thing wrong with its certificate, and else is as good as the one that is adopted."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        authority = _Authority(Path(place))
        certificates = {
            "self-signed": authority.certificate(signed=False),
            "unable to get local issuer": _Authority(Path(place, "other")).certificate(),
            "expired": authority.certificate(begins=-3, ends=-1),
            "not yet valid": authority.certificate(begins=1, ends=3),
            "mismatch": authority.certificate(host="localhost"),
        }
        with patch.dict(os.environ, {"SSL_CERT_FILE": str(authority.file)}):
            for _ in range(scale):
                for reason, certificate in certificates.items():
                    seen += _met(certificate, place, reason)
                seen += _downgraded(authority.certificate(), place)
    rounds = len(certificates) * scale
    return Row(
        "A server that can't prove who it is gets neither the key nor an event",
        f"{rounds} servers: signed by themselves or by nobody known, expired, not yet valid, of another "
        f"host; {scale} that redirect to http",
        f"{seen['leaked']} requests got through, {seen['adopted']} documents adopted",
        f"{seen['refused']} handshakes were broken off by the client, {seen['told']} servers told for their "
        f"own reason; {seen['redirected']} requests redirected",
        not seen["leaked"]
        and not seen["adopted"]
        and seen["refused"] >= 2 * rounds
        and seen["told"] == rounds
        and seen["redirected"] >= scale
        and seen["trusted"] == scale,
    )


def _met(certificate: Path, place: str, reason: str) -> Counter[str]:
    """A client meets a server with a certificate that proves nothing, and says so for that reason."""
    with _server(certificate, _answer(_DOCUMENT)) as server, tempfile.TemporaryDirectory(dir=place) as own:
        client = Client(
            server.url, key=_KEY, events=server.url, stream=False, directory=own, flush_interval=0.05
        )
        client.track("seen", _USER)
        until(lambda: server.refused >= 2 and client.status().problems)
        told = any(reason in problem for problem in client.status().problems)
        adopted = client.wait_ready(0)
        client.close(0.1)
        return Counter(told=told, refused=server.refused, leaked=len(server.heard), adopted=adopted)


def _downgraded(certificate: Path, place: str) -> Counter[str]:
    """A client that trusts a server is sent to another place, where anybody can listen."""
    with (
        serving(good(99)) as listening,
        _server(certificate, _answer(_DOCUMENT)) as server,
        tempfile.TemporaryDirectory(dir=place) as own,
    ):
        client = Client(server.url, key=_KEY, events=None, stream=False, directory=own, poll_interval=0.1)
        trusted = client.wait_ready(10)
        before = len(server.heard)
        server.answer = f"HTTP/1.1 302 Found\r\nLocation: {listening.url}/v1/rules\r\n\r\n".encode()
        until(lambda: client.status().problems)
        adopted = client.status().revision != 1
        client.close(0.1)
        redirected = len(server.heard) - before
        return Counter(trusted=trusted, redirected=redirected, leaked=len(listening.visits), adopted=adopted)


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )


# -- certificates ------------------------------------------------------------------------------------------


class _Authority:
    """Signs certificates for servers; those who trust it have its ``file``."""

    def __init__(self, place: Path) -> None:
        place.mkdir(exist_ok=True)
        self._place = place
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(f"authority {place.name}")
        self._made = 0
        self.file = place / "authority.pem"
        own = _draft(self._name, self._key, days=(-2, 2))
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        own = own.add_extension(_MAY_SIGN, critical=True)
        key = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = own.add_extension(key, critical=False)
        self.file.write_bytes(self._signed(own))

    def certificate(
        self, host: str = "127.0.0.1", begins: int = -2, ends: int = 2, *, signed: bool = True
    ) -> Path:
        """A server's key and certificate, in one file: valid for a host, between two days from now. One
        that is not ``signed`` by the authority has signed itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_named(host), key, days=(begins, ends)).add_extension(
            x509.SubjectAlternativeName([_address(host)]), critical=False
        )
        self._made += 1
        file = self._place / f"server-{self._made}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        proof = self._signed(draft) if signed else _pem(draft.issuer_name(_named(host)), key)
        file.write_bytes(secret + proof)
        return file

    def _signed(self, draft: x509.CertificateBuilder) -> bytes:
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return _pem(draft.issuer_name(self._name).add_extension(key, critical=False), self._key)


_MAY_SIGN = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _draft(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )


def _pem(draft: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return draft.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _address(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)


# -- servers -----------------------------------------------------------------------------------------------


@dataclass
class _Server:
    """What a server answers and hears, and how often a client would not talk to it."""

    url: str
    answer: bytes
    heard: list[bytes] = field(default_factory=list)
    refused: int = 0


@contextmanager
def _server(certificate: Path, answer: bytes) -> Iterator[_Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(f"https://127.0.0.1:{listener.getsockname()[1]}", answer)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:  # it is over
                    return
                connection.settimeout(5)
                try:
                    with context.wrap_socket(connection, server_side=True) as talk:
                        server.heard.append(talk.recv(4096))
                        talk.sendall(server.answer)
                except OSError:
                    server.refused += 1

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


ROWS: Rows = {"imposters": imposters}
