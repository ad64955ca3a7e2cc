"""Servers on the loopback that answer byte for byte what a test says, and a certificate authority for them."""

import ipaddress
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answerer = Callable[["Asked"], Iterable[bytes]]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The first value of a header, or an empty text."""
        return next(iter(self.all(name)), "")


@dataclass
class Served:
    """A running server: its port and what it was asked."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    scheme: str = "http"
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


def answer(
    status: int, body: bytes = b"", *headers: str, reason: str = "X", keep: bool = False
) -> list[bytes]:
    """Put an HTTP answer together; with `keep` it says nothing of an end of the connection."""
    end = [] if keep else ["Connection: close"]
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(body)}", *end, *headers]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + body]


@contextmanager
def serve(
    answerer: Answerer,
    tls: "Leaf | ssl.SSLContext | None" = None,
    address: str = "127.0.0.1",
    requests: int = 1,
) -> Iterator[Served]:
    """Run a server for the time of a test; one thread per connection, which takes so many requests."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, 0), family=family)
    served = Served(listener.getsockname()[1], scheme="https" if tls else "http")
    context = _server_context(tls) if isinstance(tls, Leaf) else tls
    open_ones: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        try:
            channel = context.wrap_socket(connection, server_side=True) if context else connection
            open_ones.append(channel)
            with channel:
                served.connections += 1
                _converse(channel, served, answerer, requests)
        except OSError:
            connection.close()  # the client went away, or did not trust us

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=one, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield served
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for channel in open_ones:
            channel.close()
        for thread in threads:
            thread.join(5)


def _converse(channel: socket.socket, served: Served, answerer: Answerer, requests: int) -> None:
    for _ in range(requests):
        asked = _read(channel)
        if asked is None:
            return
        served.asked.append(asked)
        for part in answerer(asked):
            channel.sendall(part)


def _server_context(leaf: "Leaf") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    return context


def old_tls(leaf: "Leaf") -> ssl.SSLContext:
    """The side of a server that knows no newer TLS than 1.0."""
    context = _server_context(leaf)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def _read(channel: socket.socket) -> Asked | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (part := channel.recv(65536)):
            return None
        data += part
        if data[0] < 0x20:  # a TLS hello where plain HTTP is spoken
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    while len(body) < length:
        body += channel.recv(65536)
    return Asked(method, target, headers, body)


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority of a test's own, in a folder."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / "ca.crt"
        self.certificate.write_bytes(self._signed(self._name, self._key.public_key(), ca=True))

    def leaf(self, *names: str, days: float = 30) -> Leaf:
        """Sign a certificate for names or addresses; a negative number of days makes an expired one."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = self.folder / f"leaf-{len(list(self.folder.iterdir()))}"
        place.mkdir()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        (place / "tls.crt").write_bytes(self._signed(subject, key.public_key(), names=names, days=days))
        (place / "tls.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Leaf(place / "tls.crt", place / "tls.key")

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        names: tuple[str, ...] = (),
        days: float = 30,
        ca: bool = False,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
