"""Exec over a websocket: input closed, output bounded, and every way of not running told apart."""

import base64
import hashlib
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from acrcheck.clock import SystemClock
from acrcheck.cluster.hands import Executed
from acrcheck.cluster.kubeconfig import ConnectionFlags, connect
from acrcheck.cluster.live import LiveCluster
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.model import Permission
from tests.unit.loopback import Asked, Served, answer, serve

SUCCESS = b'{"metadata":{},"status":"Success"}'
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(data: bytes, code: int = 2) -> bytes:
    """A websocket frame of a server, not masked (RFC 6455)."""
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
    return bytes([0x80 | code]) + length + data


def accepted(asked: Asked, protocol: str = "v5.channel.k8s.io") -> bytes:
    """The server's answer to the handshake."""
    key = base64.b64encode(hashlib.sha1((asked.header("Sec-WebSocket-Key") + GUID).encode()).digest())  # noqa: S324 - the protocol's own
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + key + b"\r\nSec-WebSocket-Protocol: " + protocol.encode() + b"\r\n\r\n"
    )


def run(served: Served, **more: Any) -> Executed | Answer:
    """Run a program there."""
    flags = ConnectionFlags(server=served.url, token="operator-token", as_user=more.pop("as_user", ""))
    door = LiveCluster(connect(flags, SystemClock(), {"HOME": "/nonexistent"}), SystemClock())
    return door.exec("coder", "coderd-1", "coder", ["curl", "-q", "--config", "-"], **more)


def ending(error: bytes, *parts: bytes) -> Any:
    """A server that sends these messages and this word on how it ended."""

    def reply(asked: Asked) -> Iterator[bytes]:
        yield accepted(asked)
        for part in parts:
            yield frame(part)
        yield frame(b"\x03" + error) + frame(b"\x03\xe8", 8)

    return reply


def repeat(reply: list[bytes]) -> Any:
    """A server that always gives this reply."""
    return lambda _: reply


def status(message: str, reason: str = "InternalError", code: int = 500) -> bytes:
    """A Status object."""
    return json.dumps(
        {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}
    ).encode()


def test_output_code_and_channels() -> None:
    """Standard output and error come back apart, byte for byte, with the exit code."""
    exit_code = json.dumps(
        {
            "kind": "Status",
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "6"}]},
        }
    ).encode()
    with serve(ending(exit_code, b"\x01out\xff", b"\x02err", b"\x01more")) as served:
        assert run(served) == Executed(6, b"out\xffmore", b"err")
    asked = served.asked[0]
    query = parse_qs(urlsplit(asked.target).query)
    assert urlsplit(asked.target).path == "/api/v1/namespaces/coder/pods/coderd-1/exec"
    assert query == {
        "container": ["coder"],
        "stdout": ["true"],
        "stderr": ["true"],
        "command": ["curl", "-q", "--config", "-"],
    }
    assert asked.header("Authorization") == "Bearer operator-token"


def test_success() -> None:
    """Nothing written, all well."""
    with serve(ending(SUCCESS)) as served:
        assert run(served) == Executed(0)


def test_more_than_the_limit_is_cut() -> None:
    """A program that never stops writing is left after the limit."""

    def endless(asked: Asked) -> Iterator[bytes]:
        yield accepted(asked)
        while True:
            yield frame(b"\x01" + b"x" * 60_000)

    with serve(endless) as served:
        got = run(served, limit=100_000)
    assert got == Executed(None, b"x" * 100_000, b"", cut=True)


