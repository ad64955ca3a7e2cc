"""From kubectl's connection flags and kubeconfig files to a connection, or to a sentence that helps."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from acrcheck.cluster.kubeconfig import Connection, ConnectionFlags, connect
from acrcheck.cluster.kubefiles import Entry
from acrcheck.cluster.plugin import run
from acrcheck.errors import UsageError
from tests.unit.loopback import Authority


class At:
    """A clock that stands still."""

    def __init__(self, moment: datetime | None = None) -> None:
        self.moment = moment or datetime.now(UTC)

    def now(self) -> datetime:
        """The moment."""
        return self.moment

    def monotonic(self) -> float:
        """Never asked."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Never asked."""
        del seconds


def kubeconfig(path: Path, user: dict[str, Any] | None = None, **more: Any) -> Path:
    """Write a kubeconfig with one context."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "contexts": [{"name": "prod", "context": {"cluster": "aks", "user": "me", "namespace": "coder"}}],
        "clusters": [{"name": "aks", "cluster": {"server": "https://aks.example:443"}}],
        "users": [{"name": "me", "user": {"token": "t0ken"} if user is None else user}],
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config))
    return path


def find(
    home: Path, *, clock: At | None = None, environ: dict[str, str] | None = None, **flags: Any
) -> Connection:
    """Connect with the flags, from a home folder."""
    nowhere = home / "no-service-account"
    return connect(ConnectionFlags(**flags), clock or At(), {"HOME": str(home), **(environ or {})}, nowhere)


def refused(home: Path, **given: Any) -> UsageError:
    """Connect, and insist on a usage error without a secret in it."""
    with pytest.raises(UsageError) as caught:
        find(home, **given)
    error = caught.value
    told = f"{error.message} {error.input} {error.expected} {error.remedy}"
    assert "t0ken" not in told
    assert "Traceback" not in told
    return error


def token(connection: Connection) -> str:
    """The Authorization header."""
    return dict(connection.headers()).get("Authorization", "")


def test_the_default_kubeconfig(tmp_path: Path) -> None:
    """Context, namespace, server and credentials come from ~/.kube/config, which needs no naming."""
    kubeconfig(tmp_path / ".kube" / "config")
    got = find(tmp_path)
    assert (got.context, got.namespace, got.server, got.kubeconfig) == (
        "prod",
        "coder",
        "https://aks.example:443",
        "",
    )
    assert token(got) == "Bearer t0ken"
    assert got.configuration.host == "https://aks.example:443"


def test_flags_win(tmp_path: Path) -> None:
    """Each of kubectl's connection flags lies over what the file says."""
    path = kubeconfig(
        tmp_path / "other",
        contexts=[
            {"name": "prod", "context": {"cluster": "aks", "user": "me"}},
            {"name": "dev", "context": {"cluster": "dev", "user": "nobody"}},
        ],
        clusters=[
            {"name": "aks", "cluster": {"server": "https://aks.example"}},
            {"name": "dev", "cluster": {"server": "https://dev.example"}},
        ],
        users=[{"name": "me", "user": {"token": "t0ken"}}, {"name": "nobody", "user": {}}],
    )
    got = find(tmp_path, kubeconfig=str(path), context="dev", namespace="x", user="me", request_timeout=3.0)
    assert (got.context, got.namespace, got.server) == ("dev", "x", "https://dev.example")
    assert (got.kubeconfig, got.seconds, token(got)) == (str(path), 3.0, "Bearer t0ken")
    got = find(tmp_path, kubeconfig=str(path), cluster="dev", token="flag", tls_server_name="sni.example")
    assert (got.server, token(got)) == ("https://dev.example", "Bearer flag")
    assert got.configuration.tls_server_name == "sni.example"
    got = find(
        tmp_path, kubeconfig=str(path), server="https://else.example:6443", insecure_skip_tls_verify=True
    )
    assert got.configuration.host == "https://else.example:6443"
    assert got.configuration.verify_ssl is False


