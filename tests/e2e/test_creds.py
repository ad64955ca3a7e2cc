"""`acrcheck creds` against a registry on the loopback."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from acrcheck.lab.tokens import HmacSigner, encode
from tests.e2e.command import call
from tests.unit.loopback import Asked, Authority, Served, answer, serve

NULL = "00000000-0000-0000-0000-000000000000"
USER, PASSWORD = "puller", "canary-9f3c2a7e51"
CONFIG = b'{"architecture":"amd64","os":"linux"}'
DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
KIND = "application/vnd.oci.image."
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": f"{KIND}manifest.v1+json",
        "config": {"mediaType": f"{KIND}config.v1+json", "digest": DIGEST, "size": len(CONFIG)},
        "layers": [{"mediaType": f"{KIND}layer.v1.tar", "digest": DIGEST, "size": len(CONFIG)}],
    }
).encode()
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def registry(folder: Path, *actions: str, keep: bool = False) -> Iterator[tuple[Served, dict[str, Any]]]:
    """Run a registry that lets one user do this with `team/app`; gives it, and the environment that trusts it.

    With `keep` it takes many requests on a connection.
    """
    authority = Authority(folder)
    access = [{"type": "repository", "name": "team/app", "actions": list(actions)}]
    token = encode(HmacSigner(b"loopback"), {"access": access})

    def reply(asked: Asked) -> list[bytes]:
        path = asked.target.partition("?")[0]
        if path == "/token":
            known = asked.header("Authorization") == BASIC
            return said(200, json.dumps({"token": token}).encode()) if known else said(401, b"{}")
        if asked.header("Authorization") != f"Bearer {token}":
            realm = f'WWW-Authenticate: Bearer realm="{served.url}/token",service="loopback"'
            return said(401, b"{}", realm)
        if path.startswith("/v2/team/app/blobs/"):
            return said(200, CONFIG)
        return said(200, b"" if asked.method == "HEAD" else MANIFEST, f"Content-Type: {KIND}manifest.v1+json")

    said = partial(answer, keep=keep)
    with serve(reply, authority.leaf("127.0.0.1"), requests=100 if keep else 1) as served:
        yield served, {"SSL_CERT_FILE": str(authority.certificate)}


def tried(served: Served, environ: dict[str, Any], *args: str) -> dict[str, Any]:
    """Try a credential, and give the status of each check."""
    done = call("creds", f"127.0.0.1:{served.port}/team/app:1", *args, "-o", "json", **environ)
    assert PASSWORD not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    checks = [check for category in report["categories"] for check in category["checks"]]
    return {check["id"]: check["status"] for check in checks} | {"exitCode": done.returncode}


def test_a_good_credential_is_good(tmp_path: Path) -> None:
    """All steps to the layer's bytes are done, with the token and not with the password."""
    with registry(tmp_path, "pull") as (served, environ):
        report = tried(served, {**environ, "ACRCHECK_PASSWORD": PASSWORD}, "--username", USER)
        sent = [asked.header("Authorization") for asked in served.asked]

    assert report["exitCode"] == 0
    assert report["registry-layer"] == "pass"
    assert sent.count(BASIC) == 1


def test_all_of_it_takes_six_requests_over_one_connection(tmp_path: Path) -> None:
    """Challenge, token, manifest twice, config and layer; the last two side by side may take a second connection."""
    with registry(tmp_path, "pull", keep=True) as (served, environ):
        report = tried(served, {**environ, "ACRCHECK_PASSWORD": PASSWORD}, "--username", USER)
        asked = [f"{item.method} {item.target.partition('?')[0]}" for item in served.asked]

    assert report["exitCode"] == 0
    assert sorted(asked) == [
        "GET /token",
        "GET /v2/",
        f"GET /v2/team/app/blobs/{DIGEST}",
        f"GET /v2/team/app/blobs/{DIGEST}",
        "GET /v2/team/app/manifests/1",
        "HEAD /v2/team/app/manifests/1",
    ]
    assert served.connections <= 2


def test_until_when_it_is_good_is_said(tmp_path: Path) -> None:
    """Below the report, also where all is well."""
    with registry(tmp_path, "pull") as (served, environ):
        environ["ACRCHECK_PASSWORD"] = PASSWORD
        done = call("creds", f"127.0.0.1:{served.port}/team/app:1", "--username", USER, **environ)

    assert done.stdout.endswith(
        f"good: 127.0.0.1:{served.port} lets puller (user name and password) pull from team/app; until when, the "
        "registry does not say of a user name and password: whoever issued it knows\n"
    )


