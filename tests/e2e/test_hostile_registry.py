"""`acrcheck creds` against registries that are none, or that do harm: a named cause, in bounded time."""

import json
import ssl
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import call
from tests.e2e.test_creds import CONFIG, KIND, MANIFEST, PASSWORD, USER
from tests.unit.loopback import Asked, Authority, Leaf, answer, old_tls, serve

Reply = Callable[[Asked], Iterable[bytes]]
IMAGE = f"Content-Type: {KIND}manifest.v1+json"
SECONDS = 50
"""Generous, for a busy machine: what is asked ends by itself, and a command that does not is ended after a minute."""


def verdict(folder: Path, reply: Reply, tls: Callable[[Authority], Leaf | ssl.SSLContext]) -> dict[str, Any]:
    """Try a credential there: what failed, and the causes named."""
    authority = Authority(folder)
    began = time.monotonic()
    with serve(reply, tls(authority)) as served:
        where = f"127.0.0.1:{served.port}/team/app:1"
        environ: dict[str, Any] = {"SSL_CERT_FILE": str(authority.certificate), "ACRCHECK_PASSWORD": PASSWORD}
        done = call("creds", where, "--username", USER, "-o", "json", **environ)
        sent = [asked.header("Authorization") for asked in served.asked]
    assert time.monotonic() - began < SECONDS
    assert PASSWORD not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    checks = [check for category in report["categories"] for check in category["checks"]]
    return {
        "failed": [check["id"] for check in checks if check["status"] == "fail"],
        "causes": [cause["id"] for cause in report["causes"]],
        "steps": [step for cause in report["causes"] for step in cause["remedies"]],
        "exitCode": done.returncode,
        "sent": sent,
    }


def good(authority: Authority) -> Leaf:
    """A certificate as it should be."""
    return authority.leaf("127.0.0.1")


def opened(manifest: bytes = MANIFEST, blob: Iterable[bytes] | None = None) -> Reply:
    """A registry that asks for no credential, with one manifest and one blob."""

    def reply(asked: Asked) -> Iterable[bytes]:
        if asked.target == "/v2/":
            return answer(200, b"{}", "Docker-Distribution-Api-Version: registry/2.0")
        if "/blobs/" in asked.target:
            return answer(200, CONFIG) if blob is None else blob
        return answer(200, b"" if asked.method == "HEAD" else manifest, IMAGE)

    return reply


def large(asked: Asked) -> Iterable[bytes]:
    """A registry whose manifest has five gigabytes."""
    if asked.target == "/v2/" or asked.method == "HEAD":
        yield from opened()(asked)
        return
    yield f"HTTP/1.1 200 OK\r\n{IMAGE}\r\nContent-Length: 5000000000\r\n\r\n".encode()
    for _ in range(5_000):
        yield bytes(1_000_000)


def bomb(asked: Asked) -> Iterable[bytes]:
    """A registry whose manifest is a hundred megabytes of nothing, compressed."""
    if asked.target == "/v2/":
        return opened()(asked)
    packer = zlib.compressobj(wbits=31)
    packed = b"".join([*(packer.compress(bytes(10_000_000)) for _ in range(10)), packer.flush()])
    return answer(200, packed, IMAGE, "Content-Encoding: gzip")