def test_impersonation_by_flag_and_by_file(tmp_path: Path) -> None:
    """--as wins over the user's own `as`; groups without a user are a usage error."""
    kubeconfig(tmp_path / ".kube" / "config", {"token": "t0ken", "as": "robot", "as-groups": ["g"]})
    assert find(tmp_path).impersonation == (("Impersonate-User", "robot"), ("Impersonate-Group", "g"))
    got = find(tmp_path, as_user="sre", as_groups=("a", "b"), as_uid="1")
    assert got.impersonates == "sre"
    assert [value for name, value in got.impersonation if name == "Impersonate-Group"] == ["a", "b"]
    kubeconfig(tmp_path / ".kube" / "config")
    assert "--as" in refused(tmp_path, as_groups=("a",)).message


def test_several_files_merge_as_in_kubectl(tmp_path: Path) -> None:
    """Of the same name and of the current context the first file wins; a missing file does not matter."""
    first = kubeconfig(tmp_path / "a" / "one", contexts=[], users=[], clusters=[])
    second = kubeconfig(tmp_path / "b" / "two")
    second.write_text(second.read_text().replace('"current-context": "prod"', '"current-context": "none"'))
    got = find(tmp_path, environ={"KUBECONFIG": f"{first}:{tmp_path}/missing:{second}"})
    assert (got.context, token(got), got.kubeconfig) == ("prod", "Bearer t0ken", "")


def test_relative_files_belong_to_their_kubeconfig(tmp_path: Path) -> None:
    """A certificate authority is looked for beside the kubeconfig that names it."""
    folder = tmp_path / "conf"
    folder.mkdir()
    Authority(folder)
    cluster = {"server": "https://aks.example", "certificate-authority": "ca.crt"}
    path = kubeconfig(folder / "kube", clusters=[{"name": "aks", "cluster": cluster}])
    assert find(tmp_path, kubeconfig=str(path)).configuration.ssl_ca_cert == str(folder / "ca.crt")
    (folder / "ca.crt").unlink()
    error = refused(tmp_path, kubeconfig=str(path))
    assert str(folder / "ca.crt") in error.message
    assert "name=aks" in error.input


def test_no_kubeconfig(tmp_path: Path) -> None:
    """Nothing there: where it was looked for, and how to get one."""
    error = refused(tmp_path)
    assert "no kubeconfig" in error.message
    assert str(tmp_path / ".kube" / "config") in error.input
    assert "az aks get-credentials" in error.remedy
    assert "does not exist" in refused(tmp_path, kubeconfig="/nonexistent/kube").message


def test_an_unreadable_kubeconfig(tmp_path: Path) -> None:
    """A folder where a file should be is said in the system's words."""
    error = refused(tmp_path, kubeconfig=str(tmp_path))
    assert "cannot be read" in error.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("apiVersion: v1\nusers:\n- name: me\n  user: {token: t0ken\nclusters: [", "line 5"),
        ("", "empty"),
        ("- a\n- b\n", "not a mapping"),
        ("clusters: 7\n", "clusters is no list"),
        ("users:\n- user: {}\n", "users[0] has no name"),
        ("contexts:\n- name: x\n  context: text\n", "context is no mapping"),
        ("\x00\x01", "malformed"),
    ],
)
def test_a_malformed_kubeconfig(tmp_path: Path, content: str, told: str) -> None:
    """What is wrong with it and where, without quoting it."""
    path = tmp_path / "kube"
    path.write_text(content)
    error = refused(tmp_path, kubeconfig=str(path))
    assert told in error.message
    assert str(path) in error.message


def test_an_unknown_context_offers_near_matches(tmp_path: Path) -> None:
    """A mistyped context names the ones like it."""
    kubeconfig(tmp_path / ".kube" / "config")
    error = refused(tmp_path, context="prd")
    assert "prd" in error.message
    assert error.remedy == "did you mean 'prod'?"
    error = refused(tmp_path, context="zzz")
    assert "prod" in error.expected


