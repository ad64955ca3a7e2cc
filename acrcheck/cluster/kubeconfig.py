"""The way to the API server: from kubectl's connection flags, kubeconfig files or the pod's own account."""

import base64
import binascii
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from acrcheck.clock import Clock
from acrcheck.cluster import kubefiles, plugin
from acrcheck.cluster.kubefiles import Entry, KubeFiles
from acrcheck.errors import UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its account (kubernetes.io, "Accessing the Kubernetes API from a Pod")."""
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ConnectionFlags:
    """kubectl's connection flags, by their own names. Empty means: not given."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""
    request_timeout: float = 10.0
    """Seconds that one request to the API server may take."""
    token: str = ""
    server: str = ""
    certificate_authority: str = ""
    client_certificate: str = ""
    client_key: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """A way to one API server, with whose rights, and where its words are rooted."""

    configuration: Any
    """The kubernetes package's Configuration. Treat as read-only."""
    server: str
    context: str = ""
    """Empty in a cluster."""
    namespace: str = "default"
    """The context's namespace, or the flag's."""
    kubeconfig: str = ""
    """The kubeconfig's path when it is not the default one: printed commands must name it."""
    own_pod: str = ""
    """`namespace/name` when the pod's own account is used."""
    impersonation: tuple[tuple[str, str], ...] = ()
    """Headers; a group each."""
    seconds: float = 10.0

    @property
    def impersonates(self) -> str:
        """The user impersonated, empty when none is."""
        return dict(self.impersonation).get("Impersonate-User", "")

    def headers(self) -> list[tuple[str, str]]:
        """Give the headers of a request: who asks, and in whose name."""
        settings = self.configuration.auth_settings().get("BearerToken")
        told = [("User-Agent", _user_agent()), *self.impersonation]
        return [*told, ("Authorization", settings["value"])] if settings else told

    def client(self) -> Any:
        """Make an ApiClient with its own pool of connections."""
        from kubernetes.client.api_client import ApiClient

        return ApiClient(self.configuration)


@cache
def _user_agent() -> str:
    from importlib.metadata import version

    return f"acrcheck/{version('acrcheck')}"


