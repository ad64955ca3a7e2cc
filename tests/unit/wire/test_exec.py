"""The wire from inside a container, with the real programs, against servers on the loopback."""

import hashlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from acrcheck.clock import SystemClock
from acrcheck.cluster.reader import Answer, Outcome
from acrcheck.model import Permission
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
from acrcheck.wire.exec import ExecWire
from acrcheck.wire.vault import Vault
from tests.unit.loopback import Asked, Authority, answer, serve
from tests.unit.wire.machine import Machine

INSIDE = Vantage("exec", "coder", "coderd-1", "coder", "node-1")
TOKEN = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2V4YW1wbGUifQ.c2VjcmV0LXNpZ25hdHVyZQ"
SIGNATURE = "c2VjcmV0LXNpZ25hdHVyZQ"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """An image without any program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return Machine(folder)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


def wire(machine: Machine, vault: Vault | None = None) -> ExecWire:
    """The wire under test."""
    return ExecWire(machine, vault or Vault(), SystemClock())


def ask(machine: Machine, question: Request, vault: Vault | None = None) -> Response:
    """Ask, and insist on an answer."""
    got = wire(machine, vault).request(INSIDE, question)
    assert isinstance(got, Response), got
    return got


def fail(machine: Machine, question: Request) -> Failure:
    """Ask, and insist on a failure."""
    got = wire(machine).request(INSIDE, question)
    assert isinstance(got, Failure), got
    return got


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


CLIENTS = ["curl", "python3"]


@pytest.mark.parametrize("client", [*CLIENTS, "wget"])
def test_status_headers_and_body_arrive(machine: Machine, client: str) -> None:
    """Whatever the program, the answer is the same: status, headers in lower case, body."""
    with serve(
        lambda _: answer(403, b"adal: refused\n", "Content-Type: text/plain", "X-Odd: a: b")
    ) as served:
        got = ask(machine.install(client), Request("GET", f"{served.url}/p?q=1", (("Metadata", "true"),)))
    assert (got.status, got.body, got.length, got.cut) == (403, "adal: refused\n", 14, False)
    assert got.header("content-type") == "text/plain"
    assert got.header("x-odd") == "a: b"
    assert served.asked[0].target == "/p?q=1"
    assert served.asked[0].header("Metadata") == "true"


@pytest.mark.parametrize("client", CLIENTS)
def test_secrets_never_stand_in_arguments(machine: Machine, client: str) -> None:
    """Bearer, Basic and form secrets reach the server, and no argument of any program holds them."""
    vault = Vault()
    (secret,) = vault.seal(TOKEN)[1]
    with serve(lambda _: answer(200, b"{}")) as served:
        machine.install(client)
        ask(machine, Request("GET", f"{served.url}/a", bearer=secret.handle), vault)
        ask(machine, Request("GET", f"{served.url}/b", basic=("name", secret.handle)), vault)
        form = (("grant_type", "access_token"), ("access_token", secret.handle), ("tenant", "a b&c"))
        ask(machine, Request("POST", f"{served.url}/c", form=form), vault)
    bearer, basic, posted = served.asked
    assert bearer.header("Authorization") == f"Bearer {TOKEN}"
    assert basic.header("Authorization").startswith("Basic ")
    assert posted.method == "POST"
    assert posted.header("Content-Type") == "application/x-www-form-urlencoded"
    assert posted.body.decode() == f"grant_type=access_token&access_token={TOKEN}&tenant=a+b%26c"
    assert all(SIGNATURE not in word and served.url not in word for ran in machine.ran for word in ran.argv)


def test_wget_is_not_given_a_secret(machine: Machine) -> None:
    """The headers of wget are arguments, so a request with a secret is not put to it: the tool is missing."""
    vault = Vault()
    (secret,) = vault.seal(TOKEN)[1]
    with serve(lambda _: answer(200)) as served:
        got = wire(machine.install("wget"), vault).request(
            INSIDE, Request("GET", served.url, bearer=secret.handle)
        )
    assert isinstance(got, Failure)
    assert (got.trouble, got.tool) == (Trouble.NO_TOOL, "curl, python3")
    assert "--allow debug-container" in got.remedy
    assert served.asked == []
    assert all(ran.argv[0] != "wget" for ran in machine.ran)


@pytest.mark.parametrize("client", CLIENTS)
def test_tokens_in_an_answer_are_sealed(machine: Machine, client: str) -> None:
    """A token in the body is a handle with its claims; its signature is nowhere in the answer."""
    body = json.dumps({"access_token": TOKEN, "refresh_token": "opaque-secret"}).encode()
    with serve(lambda _: answer(200, body, "Set-Cookie: session=very-secret")) as served:
        got = ask(machine.install(client), Request("GET", served.url))
    assert SIGNATURE not in repr(got)
    assert "opaque-secret" not in repr(got)
    assert "very-secret" not in repr(got)
    told = got.json()
    assert told
    secret = got.secret(told["access_token"])
    assert secret
    assert secret.claims == {"aud": "https://example"}


@pytest.mark.parametrize("client", [*CLIENTS, "wget"])
def test_redirects_are_not_followed(machine: Machine, client: str) -> None:
    """A redirect is the answer, and its signed query is a handle that opens again."""
    with serve(lambda _: answer(307, b"", "Location: https://blob.example/x?sig=SIGNED&se=1")) as served:
        vault = Vault()
        got = ask(machine.install(client), Request("GET", served.url), vault)
    assert got.status == 307
    assert got.header("location").startswith("https://blob.example/x?<query:")
    assert vault.open(got.header("location")) == "https://blob.example/x?sig=SIGNED&se=1"
    assert len(served.asked) == 1


def test_busybox_follows_but_the_redirect_is_the_answer(machine: Machine) -> None:
    """BusyBox' wget cannot be kept from following; what is told is the first answer."""

    def redirecting(asked: Asked) -> list[bytes]:
        return answer(302, b"", "Location: /other") if asked.target == "/" else answer(200, b"other")

    with serve(redirecting) as served:
        got = ask(machine.install(busybox=["wget"]), Request("GET", f"{served.url}/"))
    assert (got.status, got.body) == (302, "")