def test_a_context_without_its_cluster_or_user(tmp_path: Path) -> None:
    """A context that names what is not there says which."""
    kubeconfig(tmp_path / ".kube" / "config", clusters=[])
    error = refused(tmp_path)
    assert "no cluster named 'aks'" in error.message
    assert "context 'prod'" in error.input
    more: dict[str, Any] = {"current-context": ""}
    kubeconfig(tmp_path / ".kube" / "config", **more)
    assert "no current context" in refused(tmp_path).message


@pytest.mark.parametrize("server", ["aks.example:443", "https://", "ftp://x", "https://x:99999", ""])
def test_a_bad_server(tmp_path: Path, server: str) -> None:
    """A server that is no URL is told with where it stands."""
    kubeconfig(tmp_path / ".kube" / "config", clusters=[{"name": "aks", "cluster": {"server": server}}])
    error = refused(tmp_path)
    assert "https://HOST" in error.expected
    assert "name=aks" in error.input


def certified(authority: Authority, days: float) -> dict[str, Any]:
    """A user with a client certificate inside the kubeconfig."""
    leaf = authority.leaf("me", days=days)
    return {
        "client-certificate-data": base64.b64encode(leaf.certificate.read_bytes()).decode(),
        "client-key-data": base64.b64encode(leaf.key.read_bytes()).decode(),
    }


def test_a_client_certificate(tmp_path: Path) -> None:
    """A valid one is used; an expired one is told with its date; one that is none, too."""
    authority = Authority(tmp_path)
    path = tmp_path / ".kube" / "config"
    kubeconfig(path, certified(authority, 30))
    assert find(tmp_path).configuration.cert_file
    kubeconfig(path, certified(authority, -2))
    error = refused(tmp_path)
    assert "expired on" in error.message
    assert "name=me" in error.input
    by_token = find(tmp_path, token="t0ken")
    assert by_token.configuration.cert_file is None, "a token by flag is not overruled by a certificate"
    kubeconfig(path, {"client-certificate-data": base64.b64encode(b"none").decode()})
    assert "cannot be read" in refused(tmp_path).message
    kubeconfig(path, {"client-certificate-data": "!!!"})
    assert "no base64" in refused(tmp_path).message


def plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    """A user whose credentials come from a program."""
    program = folder / "plug-in"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), **more}
    return {"exec": {"interactiveMode": "Never", **spec}}


def credential(**status: str) -> str:
    """A shell line that prints an ExecCredential."""
    told = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    return f"echo '{json.dumps(told)}'"


def test_an_exec_plugin_gives_the_token(tmp_path: Path) -> None:
    """The plug-in runs with its variables and with what it should know of the cluster."""
    script = 'test "$A" = b && case "$KUBERNETES_EXEC_INFO" in *aks.example*) ;; *) exit 9;; esac\n'
    user = plugin(
        tmp_path,
        script + credential(token="t0ken"),
        env=[{"name": "A", "value": "b"}],
        provideClusterInfo=True,
    )
    kubeconfig(tmp_path / ".kube" / "config", user)
    assert token(find(tmp_path)) == "Bearer t0ken"


def test_an_expired_token_is_asked_for_anew(tmp_path: Path) -> None:
    """Once the plug-in's token has expired, the next request runs the plug-in again."""
    count = f'echo x >> "{tmp_path}/runs"; N=$(wc -l < "{tmp_path}/runs")\n'
    told = credential(token="T", expirationTimestamp="2026-01-01T10:00:00Z").replace('"T"', '"\'"run-$N"\'"')
    clock = At(datetime(2026, 1, 1, 9, tzinfo=UTC))
    kubeconfig(tmp_path / ".kube" / "config", plugin(tmp_path, count + told))
    got = find(tmp_path, clock=clock, environ={"PATH": "/usr/bin:/bin"})
    assert token(got) == token(got) == "Bearer run-1"
    clock.moment = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
    assert token(got) == "Bearer run-2"


