"""The wire from here, against servers on the loopback; and the live wire's way to each side."""

import gzip
import hashlib
import json
import os
import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from acrcheck.clock import SystemClock
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Response,
    Shaken,
    Trouble,
    Vantage,
)
from acrcheck.wire.live import LiveWire
from acrcheck.wire.local import LocalWire
from acrcheck.wire.vault import Vault
from tests.unit.loopback import Asked, Authority, answer, old_tls, serve
from tests.unit.wire.machine import Machine

HERE = Vantage("local")
TOKEN = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2V4YW1wbGUifQ.c2VjcmV0LXNpZ25hdHVyZQ"


def wire(vault: Vault | None = None) -> LiveWire:
    """The wire under test; its cluster is never needed."""
    return LiveWire(Machine(Path(os.devnull)), vault or Vault(), SystemClock())


def ask(question: Request, vault: Vault | None = None) -> Response:
    """Ask, and insist on an answer."""
    got = wire(vault).request(HERE, question)
    assert isinstance(got, Response), got
    return got


def trouble(question: Request) -> Trouble:
    """Ask, and insist on a failure."""
    got = wire().request(HERE, question)
    assert isinstance(got, Failure), got
    return got.trouble


def test_requests_and_secrets() -> None:
    """Headers, bearer and form arrive; the answer's token and cookie do not come out."""
    vault = Vault()
    handle = vault.keep(TOKEN).handle
    with serve(lambda _: answer(200, f'{{"access_token": "{TOKEN}"}}'.encode(), "Set-Cookie: a=b")) as served:
        got = ask(Request("GET", f"{served.url}/x", (("Metadata", "true"),), bearer=handle), vault)
        ask(Request("POST", served.url, form=(("access_token", handle), ("a", "b c"))), vault)
    assert served.asked[0].header("Authorization") == f"Bearer {TOKEN}"
    assert served.asked[0].header("Metadata") == "true"
    assert served.asked[1].body.decode() == f"access_token={TOKEN}&a=b+c"
    assert "c2VjcmV0" not in repr(got)
    assert got.secrets[0].claims == {"aud": "https://example"}
    assert got.header("set-cookie") == ""


def test_redirects_bytes_and_limits() -> None:
    """A redirect is the answer; bytes are digested; an endless body is cut."""

    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 10_000

    with serve(lambda _: answer(307, b"", "Location: /x?sig=S")) as served:
        assert ask(Request("GET", served.url)).header("location").startswith("/x?<query:")
    with serve(lambda _: answer(200, b"\x00\xff")) as served:
        assert ask(Request("GET", served.url, digest=True)).sha256 == hashlib.sha256(b"\x00\xff").hexdigest()
    with serve(endless) as served:
        got = ask(Request("GET", served.url, limit=50_000))
    assert (got.cut, got.length) == (True, 50_000)


def test_failures() -> None:
    """Refused, unresolved, silent and broken are told apart, as from inside a container."""
    with serve(lambda _: []) as served:
        assert trouble(Request("GET", served.url)) is Trouble.BROKEN
    assert trouble(Request("GET", served.url)) is Trouble.REFUSED
    assert trouble(Request("GET", "http://registry.invalid/")) is Trouble.UNRESOLVED
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert trouble(Request("GET", f"http://127.0.0.1:{port}/", seconds=0.2)) is Trouble.TIMEOUT
    assert trouble(Request("GET", "file:///etc/passwd")) is Trouble.ERROR
    assert trouble(Request("GET", "http://x/", (("A", "b\r\nC: d"),))) is Trouble.ERROR
    assert trouble(Request("GET", "http://x/", bearer="<jwt:abcdef012345>")) is Trouble.ERROR