def test_busybox_hides_an_errors_body(machine: Machine) -> None:
    """An error seen by BusyBox' wget is no answer, because who gave it cannot be told."""
    with serve(lambda _: answer(404, b"no azure identity found")) as served:
        got = fail(machine.install(busybox=["wget"]), Request("GET", served.url))
    assert got.trouble is Trouble.NO_TOOL
    assert "HTTP 404" in got.detail


def test_python_shows_what_busybox_hides(machine: Machine) -> None:
    """With python3 beside BusyBox' wget the error's body is seen after all."""
    with serve(lambda _: answer(404, b"no azure identity found")) as served:
        got = ask(machine.install("python3", busybox=["wget"]), Request("GET", served.url))
    assert (got.status, got.body) == (404, "no azure identity found")


def test_busybox_shows_a_success(machine: Machine) -> None:
    """A success seen by BusyBox' wget is an answer like another."""
    with serve(lambda _: answer(200, b'{"a": 1}', "Content-Type: application/json")) as served:
        got = ask(machine.install(busybox=["wget"]), Request("GET", served.url, (("Metadata", "true"),)))
    assert got.json() == {"a": 1}
    assert got.header("content-type") == "application/json"
    assert served.asked[-1].header("Metadata") == "true"


@pytest.mark.parametrize("client", CLIENTS)
def test_binary_bodies_are_digested(machine: Machine, client: str) -> None:
    """Bytes that are no text arrive whole: their SHA-256 is that of what the server sent."""
    body = bytes(range(256)) * 40
    with serve(lambda _: answer(200, body)) as served:
        got = ask(machine.install(client), Request("GET", served.url, digest=True))
    assert (
        got.sha256 == "12ac8db1fc3db07a5d8f3f8bc1cb3b9d2e2ed1d1d08ba4a9b9f5cd5c5a8b2e5e"
        or got.length == 10240
    )
    assert got.sha256 == hashlib.sha256(body).hexdigest()
    assert got.body == ""


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_never_ends_is_cut(machine: Machine, client: str) -> None:
    """No more than the limit is read of a body, and the answer says that there was more."""

    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
        while True:
            yield b"<p>again</p>" * 1000

    with serve(endless) as served:
        got = ask(machine.install(client), Request("GET", served.url, limit=100_000, seconds=5))
    assert got.cut
    assert got.length == 100_000
    assert got.body.startswith("<p>again</p>")


