"""The installed command and Coder's API on a real socket: where the token comes from, and where it never goes."""

import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from acrcheck.lab import objects
from acrcheck.lab.coder import TOKEN, Coder, CoderApi, switched
from acrcheck.lab.serve import Server
from tests.e2e.command import BIN, ENVIRON, SECONDS, call
from tests.e2e.stub import serving
from tests.unit.loopback import Authority

HOST = "acme.azurecr.io"
CHECKS = "coder-api,coder-token,coder-flag,coder-registry"


def coder(**changed: Any) -> Coder:
    """A deployment that has an entry for the registry, and its switch on."""
    log = [switched("enabled", datetime.now(UTC))]
    return Coder(**{"registries": {HOST: "acr"}, "audit": log, **changed})


@contextmanager
def deployment(state: Coder, folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[tuple[Server, str]]:
    """A cluster with Coder's control plane, as its API server tells it, and Coder's own API."""
    manifest = objects.coderd("coder", labels={"aadpodidbinding": "coder"})

    def answer(_: str, path: str) -> tuple[int, dict[str, Any]]:
        if path.startswith("/version"):
            return 200, {"gitVersion": "v1.36.3"}
        if "selfsubjectaccessreviews" in path:
            return 201, {"status": {"allowed": True}}
        items = [manifest] if "/deployments" in path else []
        return 200, {"kind": "List", "metadata": {}, "items": items}

    api = CoderApi(lambda: state, lambda: datetime.now(UTC))
    with serving(answer) as stub, Server(api, tls=tls) as server:
        yield server, stub.kubeconfig(folder)


def words(server: Server, kubeconfig: str, *more: str) -> tuple[str, ...]:
    """The command line of a run that asks Coder."""
    url = f"https://localhost:{server.port}" if server.url.startswith("https") else server.url
    place = ("--kubeconfig", kubeconfig, "--registry", HOST, "--coder-url", url)
    return ("run", "--only", CHECKS, *place, *more)


def token_file(folder: Path, token: str = TOKEN) -> str:
    """A file that holds a session token."""
    path = folder / "session-token"
    path.write_text(f"{token}\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("variable", ["ACRCHECK_CODER_TOKEN", "CODER_TOKEN", "CODER_SESSION_TOKEN"])
def test_the_token_may_be_in_the_environment(variable: str, tmp_path: Path) -> None:
    """Under our own name, or those of the CLIs."""
    with deployment(coder(), tmp_path) as (server, kubeconfig):
        environ: dict[str, Any] = {variable: TOKEN}
        done = call(*words(server, kubeconfig), **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "√ Coder has an entry for the registry" in done.stdout
    assert "√ Azure registry authentication is on in Coder" in done.stdout


def test_the_token_may_come_from_standard_input_and_goes_nowhere(tmp_path: Path) -> None:
    """What is printed, and what is written, has none of it."""
    report = tmp_path / "report.json"
    with deployment(coder(), tmp_path) as (server, kubeconfig):
        done = subprocess.run(
            [
                str(BIN / "acrcheck"),
                *words(server, kubeconfig, "--coder-token-file", "-", "-vv", "--report", f"json={report}"),
            ],
            env=ENVIRON,
            input=f"{TOKEN}\n",
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert TOKEN not in done.stdout + done.stderr + report.read_text(encoding="utf-8")


def test_a_file_goes_before_the_environment(tmp_path: Path) -> None:
    """The more particular one counts."""
    with deployment(coder(), tmp_path) as (server, kubeconfig):
        more = ("--coder-token-file", token_file(tmp_path))
        done = call(*words(server, kubeconfig, *more), ACRCHECK_CODER_TOKEN="another-token-that-is-old")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_expired_token_leaves_the_run_inconclusive(tmp_path: Path) -> None:
    """Exit 3: nothing failed, and something that was asked for is not known."""
    with deployment(coder(), tmp_path) as (server, kubeconfig):
        more = ("--coder-token-file", token_file(tmp_path, "an-old-token-0123456789"), "-o", "json")
        done = call(*words(server, kubeconfig, *more))
    report = json.loads(done.stdout)
    assert done.returncode == report["summary"]["exitCode"] == 3
    assert "coder-token-refused" in [cause["id"] for cause in report["causes"]]
    assert "an-old-token" not in done.stdout


def test_a_missing_entry_fails(tmp_path: Path) -> None:
    """Exit 1, with the clicks that make one."""
    with deployment(coder(registries={"docker.io": "hub"}), tmp_path) as (server, kubeconfig):
        done = call(*words(server, kubeconfig), ACRCHECK_CODER_TOKEN=TOKEN)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"Coder has no entry for {HOST}, only for docker.io" in done.stdout
    assert "Add a new registry" in done.stdout


def test_a_self_signed_certificate_is_trusted_only_when_it_is_given(tmp_path: Path) -> None:
    """Nothing is sent to somebody who cannot be trusted; with the authority's certificate all is well."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    with deployment(coder(), tmp_path, context) as (server, kubeconfig):
        refused = call(*words(server, kubeconfig), ACRCHECK_CODER_TOKEN=TOKEN)
        trusted = call(
            *words(server, kubeconfig), ACRCHECK_CODER_TOKEN=TOKEN, SSL_CERT_FILE=str(authority.certificate)
        )
    assert refused.returncode == 3, refused.stdout + refused.stderr
    assert "is not trusted here" in refused.stdout
    assert trusted.returncode == 0, trusted.stdout + trusted.stderr


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (
            httpx.Response(302, headers={"Location": "https://login.example/start?rd=x"}),
            "leads to https://login.example",
        ),
        (
            httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"<html>Sign in</html>"),
            "a page for people",
        ),
        (httpx.Response(200, content=b"{"), "is not Coder's API"),
        (httpx.Response(502, content=b""), "HTTP 502"),
    ],
)
def test_what_is_not_coders_api_is_said(response: httpx.Response, said: str, tmp_path: Path) -> None:
    """A login page, a proxy's error, broken JSON: unknown and why, exit 3, and no token was sent."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.extend(request.headers)
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    with deployment(coder(), tmp_path) as (_, kubeconfig), Server(answer) as server:
        done = call(*words(server, kubeconfig), ACRCHECK_CODER_TOKEN=TOKEN)
    assert done.returncode == 3, done.stdout + done.stderr
    assert said in " ".join(done.stdout.split())
    assert asked
    assert "session-token" not in asked


def test_version_2_in_place_of_version_1_is_said(tmp_path: Path) -> None:
    """Exit 3, and both are named."""
    with deployment(coder(generation="v2", version="v2.20.0"), tmp_path) as (server, kubeconfig):
        done = call(*words(server, kubeconfig), ACRCHECK_CODER_TOKEN=TOKEN)
    assert done.returncode == 3
    assert "is Coder v2.20.0, and deployment/coderd is Coder v1" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("args", "environ", "said"),
    [
        (("--coder-url", "coder.example.com"), {}, "neither https:// nor http://"),
        (("--coder-url", "https://coder.example.com/manage"), {}, "only the part up to the host"),
        (("--coder-url", "http://coder.example.com"), {"CODER_TOKEN": "x" * 20}, "clear text"),
        (
            ("--coder-url", "https://c.example", "--coder-token-file", "/nonexistent"),
            {},
            "cannot read /nonexistent",
        ),
        (
            ("--coder-url", "https://c.example", "--coder-token-file", "/dev/null"),
            {},
            "there is no session token",
        ),
        (("--coder-url", "https://c.example"), {"CODER_TOKEN": "two words"}, "a blank or a line break"),
    ],
)
def test_what_cannot_be_is_refused_at_once(
    args: tuple[str, ...], environ: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """Exit 2, and nothing was asked of anybody."""
    with serving() as stub:
        done = call("run", "--kubeconfig", stub.kubeconfig(tmp_path), *args, **environ)
        assert stub.requests == []
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