def test_certificates(tmp_path: Path) -> None:
    """An untrusted certificate names its issuer and what is against it; a request to it is not sent."""
    authority = Authority(tmp_path)
    with serve(lambda _: answer(200), authority.leaf("127.0.0.1", "a.example")) as served:
        got = wire().handshake(HERE, Handshake("127.0.0.1", served.port))
        assert trouble(Request("GET", served.url)) is Trouble.TLS
    assert isinstance(got, Shaken)
    assert got.problem
    assert (got.issuer, got.names) == ("CN=Test Authority", ("a.example", "127.0.0.1"))
    assert served.asked == []
    with serve(lambda _: answer(200)) as plain:
        failed = wire().handshake(HERE, Handshake("127.0.0.1", plain.port))
    assert isinstance(failed, Failure)
    assert failed.trouble in {Trouble.TLS, Trouble.BROKEN}


def test_names_and_connections() -> None:
    """Resolving and connecting, and failing at both."""
    got = wire().resolve(HERE, Resolve("localhost"))
    assert isinstance(got, Resolved)
    assert {"127.0.0.1", "::1"} & set(got.addresses)
    lost = wire().resolve(HERE, Resolve("registry.invalid"))
    assert isinstance(lost, Failure)
    assert lost.trouble is Trouble.UNRESOLVED
    with serve(lambda _: []) as served:
        assert wire().connect(HERE, Connect("127.0.0.1", served.port)) == Connected("127.0.0.1")
    refused = wire().connect(HERE, Connect("127.0.0.1", served.port))
    assert isinstance(refused, Failure)
    assert refused.trouble is Trouble.REFUSED


def test_one_connection_is_gone_on_with(tmp_path: Path) -> None:
    """What was opened to see that it opens, and whose certificate was looked at, carries the requests too."""
    leaf = Authority(tmp_path).leaf("127.0.0.1")
    with (
        serve(lambda _: answer(200, b"x", keep=True), leaf, requests=100) as served,
        trusting(tmp_path / "ca.crt") as here,
    ):
        assert here.connect(HERE, Connect("127.0.0.1", served.port)) == Connected("127.0.0.1")
        assert isinstance(here.handshake(HERE, Handshake("127.0.0.1", served.port)), Shaken)
        for _ in range(5):
            assert isinstance(here.request(HERE, Request("GET", served.url)), Response)
    assert (served.connections, len(served.asked)) == (1, 5)


def test_a_connection_that_was_closed_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    """The server takes two requests on each: the third goes over a new one, and nobody is told."""
    leaf = Authority(tmp_path).leaf("127.0.0.1")
    with (
        serve(lambda _: answer(200, b"x", keep=True), leaf, requests=2) as served,
        trusting(tmp_path / "ca.crt") as here,
    ):
        for _ in range(5):
            assert isinstance(here.request(HERE, Request("GET", served.url)), Response)
    assert (served.connections, len(served.asked)) == (3, 5)


@contextmanager
def trusting(certificate: Path) -> Iterator[LocalWire]:
    """The wire from here, which trusts one authority."""
    context = ssl.create_default_context(cafile=certificate)
    with closing(LocalWire(Vault(), SystemClock(), context=context)) as here:
        yield here


@pytest.mark.parametrize("url", ["http://[::1", "http://", "nonsense"])
def test_a_url_that_is_none(url: str) -> None:
    """A URL from a broken challenge is an error that is told, not an exception."""
    assert trouble(Request("GET", url)) in {Trouble.ERROR, Trouble.BROKEN, Trouble.UNRESOLVED}