@pytest.mark.parametrize("client", CLIENTS)
def test_head_has_headers_and_no_body(machine: Machine, client: str) -> None:
    """HEAD brings the headers and does not wait for the body that they announce."""
    reply = [b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nDocker-Content-Digest: sha256:ab\r\n\r\n"]
    with serve(lambda _: reply) as served:
        got = ask(machine.install(client), Request("HEAD", served.url))
    assert served.asked[0].method == "HEAD"
    assert (got.status, got.header("docker-content-digest"), got.body) == (200, "sha256:ab", "")


@pytest.mark.parametrize("client", [*CLIENTS, "wget"])
def test_nothing_listening_is_refused(machine: Machine, client: str) -> None:
    """A closed port is `refused`, also with curl versions whose message does not say so."""
    got = fail(machine.install(client), Request("GET", f"http://127.0.0.1:{free_port()}/"))
    assert got.trouble is Trouble.REFUSED, got


@pytest.mark.parametrize("client", [*CLIENTS, "wget"])
def test_an_unknown_name_is_unresolved(machine: Machine, client: str) -> None:
    """A name under .invalid never resolves (RFC 6761)."""
    got = fail(machine.install(client), Request("GET", "http://registry.invalid/"))
    assert got.trouble is Trouble.UNRESOLVED, got


@pytest.mark.parametrize("client", CLIENTS)
def test_silence_is_a_timeout(machine: Machine, client: str) -> None:
    """A server that takes the connection and says nothing is a timeout, not a connect timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        got = fail(machine.install(client), Request("GET", f"http://127.0.0.1:{port}/", seconds=0.5))
    assert got.trouble is Trouble.TIMEOUT, got


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    "reply",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
    ids=["no-http", "nothing", "truncated"],
)
def test_what_breaks_is_broken(machine: Machine, client: str, reply: bytes) -> None:
    """No HTTP, an empty answer and a truncated one are `broken`."""
    with serve(lambda _: [reply]) as served:
        got = fail(machine.install(client), Request("GET", served.url, seconds=5))
    assert got.trouble is Trouble.BROKEN, got


def test_interim_answers_are_passed_over(machine: Machine) -> None:
    """A 100 or 103 before the answer is not the answer."""
    reply = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(200, b"body", "X-Real: yes")[0]
    with serve(lambda _: [reply]) as served:
        got = ask(machine.install("curl"), Request("GET", served.url))
    assert (got.status, got.body, got.header("x-real"), got.header("link")) == (200, "body", "yes", "")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_proxy_in_the_environment_is_used(machine: Machine, client: str) -> None:
    """The container's proxy swallows the request, just as it swallows the documentation's curl."""
    with serve(lambda _: answer(403, b"<html>blocked by proxy</html>")) as proxy:
        machine.environ = {"http_proxy": proxy.url}
        got = ask(machine.install(client), Request("GET", "http://metadata.invalid/token"))
    assert got.status == 403
    assert "blocked by proxy" in got.body
    assert proxy.asked[0].target == "http://metadata.invalid/token"


@pytest.mark.parametrize("client", ["curl", "python3", "openssl"])
def test_a_trusted_certificate(machine: Machine, authority: Authority, client: str) -> None:
    """The certificate's subject, issuer and expiry are told, and nothing is said against it."""
    machine.environ = {"SSL_CERT_FILE": str(authority.certificate)}
    with serve(lambda _: answer(401), authority.leaf("127.0.0.1", "localhost")) as served:
        got = wire(machine.install(client)).handshake(INSIDE, Handshake("127.0.0.1", served.port))
    assert isinstance(got, Shaken), got
    assert got.problem == ""
    assert "CN=127.0.0.1" in got.subject.replace(" = ", "=")
    assert "Test Authority" in got.issuer
    assert got.expires.endswith("Z")


@pytest.mark.parametrize("client", ["curl", "python3", "openssl"])
def test_an_untrusted_certificate_still_names_its_issuer(
    machine: Machine, authority: Authority, client: str
) -> None:
    """A certificate of an unknown authority: the problem in the client's words, and who signed it."""
    with serve(lambda _: answer(401), authority.leaf("127.0.0.1")) as served:
        got = wire(machine.install(client)).handshake(INSIDE, Handshake("127.0.0.1", served.port))
    assert isinstance(got, Shaken), got
    assert "certificate" in got.problem.lower()
    assert "Test Authority" in got.issuer


@pytest.mark.parametrize("client", ["curl", "python3", "openssl"])
def test_a_certificate_of_another_name(machine: Machine, authority: Authority, client: str) -> None:
    """A certificate that the client trusts but that is for another name has a problem."""
    machine.environ = {"SSL_CERT_FILE": str(authority.certificate)}
    with serve(lambda _: answer(401), authority.leaf("other.example")) as served:
        got = wire(machine.install(client)).handshake(INSIDE, Handshake("localhost", served.port))
    assert isinstance(got, Shaken), got
    assert got.problem
    assert "other.example" in got.subject


@pytest.mark.parametrize("client", ["curl", "python3", "openssl"])
def test_no_tls_at_all_is_a_tls_failure(machine: Machine, client: str) -> None:
    """A port that speaks no TLS fails the handshake."""
    with serve(lambda _: answer(200)) as served:
        got = wire(machine.install(client)).handshake(INSIDE, Handshake("127.0.0.1", served.port, seconds=2))
    assert isinstance(got, Failure)
    assert got.trouble in {Trouble.TLS, Trouble.TIMEOUT}, got


@pytest.mark.parametrize("client", CLIENTS)
def test_requests_do_not_trust_blindly(machine: Machine, authority: Authority, client: str) -> None:
    """A request to an untrusted server is a TLS failure, and is never sent."""
    with serve(lambda _: answer(200), authority.leaf("127.0.0.1")) as served:
        got = fail(machine.install(client), Request("GET", served.url))
    assert got.trouble is Trouble.TLS
    assert served.asked == []


@pytest.mark.parametrize("client", CLIENTS)
def test_connecting(machine: Machine, client: str) -> None:
    """An open port gives its address; a closed one is refused; an unknown name unresolved."""
    inside = wire(machine.install(client))
    with serve(lambda _: answer(200)) as served:
        assert inside.connect(INSIDE, Connect("localhost", served.port)) == Connected("127.0.0.1")
    refused = inside.connect(INSIDE, Connect("127.0.0.1", served.port))
    assert isinstance(refused, Failure)
    assert refused.trouble is Trouble.REFUSED
    unresolved = inside.connect(INSIDE, Connect("registry.invalid", 80))
    assert isinstance(unresolved, Failure)
    assert unresolved.trouble is Trouble.UNRESOLVED


@pytest.mark.parametrize("client", ["getent", *CLIENTS])
def test_resolving(machine: Machine, client: str) -> None:
    """A name's addresses are told; a name that does not exist is unresolved."""
    inside = wire(machine.install(client))
    got = inside.resolve(INSIDE, Resolve("localhost"))
    assert isinstance(got, Resolved), got
    assert "127.0.0.1" in got.addresses or "::1" in got.addresses
    lost = inside.resolve(INSIDE, Resolve("registry.invalid"))
    assert isinstance(lost, Failure)
    assert lost.trouble is Trouble.UNRESOLVED


BIND = """Server:\t\t10.0.0.10
Address:\t10.0.0.10#53

Non-authoritative answer:
contoso.azurecr.io\tcanonical name = contoso.privatelink.azurecr.io.
contoso.privatelink.azurecr.io\tcanonical name = r1.eastus.cloudapp.azure.com.
Name:\tr1.eastus.cloudapp.azure.com
Address: 10.1.2.3
Name:\tr1.eastus.cloudapp.azure.com
Address: 2001:db8::1
"""
BUSYBOX = """Server:    10.0.0.10
Address 1: 10.0.0.10 kube-dns.kube-system.svc.cluster.local

Name:      contoso.azurecr.io
Address 1: 10.1.2.3
"""
CHAIN = ("contoso.privatelink.azurecr.io", "r1.eastus.cloudapp.azure.com")


@pytest.mark.parametrize(
    ("output", "expected"),
    [(BIND, Resolved(("10.1.2.3", "2001:db8::1"), CHAIN)), (BUSYBOX, Resolved(("10.1.2.3",)))],
    ids=["bind", "busybox"],
)
def test_nslookup_is_read(machine: Machine, output: str, expected: Resolved) -> None:
    """The name server's own address is no answer; the chain of names is."""
    got = wire(machine.script("nslookup", output)).resolve(INSIDE, Resolve("contoso.azurecr.io"))
    assert got == expected


def test_nslookup_adds_the_chain(machine: Machine) -> None:
    """Addresses come from getent, by the application's own rules; the chain from nslookup."""
    machine.script("getent", "10.9.9.9       STREAM contoso.azurecr.io").script("nslookup", BIND)
    got = wire(machine).resolve(INSIDE, Resolve("contoso.azurecr.io"))
    assert got == Resolved(("10.9.9.9",), CHAIN)


@pytest.mark.parametrize(
    ("refusal", "trouble"),
    [
        (Answer(Outcome.ABSENT, detail='pods "coderd-1" not found'), Trouble.GONE),
        (Answer(Outcome.INVALID, detail='container not found ("coder")'), Trouble.NOT_RUNNING),
        (Answer(Outcome.UNREACHABLE, detail="cannot be reached"), Trouble.ERROR),
        (Answer(Outcome.INVALID, detail="exec is not done (--as sre)"), Trouble.ERROR),
    ],
)
def test_why_nothing_can_be_run(machine: Machine, refusal: Answer, trouble: Trouble) -> None:
    """What stood in exec's way is told, and no other program is tried for it."""
    machine.refusal = refusal
    got = fail(machine, Request("GET", "http://127.0.0.1:1/"))
    assert (got.trouble, got.detail) == (trouble, refusal.detail)
    assert got.blind
    assert len(machine.ran) == 1


def test_forbidden_names_the_permission(machine: Machine) -> None:
    """Verb, resource with its subresource, and namespace."""
    permission = Permission("create", "pods", "coder", "", "exec")
    machine.refusal = Answer(Outcome.FORBIDDEN, detail="no", permission=permission)
    got = fail(machine, Request("GET", "http://127.0.0.1:1/"))
    assert (got.trouble, got.permission) == (Trouble.FORBIDDEN, ("create", "pods/exec", "coder"))


def test_an_image_without_tools(machine: Machine) -> None:
    """Where no program can show it, the failure names those that could, and the flags that help."""
    inside = wire(machine)
    got = inside.request(INSIDE, Request("GET", "http://127.0.0.1:1/"))
    assert got == Failure(
        Trouble.NO_TOOL,
        tool="curl, wget, python3",
        remedy="--allow debug-container or --allow probe-pod",
    )
    before = len(machine.ran)
    inside.request(INSIDE, Request("GET", "http://127.0.0.1:1/"))
    assert len(machine.ran) == before, "a missing program is looked for only once"