def test_a_program_that_does_not_end_is_left() -> None:
    """Past its time a program is left with what it wrote, and has no code."""

    def slow(asked: Asked) -> Iterator[bytes]:
        yield accepted(asked) + frame(b"\x01half")
        threading.Event().wait(0.6)

    with serve(slow) as served:
        got = run(served, seconds=0.3)
    assert isinstance(got, Executed)
    assert (got.late, got.stdout) == (True, b"half")


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ('container not found ("coder")', Outcome.INVALID),
        ("pod coderd-1 does not have a host assigned", Outcome.INVALID),
        ("cannot exec into a container in a completed pod; current phase is Failed", Outcome.INVALID),
        ("error dialing backend: dial tcp 10.0.0.1:10250: connect: no route to host", Outcome.ERROR),
    ],
)
def test_why_a_program_was_not_started(message: str, outcome: Outcome) -> None:
    """No running container is `invalid`; a kubelet out of reach is an error. Both in the server's words."""
    with serve(ending(status(message))) as served:
        got = run(served)
    assert got == Answer(outcome, detail=message)
    for body in (status(message), message.encode()):
        with serve(repeat(answer(500, body))) as served:
            assert run(served) == Answer(outcome, detail=message)


def test_a_program_that_is_not_in_the_image() -> None:
    """What runc says of a missing program is an exit code of 127, as a shell would give."""
    message = (
        "command terminated: OCI runtime exec failed: exec failed: unable to start container process: "
        'exec: "curl": executable file not found in $PATH: unknown'
    )
    with serve(ending(status(message))) as served:
        got = run(served)
    assert isinstance(got, Executed)
    assert got.missing


def test_the_server_refuses() -> None:
    """403 carries the permission; 404 says that the pod is gone; 401 is told; HTML is malformed."""
    for verb in ("get", "create"):
        message = f'pods "coderd-1" is forbidden: User "x" cannot {verb} resource "pods/exec" in API group ""'
        with serve(repeat(answer(403, status(message, "Forbidden", 403)))) as served:
            got = run(served)
        assert isinstance(got, Answer)
        assert got.permission == Permission(verb, "pods", "coder", "", "exec")
    gone = json.dumps(
        {"kind": "Status", "message": "pods not found", "details": {"name": "coderd-1"}}
    ).encode()
    for code, body, outcome in [
        (404, gone, Outcome.ABSENT),
        (401, status("Unauthorized", "Unauthorized", 401), Outcome.UNAUTHORIZED),
        (502, b"<html>bad gateway</html>", Outcome.MALFORMED),
    ]:
        reply = answer(code, body)
        with serve(repeat(reply)) as served:
            got = run(served)
        assert isinstance(got, Answer)
        assert got.outcome is outcome


def test_a_server_that_does_not_answer_the_handshake() -> None:
    """Opening the connection has a limit of its own."""

    def silent(_: Asked) -> Iterator[bytes]:
        threading.Event().wait(0.5)
        yield b""

    with serve(silent) as served:
        got = run(served, seconds=0.2)
    assert got == Answer(Outcome.TIMEOUT, detail="no answer in time")


def test_a_connection_that_breaks() -> None:
    """An end without a word on the program is an error, not a success."""
    with serve(lambda asked: [accepted(asked) + frame(b"\x01half")]) as served:
        got = run(served)
    assert isinstance(got, Answer)
    assert got.outcome is Outcome.ERROR


def test_an_old_server_is_told_the_length() -> None:
    """Where input cannot be closed (before Kubernetes 1.30), the program is told how long it is."""

    def old(asked: Asked) -> Iterator[bytes]:
        yield accepted(asked, "v4.channel.k8s.io")
        if "head" in asked.target:
            yield frame(b"\x01done") + frame(b"\x03" + SUCCESS) + frame(b"\x03\xe8", 8)

    with serve(old) as served:
        assert run(served, stdin=b"url = x\n") == Executed(0, b"done")
    words = parse_qs(urlsplit(served.asked[1].target).query)["command"]
    assert words == ["sh", "-c", 'head -c "$0" | "$@"', "8", "curl", "-q", "--config", "-"]


def test_nobody_else_runs_programs() -> None:
    """With --as nothing is run, rather than run with the operator's own rights."""
    with serve(lambda _: []) as served:
        got = run(served, as_user="sre")
    assert isinstance(got, Answer)
    assert "--as sre" in got.detail
    assert served.asked == []