def test_the_fields_wanted_come_beside_the_digest() -> None:
    """Of a JSON object; what else is in it stays behind the door, and an error's text is given whole."""
    body = json.dumps({"os": "linux", "config": {"Env": ["PASSWORD=canary"]}}).encode()
    with serve(lambda _: answer(200, body)) as served:
        got = ask(Request("GET", served.url, digest=True, keep=("os", "architecture")))
    assert (got.json(), got.sha256) == ({"os": "linux"}, hashlib.sha256(body).hexdigest())
    assert "canary" not in repr(got)
    with serve(lambda _: answer(403, b"<Code>AuthorizationFailure</Code>")) as served:
        got = ask(Request("GET", served.url, digest=True, keep=("os",)))
    assert (got.body, got.sha256) == ("<Code>AuthorizationFailure</Code>", "")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff\x00", b"[" * 100_000, b'{"os":' * 100_000])
def test_a_body_that_is_no_object_has_no_fields(body: bytes) -> None:
    """However deep it is nested."""
    with serve(lambda _: answer(200, body)) as served:
        assert ask(Request("GET", served.url, digest=True, keep=("os",))).json() is None
        assert ask(Request("GET", served.url, limit=1_000_000)).json() is None


def test_nothing_is_decompressed() -> None:
    """A small answer that would unpack to very much stays small."""
    bomb = gzip.compress(bytes(50_000_000))
    with serve(lambda _: answer(200, bomb, "Content-Encoding: gzip")) as served:
        got = ask(Request("GET", served.url, digest=True))
    assert served.asked[0].header("Accept-Encoding") == "identity"
    assert (got.length, got.sha256) == (len(bomb), hashlib.sha256(bomb).hexdigest())


def test_of_a_very_large_answer_no_more_than_the_limit_is_read() -> None:
    """Five gigabytes are announced."""
    sent = []

    def large(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n"
        for _number in range(5_000):
            sent.append(1)
            yield bytes(1_000_000)

    with serve(large) as served:
        got = ask(Request("GET", served.url, limit=1_000_000, digest=True))
    assert (got.cut, got.length) == (True, 1_000_000)
    assert len(sent) < 50


def test_a_large_body_is_digested_in_little_memory() -> None:
    """It is never there as a whole."""
    part, parts = bytes(1_000_000), 60

    def large(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n"
        for _number in range(parts):
            yield part

    with serve(large) as served:
        ask(Request("GET", served.url, limit=1, digest=True))
        tracemalloc.start()
        got = ask(Request("GET", served.url, limit=len(part) * parts, digest=True, seconds=60))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (got.length, got.cut) == (60_000_000, False)
    assert got.sha256 == hashlib.sha256(part * parts).hexdigest()
    assert peak < 10_000_000


@pytest.mark.parametrize("length", ["Content-Length: 10", "Content-Length: -1", "Content-Length: x"])
def test_a_wrong_length_is_no_answer(length: str) -> None:
    """Fewer bytes than were announced, or a length that is none."""
    head = f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode()
    with serve(lambda _: [head + b"short"]) as served:
        assert trouble(Request("GET", served.url, seconds=2)) in {Trouble.BROKEN, Trouble.TIMEOUT}


def test_a_server_that_knows_only_an_old_tls(tmp_path: Path) -> None:
    """The failure is of TLS, and names the protocol's version."""
    with serve(lambda _: answer(200), old_tls(Authority(tmp_path).leaf("127.0.0.1"))) as served:
        got = wire().handshake(HERE, Handshake("127.0.0.1", served.port))
    assert isinstance(got, Failure)
    assert (got.trouble, "protocol" in got.detail.lower()) == (Trouble.TLS, True)


def test_an_expired_certificate_says_when(tmp_path: Path) -> None:
    """Its dates are read even where its issuer is not trusted either."""
    with serve(lambda _: answer(200), Authority(tmp_path).leaf("127.0.0.1", days=-3)) as served:
        got = wire().handshake(HERE, Handshake("127.0.0.1", served.port))
    assert isinstance(got, Shaken)
    assert got.problem
    assert got.expires


def test_a_server_on_ipv6_only() -> None:
    """It is reached as any other."""
    with serve(lambda _: answer(200, b"{}"), address="::1") as served:
        assert wire().connect(HERE, Connect("::1", served.port)) == Connected("::1")
        assert ask(Request("GET", f"http://[::1]:{served.port}/")).json() == {}
