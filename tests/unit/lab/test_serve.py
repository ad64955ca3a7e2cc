"""Simulated services behind real sockets, on the loopback interface."""

import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from acrcheck.clock import SystemClock
from acrcheck.lab.answers import Waiting, answer
from acrcheck.lab.clock import LabClock
from acrcheck.lab.rsa import RsaSigner
from acrcheck.lab.serve import Server, forward_to

LIMIT = 10.0  # seconds, for whatever could hang


def echo(request: httpx.Request) -> httpx.Response:
    """Say what was asked."""
    said = {
        "method": request.method,
        "url": str(request.url),
        "headers": request.headers.multi_items(),
        "body": request.read().decode(),
        "client": request.extensions["client"],
        "server": request.extensions["server"],
    }
    return httpx.Response(200, json=said)


def exchange(server: Server, *requests: bytes, end: bytes = b"") -> bytes:
    """Send raw bytes on one connection and read until the server closes it, or `end` has come."""
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as connection:
        for request in requests:
            connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            if end and received.endswith(end):
                break
        return received


def test_headers_are_exactly_those_of_the_service() -> None:
    """In its order and letter case, with no Server header of anybody else's; only a date is added."""

    def service(_request: httpx.Request) -> httpx.Response:
        return answer(404, [("Content-Type", "text/plain"), ("X-odd-CASE", "1"), ("X-odd-CASE", "2")], "no\n")

    with Server(service) as server:
        received = exchange(server, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:5] == [
        b"HTTP/1.1 404 Not Found",
        b"Content-Type: text/plain",
        b"X-odd-CASE: 1",
        b"X-odd-CASE: 2",
        b"Content-Length: 3",
    ]
    assert lines[5].startswith(b"Date: ")
    assert lines[6:] == [b"Connection: close"]
    assert body == b"no\n"


def test_a_connection_is_kept_alive() -> None:
    """Two requests, one connection; also after an empty answer and one to HEAD."""
    answers = iter([answer(301, [("Location", "/x")]), answer(200, [], "head"), answer(200, [], "end")])

    with Server(lambda _request: next(answers)) as server:
        get, head = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
        received = exchange(server, get, head, get, end=b"\r\n\r\nend")

    assert received.count(b"HTTP/1.1 ") == 3
    assert b"HTTP/1.1 301 Moved Permanently\r\nLocation: /x\r\nContent-Length: 0\r\n" in received
    assert b"Content-Length: 4\r\n" in received
    assert b"\r\n\r\nhead" not in received


def test_the_request_arrives_as_it_was_sent() -> None:
    """Method, doubled slashes, query, body, who sent it and to which address."""
    with Server(echo) as server:
        response = httpx.post(f"{server.url}//metadata/x?a=%2Fb&c=$D", content=b"body", timeout=LIMIT)

    said = response.json()
    assert said["method"] == "POST"
    assert said["url"] == f"{server.url}//metadata/x?a=%2Fb&c=$D"
    assert (said["body"], said["client"], said["server"]) == ("body", "127.0.0.1", "127.0.0.1")


def test_the_host_header_names_the_service() -> None:
    """So that several public names can share one socket."""
    with Server(echo) as server:
        said = httpx.get(f"{server.url}/v2/", headers={"Host": "labreg.azurecr.io"}, timeout=LIMIT).json()

    assert said["url"] == "http://labreg.azurecr.io/v2/"


def test_a_chunked_body_is_put_together() -> None:
    """As image pushes send it; the service does not see how it came, and the connection stays usable."""
    chunked = (
        b"PATCH /u HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n"
    )
    plain = b"PUT /v HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab"

    with Server(echo) as server:
        received = exchange(server, chunked, plain)

    assert b'"body":"hello!"' in received
    assert b'"body":"ab"' in received
    assert b"transfer-encoding" not in received.lower()


def test_a_request_can_be_put_absolutely() -> None:
    """As a client with a proxy would."""
    with Server(echo) as server:
        request = b"GET http://h/x?y=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        received = exchange(server, request)

    assert b'"url":"http://h/x?y=1"' in received