def test_what_is_not_good_is_said_in_the_last_line(tmp_path: Path) -> None:
    """As far as is known: one that is refused, and one that nobody asked for."""
    with registry(tmp_path, "metadata_read") as (served, environ):
        where = f"127.0.0.1:{served.port}/team/app:1"
        refused = call("creds", where, "--username", USER, ACRCHECK_PASSWORD=PASSWORD, **environ)
    untried = call("creds", where, "--username", USER, ACRCHECK_PASSWORD=PASSWORD, **environ)

    last = [done.stdout.splitlines()[-1] for done in (refused, untried)]
    assert last[0].startswith(f"not good, as far as is known: 127.0.0.1:{served.port} gave puller")
    assert last[1].startswith("not known whether puller (user name and password) is good")
    assert (refused.returncode, untried.returncode) == (1, 1)


def test_until_when_a_token_is_good_is_read_from_it(tmp_path: Path) -> None:
    """A registry's refresh token has an end: one that has come is named, and nothing else is supposed."""
    now = int(time.time())
    token = encode(HmacSigner(b"loopback"), {"iat": now - 86_400, "exp": now - 75_600})
    with registry(tmp_path, "pull") as (served, environ):
        environ |= {"ACRCHECK_PASSWORD": token}
        done = call(
            "creds", f"127.0.0.1:{served.port}/team/app:1", "--username", NULL, "-o", "json", **environ
        )

    assert [cause["id"] for cause in json.loads(done.stdout)["causes"]] == ["registry-credential-stale"]


def test_in_full_the_layers_come_whole(tmp_path: Path) -> None:
    """No range is asked for, and the digest is verified."""
    with registry(tmp_path, "pull") as (served, environ):
        environ["ACRCHECK_PASSWORD"] = PASSWORD
        report = tried(served, environ, "--username", USER, "--full")
        ranges = [asked.header("Range") for asked in served.asked]

    assert (report["exitCode"], report["registry-layer"], set(ranges)) == (0, "pass", {""})


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    """The report says so, and does not say what was given."""
    with registry(tmp_path, "pull") as (served, environ):
        report = tried(served, {**environ, "ACRCHECK_PASSWORD": "another-one"}, "--username", USER)

    assert report["exitCode"] == 1
    assert report["registry-scope"] == "fail"


def test_a_docker_configuration_gives_name_and_password(tmp_path: Path) -> None:
    """By the kubelet's rules."""
    with registry(tmp_path, "pull") as (served, environ):
        file = tmp_path / "config.json"
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        file.write_text(json.dumps({"auths": {f"127.0.0.1:{served.port}": {"auth": auth}}}))
        report = tried(served, environ, "--docker-config", str(file))

    assert report["exitCode"] == 0


@pytest.mark.parametrize("proxy", ["nonsense://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_cannot_be_used_is_told(tmp_path: Path, proxy: str) -> None:
    """What could not be asked is unknown, with the reason; nothing crashes."""
    with registry(tmp_path, "pull") as (served, environ):
        environ |= {"ACRCHECK_PASSWORD": PASSWORD, "HTTPS_PROXY": proxy}
        where = f"127.0.0.1:{served.port}/team/app:1"
        done = call("creds", where, "--username", USER, **environ)

    assert done.returncode == 3
    assert "the request cannot be sent" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("a.azurecr.io/b:1",), "whose password it is was not said"),
        (("a.azurecr.io/b:1", "--username", "x"), "there is no password"),
        (
            ("a.azurecr.io/b:1", "--username", "x", "--password-file", "/nonexistent"),
            "cannot read /nonexistent",
        ),
        (("a.azurecr.io/b:1", "--docker-config", "/nonexistent"), "cannot read /nonexistent"),
        (("A B", "--username", "x"), "not an image reference"),
    ],
)
def test_what_is_missing_is_asked_for(args: tuple[str, ...], said: str) -> None:
    """With exit code 2, before anything is asked of the network."""
    done = call("creds", *args)

    assert done.returncode == 2
    assert said in done.stderr


def test_a_configuration_without_the_host_names_those_it_has(tmp_path: Path) -> None:
    """A near one is offered."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {"A.azurecr.io": {"username": "x", "password": "y"}}}))
    done = call("creds", "a.azurecr.io/b:1", "--docker-config", str(file))

    assert done.returncode == 2
    assert "A.azurecr.io" in done.stderr