REGISTRIES: dict[str, tuple[Reply, Callable[[Authority], Leaf | ssl.SSLContext], str, str]] = {
    "captive portal": (
        lambda _: answer(200, b"<html>Log in</html>"),
        good,
        "registry-challenge",
        "captive-portal",
    ),
    "redirects to plain HTTP": (
        lambda asked: answer(301, b"", f"Location: http://127.0.0.1:1{asked.target}"),
        good,
        "registry-challenge",
        "captive-portal",
    ),
    "redirects in circles": (
        lambda asked: answer(302, b"", f"Location: {asked.target}"),
        good,
        "registry-challenge",
        "not-an-azure-registry",
    ),
    "credentials over plain HTTP": (
        lambda _: answer(401, b"", 'WWW-Authenticate: Bearer realm="http://127.0.0.1:1/token"'),
        good,
        "registry-challenge",
        "plain-http",
    ),
    "an old TLS": (
        lambda _: answer(200),
        lambda authority: old_tls(good(authority)),
        "registry-tls",
        "tls-too-old",
    ),
    "an expired certificate": (
        lambda _: answer(200),
        lambda authority: authority.leaf("127.0.0.1", days=-3),
        "registry-tls",
        "tls-server-cert-expired",
    ),
    "a very large manifest": (large, good, "registry-manifest", "not-a-container-image"),
    "a deep manifest": (opened(b"[" * 200_000), good, "registry-manifest", "not-a-container-image"),
    "blobs in circles": (
        opened(blob=answer(307, b"", "Location: /v2/team/app/blobs/again")),
        good,
        "registry-config",
        "blob-storage-blocked",
    ),
    "another blob": (
        opened(blob=answer(200, b"x" * len(CONFIG))),
        good,
        "registry-config",
        "blob-corrupt",
    ),
    "a manifest that is a gzip bomb": (
        lambda asked: bomb(asked) if asked.method == "GET" else opened()(asked),
        good,
        "registry-manifest",
        "not-a-container-image",
    ),
    "a blob of fewer bytes than it has": (
        opened(blob=[f"HTTP/1.1 200 OK\r\nContent-Length: {len(CONFIG) - 1}\r\n\r\n".encode() + CONFIG]),
        good,
        "registry-config",
        "blob-corrupt",
    ),
    "a blob over plain HTTP and nobody there": (
        opened(blob=answer(307, b"", "Location: http://127.0.0.1:1/blob")),
        good,
        "registry-config",
        "blob-storage-blocked",
    ),
    "a page with status 401": (
        lambda _: answer(401, b"<html>Log in</html>", "Content-Type: text/html"),
        good,
        "registry-challenge",
        "not-an-azure-registry",
    ),
    "a blob that ends early": (
        opened(blob=[b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx"]),
        good,
        "registry-config",
        "blob-storage-blocked",
    ),
}


@pytest.mark.parametrize("name", REGISTRIES)
def test_a_hostile_registry_has_a_named_cause(name: str, tmp_path: Path) -> None:
    """The step at which it stops fails, and its cause is named first; no command speaks of a cluster."""
    reply, tls, check, cause = REGISTRIES[name]
    found = verdict(tmp_path, reply, tls)
    assert (found["failed"][0], found["causes"][0], found["exitCode"]) == (check, cause, 1)
    assert not [step for step in found["steps"] if "kubectl" in step["command"]]


def test_a_registry_that_asks_for_no_credential_gets_none(tmp_path: Path) -> None:
    """All is read, and nothing secret was sent."""
    found = verdict(tmp_path, opened(), good)
    assert (found["failed"], found["exitCode"], set(found["sent"])) == ([], 0, {""})


def test_a_registry_with_an_address_of_ipv6_only_is_read(tmp_path: Path) -> None:
    """Over the connection that was opened to see that it opens, and the report says so."""
    authority = Authority(tmp_path)
    with serve(opened(), authority.leaf("::1"), address="::1") as served:
        environ: dict[str, Any] = {"SSL_CERT_FILE": str(authority.certificate), "ACRCHECK_PASSWORD": PASSWORD}
        done = call("creds", f"[::1]:{served.port}/team/app:1", "--username", USER, "-o", "json", **environ)
    report = json.loads(done.stdout)
    checks = {check["id"]: check for category in report["categories"] for check in category["checks"]}
    assert (done.returncode, checks["registry-layer"]["status"]) == (0, "pass")
    assert "has only addresses of IPv6" in json.dumps(checks["registry-dns"])


def test_nested_indexes_and_circles_end(tmp_path: Path) -> None:
    """A manifest list that leads to itself is no image, and few requests are made to find out."""
    entry = {"mediaType": f"{KIND}index.v1+json", "digest": "sha256:" + "a" * 64, "size": 1}
    index = json.dumps(
        {"schemaVersion": 2, "mediaType": f"{KIND}index.v1+json", "manifests": [entry] * 9}
    ).encode()

    def reply(asked: Asked) -> Iterable[bytes]:
        if asked.target == "/v2/":
            return opened()(asked)
        return answer(200, b"" if asked.method == "HEAD" else index, f"Content-Type: {KIND}index.v1+json")

    found = verdict(tmp_path, reply, good)
    assert found["failed"][0] == "registry-manifest"
    assert len(found["sent"]) < 10