def test_a_service_that_is_not_there_resets_the_connection() -> None:
    """A transport error of the handler becomes one of the client."""

    def service(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with Server(service) as server, pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        httpx.get(server.url, timeout=LIMIT)


def test_a_stopped_server_refuses() -> None:
    """Nothing listens after its end."""
    with Server(echo) as server:
        url = server.url

    with pytest.raises(httpx.ConnectError):
        httpx.get(url, timeout=LIMIT)


def test_a_fault_of_the_simulator_is_told() -> None:
    """It must not pass for an answer of the simulated service."""

    def service(_request: httpx.Request) -> httpx.Response:
        raise KeyError("node")

    with Server(service) as server:
        response = httpx.get(server.url, timeout=LIMIT)

    assert response.status_code == 599
    assert response.text == "the simulator failed: KeyError: 'node'\n"


def test_a_held_request_ends_when_the_client_hangs_up() -> None:
    """The service really waits, but not for longer than somebody listens."""
    ended = threading.Event()

    def service(request: httpx.Request) -> httpx.Response:
        try:
            Waiting(request, SystemClock()).wait(60)
        except httpx.ReadError:
            ended.set()
            raise
        return answer(200, [])

    with Server(service) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(server.url, timeout=0.05)
        assert ended.wait(LIMIT)


def test_stopping_ends_kept_connections() -> None:
    """A client that kept its connection notices, as with a process that was killed."""
    with Server(echo) as server, httpx.Client(timeout=LIMIT) as client:
        assert client.get(server.url).status_code == 200
        server.stop()
        with pytest.raises(httpx.TransportError):
            client.get(server.url)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS."""
    signer = RsaSigner.generate(SystemClock().now())
    path = tmp_path / "both.pem"
    path.write_bytes(signer.key_pem + signer.certificate_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def trusting() -> ssl.SSLContext:
    """A client's side of TLS that believes everybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_it_speaks_tls(tls: ssl.SSLContext) -> None:
    """The service sees https, and a client that never finishes its handshake holds up nobody."""
    with (
        Server(echo, tls=tls) as server,
        socket.create_connection(("127.0.0.1", server.port), LIMIT),
        httpx.Client(verify=trusting(), timeout=LIMIT) as client,
    ):
        first = client.post(f"{server.url}/v2/", content=b"x" * 100_000)
        second = client.get(f"{server.url}/v2/")

    assert first.json()["url"] == second.json()["url"] == f"{server.url}/v2/"
    assert server.url.startswith("https://")


def test_a_failed_handshake_is_the_clients_trouble(tls: ssl.SSLContext) -> None:
    """Plain HTTP to a TLS port gets nothing, and the next client is served."""
    with Server(echo, tls=tls) as server:
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http"), timeout=LIMIT)
        assert httpx.get(server.url, verify=trusting(), timeout=LIMIT).status_code == 200


def test_requests_can_be_passed_on_to_a_real_server() -> None:
    """Path, method, headers with the Host, and body go; status, headers and body come back unchanged."""

    def service(request: httpx.Request) -> httpx.Response:
        said = echo(request)
        return answer(202, [("X-Odd", "1"), ("Content-Type", "application/json")], said.content)

    with Server(service) as server:
        backend = forward_to(server.url)
        request = httpx.Request(
            "POST", "https://labreg.azurecr.io/v2/a/blobs/uploads/?digest=sha256:1", content=b"layer"
        )
        response = backend(request)

    said = response.json()
    assert response.status_code == 202
    assert response.headers["x-odd"] == "1"
    assert said["url"] == "http://labreg.azurecr.io/v2/a/blobs/uploads/?digest=sha256:1"
    assert (said["method"], said["body"]) == ("POST", "layer")
    assert ["x-forwarded-proto", "https"] in said["headers"]


def test_simulated_time_holds_nobody_up_on_a_socket() -> None:
    """With the lab's clock a held request is answered at once."""

    def service(request: httpx.Request) -> httpx.Response:
        Waiting(request, LabClock()).wait(80)
        return answer(200, [], "late")

    with Server(service) as server:
        assert httpx.get(server.url, timeout=LIMIT).text == "late"