def connect(
    flags: ConnectionFlags,
    clock: Clock,
    environ: Mapping[str, str],
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """Find the API server and the credentials. Sends nothing to it; may run an exec plug-in.

    Raises UsageError for whatever the caller can put right: no kubeconfig or a malformed one, an unknown
    context, an expired client certificate, a missing plug-in, a bad server URL.
    """
    paths = kubefiles.locate(flags.kubeconfig, environ)
    if not paths and not flags.server and (service_account / "token").exists():
        return _in_cluster(flags, environ, service_account)
    if not paths and not flags.server:
        raise UsageError(
            "no kubeconfig found",
            input=environ.get("KUBECONFIG", "") or str(kubefiles.default_path(environ)),
            expected="a kubeconfig file, or a pod with a service account",
            remedy="az aks get-credentials --resource-group GROUP --name CLUSTER, or give --kubeconfig",
        )
    files = kubefiles.read(paths)
    context = _context(files, flags)
    cluster = _cluster(files, flags, context)
    user = _user(files, flags, context)
    configuration = _configure(cluster, user, clock, environ)
    return Connection(
        configuration,
        server=str(cluster.value["server"]),
        context=context.name,
        namespace=flags.namespace or str(context.value.get("namespace") or "default"),
        kubeconfig=_unusual_path(flags, paths, environ),
        impersonation=_impersonation(flags, user),
        seconds=flags.request_timeout,
    )


def _in_cluster(flags: ConnectionFlags, environ: Mapping[str, str], service_account: Path) -> Connection:
    from kubernetes.client.configuration import Configuration
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    configuration = Configuration()
    make: Any = InClusterConfigLoader
    loader = make(
        token_filename=str(service_account / "token"),
        cert_filename=str(service_account / "ca.crt"),
        environ=dict(environ),
    )
    try:
        loader.load_and_set(configuration)
        namespace = (service_account / "namespace").read_text().strip()
    except (ConfigException, OSError) as error:
        raise UsageError(
            f"the pod's own account cannot be used: {error}",
            input=str(service_account),
            expected="token, ca.crt and namespace of a service account, and KUBERNETES_SERVICE_HOST",
            remedy="give --kubeconfig",
        ) from None
    return Connection(
        configuration,
        server=configuration.host,
        namespace=flags.namespace or namespace,
        own_pod=f"{namespace}/{environ['HOSTNAME']}" if environ.get("HOSTNAME") else "",
        impersonation=_impersonation(flags, Entry("")),
        seconds=flags.request_timeout,
    )


def _unusual_path(flags: ConnectionFlags, paths: list[Path], environ: Mapping[str, str]) -> str:
    """Name the kubeconfig for printed commands. kubectl's flag takes one path: a list stays in $KUBECONFIG."""
    path = flags.kubeconfig or (str(paths[0]) if len(paths) == 1 else "")
    return "" if path == str(kubefiles.default_path(environ)) else path


def _context(files: KubeFiles, flags: ConnectionFlags) -> Entry:
    name = flags.context or files.current
    if name:
        return files.named(
            "contexts", name, asked=f"--context {name}" if flags.context else f"current-context: {name}"
        )
    if flags.server or flags.cluster:
        return Entry("")
    raise UsageError(
        "the kubeconfig has no current context",
        input=files.text,
        expected="current-context, or --context with one of: "
        + (", ".join(sorted(files.contexts)) or "(none)"),
        remedy="kubectl config use-context NAME",
    )


def _cluster(files: KubeFiles, flags: ConnectionFlags, context: Entry) -> Entry:
    """Give the cluster entry with the flags laid over it, files absolute and server checked."""
    name = flags.cluster or str(context.value.get("cluster") or "")
    asked = f"--cluster {name}" if flags.cluster else f"context {context.name!r}"
    entry = Entry("") if not name and flags.server else files.named("clusters", name, asked=asked)
    value = dict(entry.value)
    if flags.server:
        value["server"] = flags.server
    if flags.tls_server_name:
        value["tls-server-name"] = flags.tls_server_name
    if flags.certificate_authority:
        value.pop("certificate-authority-data", None)
        value["certificate-authority"] = str(Path(flags.certificate_authority).absolute())
    if flags.insecure_skip_tls_verify:
        value["insecure-skip-tls-verify"] = True
    if value.get("insecure-skip-tls-verify"):
        value.pop("certificate-authority", None)
        value.pop("certificate-authority-data", None)
    _check_server(
        value.get("server"), f"--server {flags.server}" if flags.server else _place(entry, "cluster")
    )
    return _with_files(replace(entry, value=value), "cluster", ("certificate-authority",))


def _user(files: KubeFiles, flags: ConnectionFlags, context: Entry) -> Entry:
    """Give the user entry with the flags laid over it. A token by flag replaces what the file has."""
    name = flags.user or str(context.value.get("user") or "")
    asked = f"--user {name}" if flags.user else f"context {context.name!r}"
    entry = files.named("users", name, asked=asked) if name else Entry("")
    value = dict(entry.value)
    if flags.token:
        value = {key: value[key] for key in value if key.startswith("as")}
        value["token"] = flags.token
    for key, path in (("client-certificate", flags.client_certificate), ("client-key", flags.client_key)):
        if path:
            value.pop(f"{key}-data", None)
            value[key] = str(Path(path).absolute())
    return _with_files(replace(entry, value=value), "user", ("client-certificate", "client-key", "tokenFile"))


def _place(entry: Entry, word: str) -> str:
    return f"{word}s[name={entry.name}].{word} in {entry.path}"


def _with_files(entry: Entry, word: str, keys: tuple[str, ...]) -> Entry:
    """Make the named files absolute. Raises UsageError for a missing one, and for data that is no base64."""
    value = dict(entry.value)
    for key in keys:
        data = value.get(f"{key}-data")
        path = None if data else entry.file(key)
        if data:
            _decode(str(data), f"{_place(entry, word)}: {key}-data")
        if path and not path.is_file():
            raise UsageError(
                f"{key} {path} does not exist",
                input=f"{key} of {_place(entry, word)}" if entry.name else f"--{key}",
                expected="a file",
            )
        if path:
            value[key] = str(path)
    return replace(entry, value=value)


def _decode(text: str, where: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise UsageError(
            "the kubeconfig holds data that is no base64", input=where, expected="base64 of a PEM file"
        ) from None


def _check_server(server: object, where: str) -> None:
    expected = "https://HOST or https://HOST:PORT"
    try:
        parts = urlsplit(str(server or ""))
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UsageError(
            f"{server!r} is no URL of an API server" if server else "the cluster has no server",
            input=where,
            expected=expected,
            remedy="az aks get-credentials writes the right one, or give --server",
        )


def _impersonation(flags: ConnectionFlags, user: Entry) -> tuple[tuple[str, str], ...]:
    """Give the headers of impersonation: the flags', else the kubeconfig user's own `as`."""
    if flags.as_groups and not flags.as_user:
        raise UsageError(
            "--as-group needs --as", input="--as-group " + ",".join(flags.as_groups), expected="--as USER"
        )
    name, groups, uid = flags.as_user, flags.as_groups, flags.as_uid
    if not name:
        name = str(user.value.get("as") or "")
        groups = tuple(str(group) for group in user.value.get("as-groups") or ())
        uid = str(user.value.get("as-uid") or "")
    if not name:
        return ()
    return (
        ("Impersonate-User", name),
        *(("Impersonate-Group", group) for group in groups),
        *((("Impersonate-Uid", uid),) if uid else ()),
    )


def _configure(cluster: Entry, user: Entry, clock: Clock, environ: Mapping[str, str]) -> Any:
    """Hand one cluster and one user to the kubernetes package, after the plug-in has spoken."""
    from kubernetes.client.configuration import Configuration
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import load_kube_config_from_dict

    credential = None
    value = dict(user.value)
    if value.get("exec") and not value.get("token") and not value.get("tokenFile"):
        credential = plugin.run(user, cluster, environ)
        value = _plugged(credential)
    elif value.get("auth-provider"):
        value = _provided(user)
    _check_expiry(value, user, clock)
    configuration = Configuration()
    load: Any = load_kube_config_from_dict
    try:
        load(_single(cluster.value, value), client_configuration=configuration)
    except (ConfigException, ValueError, OSError, TypeError) as error:
        raise UsageError(
            f"the kubeconfig cannot be used: {error}", input=_place(user, "user"), expected="credentials"
        ) from None
    if credential and credential.token:
        configuration.refresh_api_key_hook = _renewal(credential, user, cluster, clock, environ)
    return configuration


def _single(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "current-context": "the",
        "contexts": [{"name": "the", "context": {"cluster": "the", "user": "the"}}],
        "clusters": [{"name": "the", "cluster": cluster}],
        "users": [{"name": "the", "user": user}],
    }


def _plugged(credential: plugin.Credential) -> dict[str, Any]:
    if credential.token:
        return {"token": credential.token}
    return {
        "client-certificate-data": base64.b64encode(credential.certificate.encode()).decode(),
        "client-key-data": base64.b64encode(credential.key.encode()).decode(),
    }


def _provided(user: Entry) -> dict[str, Any]:
    """Take an OpenID Connect provider's token as it stands; the others left kubectl with version 1.26."""
    provider = user.value["auth-provider"]
    token = provider.get("config", {}).get("id-token") if isinstance(provider, dict) else None
    if token and provider.get("name") == "oidc":
        return {"token": token}
    raise UsageError(
        "the kubeconfig asks for an auth-provider, which kubectl gave up in 1.26",
        input=_place(user, "user"),
        expected="an exec plug-in, a token or a client certificate",
        remedy="kubelogin convert-kubeconfig",
    )


def _check_expiry(value: dict[str, Any], user: Entry, clock: Clock) -> None:
    """Raise UsageError for a client certificate that has expired, or that is none."""
    data = value.get("client-certificate-data")
    path = value.get("client-certificate")
    if not data and not path:
        return
    from cryptography import x509

    try:
        pem = base64.b64decode(data) if data else Path(str(path)).read_bytes()
        expires = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except (ValueError, OSError) as error:
        raise UsageError(
            f"the client certificate cannot be read: {error}",
            input=str(path or _place(user, "user")),
            expected="a certificate in PEM",
        ) from None
    if expires <= clock.now():
        raise UsageError(
            f"the client certificate expired on {expires:%Y-%m-%d %H:%M} UTC",
            input=str(path or _place(user, "user")),
            expected=f"one valid after {clock.now():%Y-%m-%d %H:%M} UTC",
            remedy="az aks get-credentials --resource-group GROUP --name CLUSTER --overwrite-existing",
        )


def _renewal(
    credential: plugin.Credential, user: Entry, cluster: Entry, clock: Clock, environ: Mapping[str, str]
) -> Any:
    """Make the hook that asks the plug-in anew once its token has expired. Safe for threads."""
    lock = threading.Lock()
    held = credential

    def renew(configuration: Any) -> None:
        nonlocal held
        with lock:
            if held.expires and held.expires - _SKEW <= clock.now():
                held = plugin.run(user, cluster, environ)
                configuration.api_key["BearerToken"] = f"Bearer {held.token}"

    return renew