def test_an_exec_plugin_gives_a_certificate(tmp_path: Path) -> None:
    """Certificate and key from a plug-in are used, and looked at like any other."""
    leaf = Authority(tmp_path).leaf("me", days=-1)
    told = credential(clientCertificateData=leaf.certificate.read_text(), clientKeyData=leaf.key.read_text())
    (tmp_path / "out").write_text(told.removeprefix("echo '").removesuffix("'"))
    kubeconfig(tmp_path / ".kube" / "config", plugin(tmp_path, f"cat {tmp_path}/out"))
    assert "expired on" in refused(tmp_path, environ={"PATH": "/usr/bin:/bin"}).message


def test_a_missing_plugin(tmp_path: Path) -> None:
    """`kubelogin not found`, where the kubeconfig asks for it, and how to get it."""
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "kubelogin", "args": ["t0ken"]}
    }
    path = kubeconfig(tmp_path / ".kube" / "config", user)
    error = refused(tmp_path, environ={"PATH": "/nonexistent"})
    assert error.message == "kubelogin not found"
    assert error.input == f"users[name=me].user.exec in {path}"
    assert "az aks install-cli" in error.remedy
    user["exec"]["installHint"] = "get it from the moon"
    kubeconfig(path, user)
    assert refused(tmp_path, environ={"PATH": "/nonexistent"}).remedy == "get it from the moon"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'please log in' >&2; exit 3", "failed with code 3: please log in"),
        ("echo t0ken", "no ExecCredential"),
        (credential(), "neither a token"),
    ],
)
def test_a_plugin_that_fails(tmp_path: Path, script: str, told: str) -> None:
    """What it said on stderr is told; what it wrote on stdout never."""
    kubeconfig(tmp_path / ".kube" / "config", plugin(tmp_path, script))
    assert told in refused(tmp_path).message


def test_an_auth_provider(tmp_path: Path) -> None:
    """What kubectl gave up is told with the command that converts it."""
    kubeconfig(tmp_path / ".kube" / "config", {"auth-provider": {"name": "azure", "config": {}}})
    assert refused(tmp_path).remedy == "kubelogin convert-kubeconfig"
    oidc = {"auth-provider": {"name": "oidc", "config": {"id-token": "id"}}}
    kubeconfig(tmp_path / ".kube" / "config", oidc)
    assert token(find(tmp_path)) == "Bearer id"


def test_in_a_pod(tmp_path: Path) -> None:
    """Without a kubeconfig the pod's own account is used, and the pod is known."""
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("pod-token")
    (account / "namespace").write_text("coder")
    Authority(account)
    environ = {
        "HOME": str(tmp_path),
        "HOSTNAME": "probe-1",
        "KUBERNETES_SERVICE_HOST": "10.96.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
    }
    got = connect(ConnectionFlags(), At(), environ, account)
    assert (got.context, got.namespace, got.own_pod) == ("", "coder", "coder/probe-1")
    assert got.server == "https://10.96.0.1:443"
    assert token(got).lower() == "bearer pod-token"
    with pytest.raises(UsageError):
        connect(ConnectionFlags(), At(), {"HOME": str(tmp_path)}, account)


def test_importing_the_door_loads_no_library() -> None:
    """`acrcheck list` and `--help` must start fast: the libraries come with the first question."""
    code = (
        "import sys, acrcheck.cluster.live, acrcheck.cluster.kubeconfig, acrcheck.wire.live\n"
        "heavy = {'kubernetes', 'httpx', 'azure', 'pydantic', 'urllib3', 'yaml', 'websocket', 'cryptography'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    """A plug-in has a time limit, and the error says where the kubeconfig asks for it."""
    user = Entry("me", plugin(tmp_path, "sleep 5"), tmp_path / "kube")
    with pytest.raises(UsageError) as caught:
        run(user, Entry("aks"), {"PATH": "/usr/bin:/bin"}, seconds=0.2)
    assert "within 0.2 s" in caught.value.message
    assert "name=me" in caught.value.input
