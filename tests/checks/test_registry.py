"""The registry, step by step, from inside the pod."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pytest

from acrcheck.api import (
    CannotLookError,
    Connected,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Resolved,
    Response,
    Secret,
    Shaken,
    SubjectGoneError,
    Target,
    Trouble,
    Vantage,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.image import ImageReference, parse_image
from acrcheck.azure.imds import Spoken
from acrcheck.azure.registry import FIRST_BYTES
from acrcheck.facts import (
    AccessToken,
    Challenged,
    Claim,
    Credential,
    Image,
    Keyring,
    Manifest,
    Node,
    Nodes,
    Open,
    OwnToken,
    Path,
    RefreshToken,
    Resolution,
    Route,
    Tokens,
    Trusted,
)
from acrcheck.lab.clock import LabClock
from checks.blobs import config, layer
from checks.manifests import manifest
from checks.pull import paths
from checks.registry import CHECKS, access, challenge, claims, dns, exchange, routes, tcp, tls
from checks.tags import tag
from tests.checks.looking import (
    CLIENT_ID,
    NAMESPACE,
    NODE,
    NODE_2,
    WANTED,
    Case,
    FakeWire,
    Reply,
    declared,
    deployment,
    each,
    http,
    ids,
    known,
    look,
    of,
    pod,
    refuse_unseen,
    sight,
    unknown,
    wire,
    workload,
)
from tests.checks.looking import known as found

HOST = "acme.azurecr.io"
CLOCK = LabClock()
IMAGE = parse_image(f"{HOST}/coder/envbox:1.44")
EXEC = Vantage("exec", NAMESPACE, "coderd-1", "coderd", NODE)
CLAIMS = {"oid": "the-oid", "tid": "the-tenant"}
GIVEN = Spoken("nmi", status=200, token="<jwt:1>", claims=CLAIMS)
OWN = OwnToken(EXEC, GIVEN, GIVEN, CLAIMS)
HANDLE = AccessToken("<jwt:a>", frozenset({"pull"}))
CORRELATION = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
CHALLENGE = f'Bearer realm="https://{HOST}/oauth2/token",service="{HOST}"'
CHALLENGED = http(401, "{}", www_authenticate=CHALLENGE)
BLOB = b'{"architecture": "amd64"}'
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
MANIFEST: dict[str, Any] = {
    "config": {"mediaType": f"{OCI}config.v1+json", "digest": DIGEST, "size": len(BLOB)},
    "layers": [{"digest": "sha256:1", "size": 7}],
}
LINUX_AMD64 = ("linux", "amd64")
Step = Callable[..., Looking[Any]]
F = TypeVar("F")
REALM = f"https://{HOST}/oauth2/token"


def credential(username: str, **changed: Any) -> Credential:
    """A credential of a pull secret."""
    values: dict[str, Any] = {
        "source": "secret acr",
        "username": username,
        "password": "<opaque:1>",
        "kind": acr.kind_of(username, HOST),
    }
    return Credential(**values | changed)


ADMIN, PRINCIPAL, SCOPED = credential("acme"), credential(CLIENT_ID), credential("puller")
ENTRA = credential(acr.NULL_GUID)


def path(**changed: Any) -> Path:
    """The way from a pod to the registry."""
    values: dict[str, Any] = {
        "pod": "coderd-1",
        "node": NODE,
        "vantage": EXEC,
        "host": HOST,
        "identity": True,
        "tokens": OWN,
        "coder": True,
        "platforms": (LINUX_AMD64,),
    }
    return Path(**values | changed)


def route(image: ImageReference | None = IMAGE, *credentials: Credential, **changed: Any) -> Route:
    """The way from a pod to an image of the registry."""
    return Route(path(**changed), image, credentials)


def holding(way: Route, token: AccessToken = HANDLE) -> Each[AccessToken]:
    """The token of a route."""
    return Each(((Claim(way).subject, token),))


def on_path(fact: F, **changed: Any) -> Each[F]:
    """A fact of the path."""
    return Each(((path(**changed).subject, fact),))


def errors(status: int, code: str = "UNAUTHORIZED", message: str = "no", **headers: Any) -> Response:
    """An error as a registry puts it, with Azure's correlation id."""
    body = json.dumps({"errors": [{"code": code, "message": message, "detail": None}]})
    return http(status, body, x_ms_correlation_request_id=CORRELATION, **headers)


def granting(*actions: Any, access_list: Any = None) -> Response:
    """An access token with these actions."""
    entries = [{"type": "repository", "name": "coder/envbox", "actions": list(actions)}]
    claims = {"access": entries if access_list is None else access_list}
    return http(200, '{"access_token": "<jwt:a>"}', secrets=(Secret("<jwt:a>", "jwt", {}, claims),))


def stored(body: Any = MANIFEST, kind: str = f"{OCI}manifest.v1+json") -> Response:
    """A manifest."""
    return http(
        200, body if isinstance(body, str) else json.dumps(body), kind, docker_content_digest="sha256:m"
    )


def index(*platforms: Any, kind: str = f"{OCI}index.v1+json") -> Response:
    """An index of manifests for platforms."""
    entries = [{"digest": f"sha256:{number}", "platform": item} for number, item in enumerate(platforms)]
    return stored({"manifests": entries}, kind)


LINUX, WINDOWS = {"os": "linux", "architecture": "amd64"}, {"os": "windows", "architecture": "amd64"}


def blob(body: bytes = BLOB, status: int = 200, text: str = "", **changed: Any) -> Response:
    """The bytes of a blob; `text` is what is kept of them."""
    return Response(status, (), text, (), len(body), hashlib.sha256(body).hexdigest(), **changed)


def moved(location: str, status: int = 307) -> Response:
    """A redirect."""
    return http(status, "", "", location=location)


def resolving(*answers: Reply) -> Looking[Any]:
    """Resolve the registry's name."""
    return dns(path(), wire(*answers), Target())


def connecting(answer: Reply) -> Looking[Any]:
    """Connect to the registry."""
    return tcp(path(), Resolution(("10.0.0.4",), private=True), wire(answer))


def shaking(answer: Reply) -> Looking[Any]:
    """Shake hands with the registry."""
    return tls(path(), Open("10.0.0.4"), wire(answer))


def challenging(*answers: Reply) -> Looking[Any]:
    """Ask for the challenge."""
    return challenge(path(), Trusted("CN=DigiCert"), wire(*answers), CLOCK)


def exchanging(*answers: Reply, coder: bool = True, tokens: OwnToken | None = OWN) -> Looking[Any]:
    """Exchange the identity's tokens: the registry's audience first, then ARM's."""
    fake = wire(*answers)
    return exchange(path(tokens=tokens, coder=coder), Challenged(HOST, REALM), fake, Target(), CLOCK)


def accessing(*answers: Reply, **changed: Any) -> Looking[Any]:
    """Get an access token."""
    return access(
        Claim(route(**changed)),
        on_path(Challenged(HOST, REALM)),
        on_path(RefreshToken("<jwt:r>")),
        wire(*answers),
        CLOCK,
    )


def pulling(*answers: Reply, credentials: tuple[Credential, ...], **asked: Any) -> Looking[Any]:
    """Get an access token with the credentials of pull secrets."""
    challenged = Challenged(HOST, asked.get("realm", REALM), asked.get("scheme", "bearer"))
    return access(Claim(route(IMAGE, *credentials)), on_path(challenged), Each(), wire(*answers), CLOCK)


def reading(*answers: Reply, **changed: Any) -> Looking[Manifest | None]:
    """Read the manifest."""
    return manifest(route(**changed), holding(route(**changed)), wire(*answers), CLOCK)


def downloading(
    *answers: Reply,
    digest: str = DIGEST,
    size: int = len(BLOB),
    step: Step = config,
    at: Resolution | None = None,
) -> Looking[Any]:
    """Download config and first layer, which are the same blob here."""
    blob_of = (digest, size)
    found_blobs = Manifest("sha256:m", (blob_of,), (blob_of,))
    if step is layer:
        return step(
            route(),
            holding(route()),
            found_blobs,
            on_path(at or Resolution((), private=False)),
            wire(*answers),
            CLOCK,
            Target(),
        )
    return step(route(), holding(route()), found_blobs, wire(*answers), CLOCK)


PRIVATE = Resolution(("10.1.0.4",), private=True)
ARM = blob(text='{"os": "linux", "architecture": "arm64"}')


def trusted(problem: str) -> Shaken:
    """A certificate with that problem."""
    return Shaken("CN=x", "CN=Acme Proxy CA", "2026-01-01", ("a.example", "b.example"), problem)


REFUSED_EXCHANGE = errors(401, message="authentication required")
TAKEN = http(200, '{"refresh_token": "<jwt:r>"}')
UNRESOLVED = Failure(Trouble.UNRESOLVED, "no such host")
SENDING: dict[str, Reply] = {
    "registry-lost": Failure(Trouble.BROKEN, "Empty reply"),
    "registry-ip-denied": errors(403, "DENIED", "client with IP '20.249.167.56' is not allowed access."),
    "registry-forbidden": http(403, "<html>Forbidden</html>", "text/html"),
    "registry-throttled": errors(429, "TOOMANYREQUESTS", retry_after="7"),
    "registry-server-error": http(503, "Service Unavailable", "text/plain"),
}
STEPS: dict[str, Step] = {
    "registry-challenge": challenging,
    "registry-exchange": exchanging,
    "registry-scope": accessing,
    "registry-manifest": reading,
}
BLOBS: dict[str, Reply] = {
    "blob-unreachable": Failure(Trouble.CONNECT_TIMEOUT, "timed out"),
    "blob-untrusted": Failure(Trouble.TLS, "SSL certificate problem: unable to get local issuer certificate"),
    "blob-refused": http(416, "<Code>InvalidRange</Code>", "application/xml"),
    "blob-unknown": errors(404, "BLOB_UNKNOWN"),
    "blob-corrupt": blob(b"x" * len(BLOB)),
    "blob-read": blob(),
}
STORAGE = "https://acmeblob.blob.core.windows.net/x?<query:3>"
CASES: dict[tuple[str, str], Case] = {
    ("registry-dns", "registry-unresolved"): lambda: resolving(UNRESOLVED, UNRESOLVED),
    ("registry-dns", "other-names-resolve"): lambda: resolving(UNRESOLVED, Resolved(("20.190.0.1",))),
    ("registry-dns", "no-name-resolves"): lambda: resolving(UNRESOLVED, UNRESOLVED),
    ("registry-dns", "registry-name-near"): lambda: dns(
        path(host="acme.azureacr.io"), wire(UNRESOLVED, UNRESOLVED), Target()
    ),
    ("registry-dns", "registry-address-private"): lambda: resolving(Resolved(("10.1.0.4",))),
    ("registry-dns", "registry-address-public"): lambda: resolving(Resolved(("20.62.128.1",))),
    ("registry-dns", "registry-has-private-endpoint"): lambda: resolving(
        Resolved(("20.62.128.1",), ("myregistry.privatelink.azurecr.io", "eus.fe.azcr.io"))
    ),
    ("registry-tcp", "registry-connect-timeout"): lambda: connecting(Failure(Trouble.CONNECT_TIMEOUT)),
    ("registry-tcp", "registry-connect-refused"): lambda: connecting(Failure(Trouble.REFUSED, "refused")),
    ("registry-tls", "registry-untrusted"): lambda: shaking(
        trusted("unable to get local issuer certificate")
    ),
    ("registry-tls", "registry-certificate-dates"): lambda: shaking(trusted("certificate has expired")),
    ("registry-tls", "registry-certificate-name"): lambda: shaking(
        trusted("no alternative certificate subject name matches target host name")
    ),
    ("registry-tls", "registry-no-handshake"): lambda: shaking(Failure(Trouble.TLS, "wrong version number")),
    ("registry-challenge", "registry-no-challenge"): lambda: challenging(http(200, "{}")),
    ("registry-challenge", "registry-login-page"): lambda: challenging(
        http(200, "<html>Log in</html>", "text/html")
    ),
    ("registry-challenge", "registry-challenge-not-acr"): lambda: challenging(
        http(401, "", www_authenticate='Bearer realm="https://auth.docker.io/token"')
    ),
    ("registry-challenge", "registry-not-azure"): lambda: challenge(
        path(host="harbor.example"),
        Trusted("CN=x"),
        wire(http(401, "", www_authenticate='Basic realm="x"')),
        CLOCK,
    ),
    ("registry-exchange", "exchange-refused"): lambda: exchanging(REFUSED_EXCHANGE, REFUSED_EXCHANGE),
    ("registry-exchange", "arm-token-refused"): lambda: exchanging(TAKEN, REFUSED_EXCHANGE),
    ("registry-exchange", "arm-token-refused-elsewhere"): lambda: exchanging(
        TAKEN, REFUSED_EXCHANGE, coder=False
    ),
    ("registry-exchange", "exchange-ok"): lambda: exchanging(TAKEN, TAKEN),
    ("registry-scope", "access-token-refused"): lambda: accessing(REFUSED_EXCHANGE),
    ("registry-scope", "pull-not-granted"): lambda: accessing(granting("metadata_read")),
    ("registry-scope", "metadata-not-granted"): lambda: accessing(granting("pull")),
    ("registry-scope", "pull-granted"): lambda: accessing(granting("pull", "metadata_read")),
    ("registry-manifest", "tag-unknown"): lambda: reading(http(404), errors(404, "MANIFEST_UNKNOWN")),
    ("registry-manifest", "repository-unknown"): lambda: reading(http(404), errors(404, "NAME_UNKNOWN")),
    ("registry-manifest", "platform-manifest-unknown"): lambda: reading(
        stored(), index(LINUX), errors(404, "MANIFEST_UNKNOWN")
    ),
    ("registry-manifest", "image-locked"): lambda: reading(http(405), errors(405, "UNSUPPORTED")),
    ("registry-manifest", "manifest-refused"): lambda: reading(http(401), REFUSED_EXCHANGE),
    ("registry-manifest", "platform-missing"): lambda: reading(stored(), index(WINDOWS)),
    ("registry-manifest", "manifest-not-an-image"): lambda: reading(stored(), stored({"config": None})),
}
NO_PRINCIPAL = errors(401, message="Application not registered with AAD.")
CASES |= {
    ("registry-scope", kind): partial(pulling, *answers, credentials=credentials)
    for kind, credentials, answers in (
        ("pull-secret-grants", (ADMIN,), (granting("pull"),)),
        ("pull-secret-passed-over", (ADMIN, SCOPED), (REFUSED_EXCHANGE, granting("pull"))),
        ("admin-refused", (ADMIN,), (REFUSED_EXCHANGE,)),
        ("principal-refused", (PRINCIPAL,), (errors(401, message="Invalid clientid or client secret."),)),
        ("principal-unknown", (PRINCIPAL,), (NO_PRINCIPAL,)),
        ("entra-token-refused", (ENTRA,), (REFUSED_EXCHANGE,)),
        ("name-refused", (SCOPED,), (REFUSED_EXCHANGE,)),
        ("pull-secret-without-pull", (SCOPED,), (granting("metadata_read"),)),
    )
}
CASES |= {
    (check, kind): partial(step, *[answer] * 3)
    for check, step in STEPS.items()
    for kind, answer in SENDING.items()
}
CASES |= {
    (check, kind): partial(downloading, answer, step=step)
    for check, step in (("registry-config", config), ("registry-layer", layer))
    for kind, answer in BLOBS.items()
}
CASES |= {
    (check, kind): partial(downloading, *[answer] * 3, step=step)
    for check, step in (("registry-config", config), ("registry-layer", layer))
    for kind, answer in SENDING.items()
    if kind != "registry-lost"  # a blob that is not reached is told as such
}
CASES |= {
    (check, "blob-plain-http"): partial(downloading, moved("http://a.example/x"), *answers, step=step)
    for check, step, answers in (
        ("registry-config", config, (blob(),)),
        ("registry-layer", layer, (blob(), Resolved(("20.60.1.1",)))),
    )
}
CASES |= {
    (check, "registry-unsteady"): partial(step, SENDING["registry-lost"], *answers)
    for check, step, answers in (
        ("registry-challenge", challenging, (CHALLENGED,)),
        ("registry-exchange", exchanging, (TAKEN, TAKEN)),
        ("registry-scope", accessing, (granting("pull"),)),
        ("registry-manifest", reading, (stored(), stored())),
        ("registry-config", downloading, (blob(),)),
        ("registry-layer", partial(downloading, step=layer), (blob(),)),
    )
}
OPENED = Challenged("harbor.example", "", "none")
CASES |= {
    ("registry-dns", "registry-only-ipv6"): lambda: resolving(Resolved(("2603:1030::1",))),
    ("registry-dns", "asked-from-here"): lambda: dns(
        path(pod="", node="", vantage=Vantage("local")), wire(Resolved(("20.1.1.1",))), Target()
    ),
    ("registry-tls", "registry-tls-version"): lambda: shaking(
        Failure(Trouble.TLS, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version")
    ),
    ("registry-challenge", "registry-realm-plain"): lambda: challenging(
        http(401, "", www_authenticate=f'Bearer realm="http://{HOST}/oauth2/token"')
    ),
    ("registry-scope", "credential-not-asked"): lambda: access(
        Claim(route(IMAGE, SCOPED)), on_path(OPENED), Each(), wire(), CLOCK
    ),
    ("registry-scope", "registry-open"): lambda: access(
        Claim(route()), on_path(OPENED), Each(), wire(), CLOCK
    ),
    ("registry-manifest", "blob-corrupt"): lambda: reading(replace(stored(), sha256="0" * 64, length=7)),
    ("registry-config", "platform-missing"): lambda: config(
        route(), holding(route()), Manifest("m", ((DIGEST, 0),), (), (LINUX_AMD64,)), wire(ARM), CLOCK
    ),
    ("registry-layer", "blob-address-private"): lambda: downloading(
        moved(STORAGE), blob(), Resolved(("10.1.0.5",)), step=layer
    ),
    ("registry-layer", "blob-address-public"): lambda: downloading(
        moved(STORAGE), blob(), Resolved(("20.60.1.1",)), step=layer
    ),
    ("registry-layer", "data-endpoint-not-private"): lambda: downloading(
        moved(STORAGE), blob(), Resolved(("20.60.1.1",)), step=layer, at=PRIVATE
    ),
}


MAY_LIST = AccessToken("<jwt:a>", frozenset({"pull", "metadata_read"}))
KEPT = f"sha256:{'a' * 64}"
NO_SUCH, DISALLOWED = errors(404, "MANIFEST_UNKNOWN"), errors(405, "REGISTRY_DISALLOWED_OPERATION")
NO_TAGS = http(200, '{"tags": null}')
MAY_SEE_DELETED = granting("deleted_read")


def keeping(
    *answers: Reply,
    image: ImageReference = IMAGE,
    token: AccessToken = MAY_LIST,
    credentials: tuple[Credential, ...] = (),
    found_images: Each[Manifest] | None = None,
) -> Looking[Any]:
    """Ask what the registry keeps of an image."""
    way = route(image, *credentials)
    asked = on_path(Challenged(HOST, REALM)), on_path(RefreshToken("<jwt:r>"))
    return tag(way, holding(way, token), found_images or Each(), *asked, wire(*answers), CLOCK)


def kept_tag(digest: str = KEPT) -> Response:
    """What the registry says of a tag."""
    told = {"name": "1.44", "digest": digest, "lastUpdateTime": "2026-11-25T10:00:00Z"}
    return http(200, json.dumps({"registry": HOST, "imageName": "coder/envbox", "tag": told}))


def kept_manifest(**attributes: Any) -> Response:
    """What the registry says of a manifest."""
    return http(200, json.dumps({"manifest": {"digest": KEPT, "changeableAttributes": attributes}}))


def deleted(*tags: str) -> Response:
    """What was deleted and can be restored."""
    gone = [{"tag": name, "digest": KEPT, "deletedAt": "2026-11-24T10:00:00Z"} for name in tags]
    return http(200, json.dumps({"tags": gone}))


OF_DIGEST = parse_image(f"{HOST}/coder/envbox:1.44@{KEPT}")
CASES |= {
    ("registry-tag", kind): partial(keeping, *answers, image=image)
    for kind, image, answers in (
        (
            "manifest-quarantined",
            IMAGE,
            (NO_SUCH, kept_tag(), kept_manifest(quarantineState="Quarantined")),
        ),
        ("manifest-listed-not-given", IMAGE, (NO_SUCH, kept_tag(), kept_manifest(quarantineState="Passed"))),
        ("manifest-read-disabled", IMAGE, (DISALLOWED, kept_tag(), kept_manifest(readEnabled=False))),
        ("tag-not-listed", IMAGE, (NO_SUCH, NO_SUCH, MAY_SEE_DELETED, NO_TAGS, NO_TAGS)),
        ("tag-soft-deleted", IMAGE, (NO_SUCH, NO_SUCH, MAY_SEE_DELETED, deleted("1.43", "1.44"), NO_TAGS)),
        ("deleted-tags-not-asked", IMAGE, (NO_SUCH, NO_SUCH, granting("pull"), NO_TAGS)),
        (
            "tags-newest",
            IMAGE,
            (NO_SUCH, NO_SUCH, errors(401), http(200, '{"tags": [{"name": "1.43"}, {"name": 5}]}')),
        ),
        (
            "tag-has-other-digest",
            OF_DIGEST,
            (NO_SUCH, kept_tag(f"sha256:{'b' * 64}"), NO_SUCH, errors(401), NO_TAGS),
        ),
    )
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


def chosen(*pods: Any, target: Target | None = None, manifest: Any = None, **facts: Any) -> list[Path]:
    """The paths from these pods."""
    keyrings: Each[Keyring] = facts.get("keyrings", Each())
    asked: Each[Tokens] = facts.get("asked", Each())
    owned: Each[OwnToken] = facts.get("owned", Each())
    nodes: Maybe[Nodes] = facts.get("nodes", unknown())
    looking = paths(
        each(*pods),
        asked,
        owned,
        nodes,
        keyrings,
        workload(manifest),
        known(WANTED),
        unknown(),
        target or Target(),
    )
    return list(look(looking)[1])


def test_one_pod_of_each_node_is_a_path_the_one_with_a_token_first() -> None:
    """Where, as whom, and for which platform come from the facts about it."""
    one, two, three = pod("a"), pod("b"), pod("c", node=NODE_2)
    debug = Vantage("debug", NAMESPACE, "b", "coderd", NODE)
    arm, amd = Node(NODE, "", "linux", "arm64"), Node("other", "", *LINUX_AMD64)
    nodes = found(Nodes({NODE: arm, "other": amd}))
    asked = Each((of(two, Tokens(debug, None, None, None)),))
    first, second = chosen(one, two, three, asked=asked, owned=Each((of(two, OWN),)), nodes=nodes)
    assert (first.pod, first.tokens, first.vantage) == ("b", OWN, debug)
    assert first.platforms == (("linux", "arm64"), LINUX_AMD64)
    assert (second.pod, second.tokens, second.vantage.kind, second.platforms) == ("c", None, "exec", ())


def test_from_here_there_is_one_path() -> None:
    """With the tokens of the first pod that has them; nothing is asked inside a cluster."""
    one, two = pod("coderd-1"), pod("coderd-2", node=NODE_2)
    (only,) = chosen(
        one,
        two,
        target=Target(vantage="local"),
        owned=Each((of(two, OWN),)),
        asked=Each((of(two, Tokens(EXEC, None, None, None)),)),
    )
    assert (only.pod, only.node, only.vantage, only.tokens) == ("", "", Vantage("local"), OWN)
    assert only.subject.name == f"here → {HOST}"


def test_a_vantage_that_was_chosen_is_taken_on_its_node() -> None:
    """Beside each pod, or beside one on the node that was named."""
    one, two = pod("coderd-1"), pod("coderd-2", node=NODE_2)
    beside = chosen(one, two, target=Target(vantage="debug"))
    assert [(item.vantage.kind, item.vantage.pod, item.node) for item in beside] == [
        ("debug", "coderd-1", NODE),
        ("debug", "coderd-2", NODE_2),
    ]
    (there,) = chosen(one, two, target=Target(vantage="pod", node="aks-other"))
    assert (there.vantage.node, there.node, there.platforms) == ("aks-other", "aks-other", ())


def test_pods_that_do_not_run_are_no_paths() -> None:
    """Nothing can be asked from inside them."""
    assert chosen(pod(exec_problem="CrashLoopBackOff")) == []


@pytest.mark.parametrize(
    ("target", "host", "image"),
    [
        (Target(), HOST, f"{HOST}/coder/coderd:1.44"),
        (Target(registry="other.azurecr.io"), "other.azurecr.io", "None"),
        (
            Target(image="other.azurecr.io/x@sha256:" + "a" * 64),
            "other.azurecr.io",
            "other.azurecr.io/x@sha256:" + "a" * 64,
        ),
        (Target(image="$IMAGE"), HOST, f"{HOST}/coder/coderd:1.44"),
    ],
)
def test_registry_and_image_come_from_the_flags_else_from_the_workload(
    target: Target, host: str, image: str
) -> None:
    """The flag wins; the workload's own image counts where it is of that registry."""
    (found_path,) = chosen(pod(), target=target)
    assert (found_path.host, str(found_path.image)) == (host, image)


@pytest.mark.parametrize(
    "spec", [None, {}, {"containers": None}, {"containers": ["x", {"image": None}, {"image": "docker.io/x"}]}]
)
def test_without_any_image_of_azure_there_is_no_path(spec: Any) -> None:
    """Odd containers hold none; the missing input is named."""
    manifest = deployment()
    manifest["spec"]["template"]["spec"] = spec
    with pytest.raises(NotApplicableError, match="--registry or --image"):
        chosen(pod(), manifest=manifest)


def test_an_init_containers_image_counts() -> None:
    """It is pulled by the same node."""
    spec = {"containers": [{"image": "docker.io/x"}], "initContainers": [{"image": f"{HOST}/i:1"}]}
    (found_path,) = chosen(pod(), manifest=deployment(template={"spec": spec}))
    assert str(found_path.image) == f"{HOST}/i:1"


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        (("10.0.0.4", "20.1.1.1"), "registry-address-public"),
        (("10.0.0.4", "fd00::1"), "registry-address-private"),
        ((), "registry-address-public"),
        (("not an address",), "registry-address-public"),
    ],
)
def test_an_address_is_private_when_all_are(addresses: tuple[str, ...], kind: str) -> None:
    """An odd answer of a resolver is no crash."""
    assert sight(resolving(Resolved(addresses))) == [kind]


def test_a_private_address_of_another_registry_says_nothing() -> None:
    """It may simply be in this network."""
    assert sight(dns(path(host="harbor.example"), wire(Resolved(("10.1.0.4",))), Target())) == []


@pytest.mark.parametrize(
    "look_at", [resolving, connecting, shaking, challenging, exchanging, accessing, reading, downloading]
)
@pytest.mark.parametrize("trouble", [Trouble.NO_TOOL, Trouble.FORBIDDEN, Trouble.NOT_RUNNING, Trouble.ERROR])
def test_a_step_that_could_not_look_is_unknown(look_at: Step, trouble: Trouble) -> None:
    """The registry was not asked: nothing is said of it."""
    with pytest.raises(CannotLookError, match=trouble):
        look(look_at(Failure(trouble)))


@pytest.mark.parametrize(
    "look_at", [resolving, connecting, shaking, challenging, exchanging, accessing, reading, downloading]
)
def test_a_pod_that_vanished_is_gone(look_at: Step) -> None:
    """The engine looks once more."""
    with pytest.raises(SubjectGoneError):
        look(look_at(Failure(Trouble.GONE)))


@pytest.mark.parametrize("trouble", [Trouble.UNREACHABLE, Trouble.TIMEOUT, Trouble.UNRESOLVED])
def test_no_connection_says_of_what_kind(trouble: Trouble) -> None:
    """No route to the host is no timeout."""
    seen, fact = look(connecting(Failure(trouble)))
    assert seen[0].values["said"] == trouble
    assert fact is None


def test_an_open_connection_and_a_trusted_certificate_are_silent() -> None:
    """Their facts say where and by whom."""
    assert look(connecting(Connected("20.1.1.1"))) == ([], Open("20.1.1.1"))
    assert look(shaking(trusted(""))) == ([], Trusted("CN=Acme Proxy CA", "2026-01-01"))


@pytest.mark.parametrize("problem", ["self-signed certificate in certificate chain", "something new"])
def test_an_untrusted_certificate_names_its_issuer(problem: str) -> None:
    """Whoever signed it is the proxy to look for."""
    (seen,), fact = look(shaking(trusted(problem)))
    assert (seen.id, seen.values["issuer"], fact) == ("registry-untrusted", "CN=Acme Proxy CA", None)


@pytest.mark.parametrize(
    "header",
    [
        CHALLENGE,
        f'Bearer realm="https://{HOST}/oauth2/token", service="{HOST}"',
        f'bearer Realm="https://{HOST}/oauth2/token",Service="{HOST}",scope="x"',
        f'  Bearer realm="https://{HOST}/oauth2/token"',
    ],
)
def test_acrs_challenge_is_read_however_it_is_spaced(header: str) -> None:
    """Names without case, blanks anywhere; without a service the host is it."""
    assert look(challenging(http(401, "", www_authenticate=header))) == ([], Challenged(HOST, REALM))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (http(401, "{}"), "registry-no-challenge"),
        (http(302, "", location="https://login.example"), "registry-login-page"),
        (http(404, "nothing"), "registry-no-challenge"),
        (http(401, "", www_authenticate='Basic realm="x"'), "registry-challenge-not-acr"),
        (http(401, "", www_authenticate="Bearer"), "registry-challenge-not-acr"),
        (http(407, "", proxy_authenticate="NTLM"), "registry-no-challenge"),
    ],
)
def test_what_is_no_challenge_of_acr_is_told(answer: Response, kind: str) -> None:
    """Another registry, a login page, a proxy."""
    assert sight(challenging(answer)) == [kind]


def test_a_denied_address_and_the_correlation_id_are_evidence() -> None:
    """What the registry's owner and Azure's support ask for."""
    (seen,), _ = look(challenging(SENDING["registry-ip-denied"]))
    assert seen.values["ip"] == "20.249.167.56"
    assert seen.evidence == {"status": 403, "correlationId": CORRELATION, "code": "DENIED"}


@pytest.mark.parametrize(
    ("public", "said"),
    [
        (None, ""),
        (((NODE, ()),), "the nodes have none of their own"),
        (((NODE, ("20.249.167.56",)),), f"it is that of node {NODE}"),
        (((NODE, ("20.1.1.1",)),), "it is none of the nodes' own, 20.1.1.1"),
    ],
)
def test_a_denied_address_is_compared_with_the_nodes(public: Any, said: str) -> None:
    """So that the right address is allowed: a node's, or that of what all of them leave by."""
    fake = wire(SENDING["registry-ip-denied"])
    (seen,), _ = look(challenge(path(public=public), Trusted("CN=x"), fake, CLOCK))
    assert said in seen.text
    assert ("(" in seen.text) == bool(said)


def test_a_denied_address_may_be_escaped() -> None:
    """Apostrophes come as JSON escapes from some of ACR's front ends."""
    body = r'{"errors":[{"code":"DENIED","message":"client with IP \\u00271.2.3.4\\u0027 is not allowed access."}]}'
    (seen,), _ = look(challenging(http(403, body)))
    assert seen.values["ip"] == "1.2.3.4"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '{"errors": null}',
        '{"errors": []}',
        '{"errors": ["x"]}',
        '{"errors": [{"code": null}]}',
    ],
)
@pytest.mark.parametrize("status", [403, 429, 503])
def test_odd_errors_of_the_registry_are_no_crash(status: int, body: str) -> None:
    """The status alone tells what it is."""
    assert len(sight(challenging(*[http(status, body)] * 3))) == 1


def test_the_exchange_sends_each_audiences_token_with_the_tenant() -> None:
    """As ACR's protocol has it: a form, the token by its handle."""
    fake = wire(TAKEN, TAKEN)
    look(exchange(path(), Challenged("service", REALM), fake, Target(), CLOCK))
    assert [item.url for item in fake.asked] == [f"https://{HOST}/oauth2/exchange"] * 2
    assert dict(fake.asked[0].form) == {
        "grant_type": "access_token",
        "service": "service",
        "tenant": "the-tenant",
        "access_token": "<jwt:1>",
    }


def test_a_refused_exchange_names_whom_and_why() -> None:
    """Object id for the role, tenant, both audiences, the correlation id."""
    (seen,), fact = look(exchanging(REFUSED_EXCHANGE, REFUSED_EXCHANGE))
    assert (seen.values["oid"], seen.values["tenant"]) == ("the-oid", "the-tenant")
    assert (
        seen.values["audiences"]
        == "https://containerregistry.azure.net, https://management.core.windows.net/"
    )
    assert seen.evidence == {"status": 401, "code": "UNAUTHORIZED", "correlationId": CORRELATION}
    assert fact is None


def test_only_tokens_that_were_given_are_exchanged() -> None:
    """One audience's is enough."""
    own = OwnToken(EXEC, GIVEN, Spoken("imds", "no", 400), CLAIMS)
    seen, fact = look(exchanging(TAKEN, tokens=own))
    assert [item.id for item in seen] == ["exchange-ok"]
    assert fact == RefreshToken("<jwt:r>")


@pytest.mark.parametrize(
    "own", [None, OwnToken(EXEC, None, None, {}), OwnToken(EXEC, Spoken("nmi"), None, {})]
)
def test_without_any_token_nothing_is_exchanged(own: OwnToken | None) -> None:
    """It is blocked by the token."""
    with pytest.raises(NotApplicableError) as caught:
        look(exchanging(tokens=own))
    assert caught.value.blocked_by


@pytest.mark.parametrize("status", [302, 400, 404, 405])
def test_another_refusal_than_401_is_no_missing_role(status: int) -> None:
    """It is not known what it means: a proxy, or a request ACR did not understand."""
    with pytest.raises(CannotLookError, match=f"malformed.*{status}"):
        look(exchanging(http(status, "x"), http(status, "x")))


@pytest.mark.parametrize(
    "body", ["", "<html>", "{}", "[]", '{"refresh_token": null}', '{"refresh_token": ""}']
)
def test_an_exchange_without_refresh_token_is_malformed(body: str) -> None:
    """A page with status 200 is no success."""
    with pytest.raises(CannotLookError, match="malformed"):
        look(exchanging(http(200, body), http(200, body)))


def test_the_scope_asks_for_pull_and_metadata() -> None:
    """On the image's repository."""
    fake = wire(granting("pull", "metadata_read"))
    look(
        access(
            Claim(route()),
            on_path(Challenged("service", REALM)),
            on_path(RefreshToken("<jwt:r>")),
            fake,
            CLOCK,
        )
    )
    assert dict(fake.asked[0].form)["scope"] == "repository:coder/envbox:pull,metadata_read"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (granting("*"), ["pull-granted"]),
        (granting("pull", "push", "metadata_read"), ["pull-granted"]),
        (granting(), ["pull-not-granted"]),
        (granting(access_list=[]), ["pull-not-granted"]),
        (granting(access_list="pull"), ["pull-not-granted"]),
        (granting(access_list=7), ["pull-not-granted"]),
        (granting(access_list=[None, "x", {}, {"type": "repository"}]), ["pull-not-granted"]),
        (
            granting(access_list=[{"type": "repository", "name": "coder/envbox", "actions": "pull"}]),
            ["pull-not-granted"],
        ),
        (
            granting(access_list=[{"type": "repository", "name": "coder/other", "actions": ["pull"]}]),
            ["pull-not-granted"],
        ),
        (
            granting(access_list=[{"type": "registry", "name": "coder/envbox", "actions": ["pull"]}]),
            ["pull-not-granted"],
        ),
    ],
)
def test_what_is_granted_is_read_from_the_token(answer: Response, expected: list[str]) -> None:
    """Status 200 grants nothing by itself; odd lists grant nothing."""
    assert sight(accessing(answer)) == expected


@pytest.mark.parametrize("claims", [None, {}])
def test_a_token_that_does_not_say_what_it_grants_is_unknown(claims: Any) -> None:
    """An opaque token is not read as an empty one."""
    secrets = () if claims is None else (Secret("<opaque:1>", "opaque", {}, claims),)
    with pytest.raises(CannotLookError, match="malformed"):
        look(accessing(http(200, '{"access_token": "<opaque:1>"}', secrets=secrets)))


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"access_token": null}', "<html>"])
def test_no_access_token_is_a_refusal(body: str) -> None:
    """Whatever the status says."""
    assert sight(accessing(http(200, body))) == ["access-token-refused"]


@pytest.mark.parametrize("step", [accessing, reading])
def test_without_an_image_the_rest_has_nothing_to_look_at(step: Step) -> None:
    """The missing input is named."""
    with pytest.raises(NotApplicableError, match="--image"):
        look(step(image=None))


def test_an_image_of_one_platform_gives_config_and_layers() -> None:
    """HEAD by tag, then GET by the digest that this gave, with the types a runtime accepts."""
    fake = wire(stored(), stored())
    seen, fact = look(manifest(route(), holding(route()), fake, CLOCK))
    assert seen == []
    assert fact == Manifest("sha256:m", ((DIGEST, len(BLOB)),), (("sha256:1", 7),), (LINUX_AMD64,))
    assert [(item.method, item.url, item.bearer) for item in fake.asked] == [
        (method, f"https://{HOST}/v2/coder/envbox/manifests/{reference}", "<jwt:a>")
        for method, reference in (("HEAD", "1.44"), ("GET", "sha256:m"))
    ]
    assert "manifest.list.v2" in dict(fake.asked[0].headers)["Accept"]


@pytest.mark.parametrize(
    "kind",
    [f"{OCI}index.v1+json", f"{DOCKER}distribution.manifest.list.v2+json; charset=utf-8", "application/json"],
)
def test_an_index_leads_to_the_nodes_platform(kind: str) -> None:
    """By its media type, or by what it holds where a proxy changed the type."""
    fake = wire(stored(), index(WINDOWS, LINUX, kind=kind), stored())
    _, fact = look(manifest(route(), holding(route()), fake, CLOCK))
    assert fact is not None
    assert fact.digest == "sha256:1"
    assert fake.asked[2].url.endswith("/manifests/sha256:1")


@pytest.mark.parametrize(
    ("platforms", "told"),
    [
        (
            [{"os": "linux", "architecture": "arm64"}, {"os": "unknown", "architecture": "unknown"}],
            "linux/arm64",
        ),
        ([None, "x", {}, {"os": "linux"}], "none"),
        ([], "none"),
    ],
)
def test_a_missing_platform_tells_those_there_are(platforms: list[Any], told: str) -> None:
    """Attestations and odd entries are none."""
    (seen,), fact = look(reading(stored(), index(*platforms)))
    assert (seen.id, seen.values["platforms"], fact) == ("platform-missing", told, None)


@pytest.mark.parametrize(
    "entries", [None, "x", [None], [{"platform": LINUX}], [{"platform": LINUX, "digest": None}]]
)
def test_an_odd_index_has_no_platform(entries: Any) -> None:
    """An entry without digest leads nowhere."""
    assert sight(reading(stored(), stored({"manifests": entries}, f"{OCI}index.v1+json"))) == [
        "platform-missing"
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        {},
        {"config": [], "layers": []},
        MANIFEST | {"config": {"digest": None}},
        MANIFEST | {"layers": None},
        MANIFEST | {"layers": [{}]},
        MANIFEST | {"config": MANIFEST["config"] | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}},
        {"schemaVersion": 1, "fsLayers": []},
    ],
)
def test_what_is_no_image_is_told(body: Any) -> None:
    """A chart, an old schema, a page: nothing a node can run."""
    assert sight(reading(stored(body), stored(body))) == ["manifest-not-an-image"]


@pytest.mark.parametrize("size", [None, "7", "many", -1, 7.5, [], 1e30])
def test_an_odd_size_is_no_crash(size: Any) -> None:
    """A size written as text counts, any other odd one is not known."""
    body = MANIFEST | {"layers": [{"digest": "sha256:1", "size": size}]}
    _, fact = look(reading(stored(), stored(body)))
    assert fact is not None
    assert fact.layers[0][1] == {"7": 7, -1: -1}.get(size if isinstance(size, str | int) else "", 0)


def test_an_image_without_layers_has_none_to_download() -> None:
    """Its manifest is whole all the same."""
    body = MANIFEST | {"layers": []}
    _, fact = look(reading(stored(body), stored(body)))
    assert fact is not None
    with pytest.raises(NotApplicableError):
        look(layer(route(), holding(route()), fact, Each(), wire(), CLOCK, Target()))


def test_a_refused_head_that_get_answers_is_no_dead_end() -> None:
    """Some proxies know no HEAD: the manifest is read all the same."""
    seen, fact = look(reading(http(405), stored(), stored()))
    assert seen == []
    assert fact is not None


def test_a_digest_is_asked_for_by_digest() -> None:
    """It wins over the tag."""
    image = parse_image(f"{HOST}/coder/envbox:1.44@sha256:{'a' * 64}")
    fake = wire(stored(), stored())
    look(manifest(route(image=image), holding(route(image=image)), fake, CLOCK))
    assert fake.asked[0].url.endswith(f"/manifests/sha256:{'a' * 64}")


@pytest.mark.parametrize(
    ("location", "then"),
    [
        (
            "https://acmeblob.blob.core.windows.net/x?<query:3>",
            "https://acmeblob.blob.core.windows.net/x?<query:3>",
        ),
        ("/v2/elsewhere", f"https://{HOST}/v2/elsewhere"),
        ("//cdn.example:8443/x", "https://cdn.example:8443/x"),
        ("http://plain.example/x", "http://plain.example/x"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_without_the_authorization(location: str, then: str, status: int) -> None:
    """Absolute, relative or without scheme; only the registry itself gets the token."""
    fake = wire(moved(location, status), blob())
    plain = ["blob-plain-http"] if then.startswith("http:") else []
    assert sight(
        config(route(), holding(route()), Manifest("m", ((DIGEST, len(BLOB)),), ()), fake, CLOCK)
    ) == [
        *plain,
        "blob-read",
    ]
    assert [(item.url, item.bearer, item.basic) for item in fake.asked] == [
        (f"https://{HOST}/v2/coder/envbox/blobs/{DIGEST}", "<jwt:a>", None),
        (then, "", None),
    ]
    assert all(not key.lower().startswith("authorization") for key, _ in fake.asked[1].headers)


def test_a_relative_redirect_is_of_the_host_that_gave_it() -> None:
    """After a first hop the registry is out of it."""
    fake = wire(moved("https://a.example/x"), moved("/y"), blob())
    (seen,), _ = look(
        config(route(), holding(route()), Manifest("m", ((DIGEST, len(BLOB)),), ()), fake, CLOCK)
    )
    assert fake.asked[2].url == "https://a.example/y"
    assert seen.values["host"] == "a.example"


def test_redirects_in_a_circle_end() -> None:
    """Three are enough."""
    (seen,), _ = look(downloading(*[moved(f"https://{HOST}/again")] * 4))
    assert (seen.id, seen.values["said"]) == ("blob-refused", "more than 3 redirects")


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://a.example/x", "https://[bad", "javascript:x"]
)
def test_a_redirect_to_anything_but_http_is_not_followed(location: str) -> None:
    """A file of the pod is no blob."""
    assert sight(downloading(moved(location))) == ["blob-refused"]


def test_a_redirect_without_location_is_a_refusal() -> None:
    """There is nowhere to go."""
    assert sight(downloading(http(307, ""))) == ["blob-refused"]


def test_storage_that_is_not_reached_is_named() -> None:
    """Its host, not the registry's, is what a firewall must let through."""
    answers = (moved("https://acmeblob.blob.core.windows.net/x?<query:3>"), Failure(Trouble.CONNECT_TIMEOUT))
    (seen,), _ = look(downloading(*answers))
    assert (seen.id, seen.values["host"]) == ("blob-unreachable", "acmeblob.blob.core.windows.net")


BIG = FIRST_BYTES * 4


@pytest.mark.parametrize(
    ("answer", "size", "kind"),
    [
        (blob(b"x" * FIRST_BYTES, 206), BIG, "blob-read"),
        (blob(b"x" * FIRST_BYTES, cut=True), BIG, "blob-read"),
        (blob(b"x" * 100, 206), BIG, "blob-corrupt"),
        (blob(b"<html>blocked</html>"), BIG, "blob-corrupt"),
        (blob(b""), BIG, "blob-corrupt"),
        (blob(b"anything"), 0, "blob-read"),
        (blob(BLOB, 206), len(BLOB), "blob-read"),
        (blob(b"y" * len(BLOB), 206), len(BLOB), "blob-corrupt"),
    ],
)
def test_the_bytes_must_be_the_blobs(answer: Response, size: int, kind: str) -> None:
    """All of them by digest, the first ones by number; a block page with status 200 is neither."""
    assert sight(downloading(answer, size=size)) == [kind]


def test_another_digest_algorithm_is_not_called_corrupt() -> None:
    """Only SHA-256 is computed."""
    assert sight(downloading(blob(), digest="sha512:" + "a" * 128)) == ["blob-read"]


@pytest.mark.parametrize(("size", "ranges"), [(7, ["bytes=0-6"]), (BIG, ["bytes=0-65535"]), (0, [])])
def test_no_more_than_the_first_bytes_are_asked_for(size: int, ranges: list[str]) -> None:
    """A layer may have gigabytes."""
    fake = FakeWire(by=lambda _: blob())
    look(
        layer(route(), holding(route()), Manifest("m", (), ((DIGEST, size),)), Each(), fake, CLOCK, Target())
    )
    assert [value for key, value in fake.asked[0].headers if key == "Range"] == ranges


def ring(reference: str, *credentials: Credential) -> Keyring:
    """What the kubelet pulls an image with."""
    return Keyring(Image(reference, ("coderd",), parse_image(reference)), credentials, provider=True)


def test_an_image_with_pull_secrets_is_a_route_of_its_own() -> None:
    """From one node; a registry that is only theirs is a path of its own, without the identity's tokens."""
    rings = Each(
        tuple(
            (item.image.subject, item)
            for item in (ring(f"{HOST}/a:1", ADMIN), ring("harbor.example/b:1", SCOPED), ring(f"{HOST}/c:1"))
        )
    )
    found_paths = chosen(pod("a"), pod("c", node=NODE_2), owned=Each((of(pod("a"), OWN),)), keyrings=rings)
    at = Each(tuple((item.subject, item) for item in found_paths))
    ways = list(look(routes(at, rings))[1])

    assert [(item.host, item.tokens) for item in found_paths] == [
        (HOST, OWN),
        (HOST, None),
        ("harbor.example", None),
    ]
    assert [str(way.image) for way in ways] == [f"{HOST}/coder/coderd:1.44"] * 2 + [
        f"{HOST}/a:1",
        "harbor.example/b:1",
    ]
    assert [way.credentials for way in ways] == [(), (), (ADMIN,), (SCOPED,)]


def test_the_credentials_are_tried_in_turn() -> None:
    """The first that grants pull is taken, and those after it are not sent."""
    fake = wire(REFUSED_EXCHANGE, granting("pull"))
    seen, token = look(
        access(
            Claim(route(IMAGE, ADMIN, ENTRA, SCOPED)), on_path(Challenged(HOST, REALM)), Each(), fake, CLOCK
        )
    )

    assert [item.basic[0] for item in fake.asked] == [ADMIN.username, ENTRA.username]
    assert all("scope=repository%3Acoder%2Fenvbox%3Apull" in item.url for item in fake.asked)
    assert token is not None
    assert token.pulls
    assert "acme (registry admin account) of secret acr" in seen[1].text


def test_a_registry_without_tokens_gets_name_and_password() -> None:
    """At `/v2/`, and with each later request."""
    seen, token = look(pulling(http(200, "{}"), credentials=(SCOPED,), scheme="basic"))
    fake = wire(stored(), stored())
    look(manifest(route(), holding(route(), token), fake, CLOCK))

    assert [item.id for item in seen] == ["pull-secret-grants"]
    assert {item.basic for item in fake.asked} == {("puller", "<opaque:1>")}
    assert {item.bearer for item in fake.asked} == {""}


def test_another_registrys_token_may_be_opaque() -> None:
    """Only ACR's is known to say what it grants; another's is taken at its word."""
    harbor = path(host="harbor.example")
    way = Route(harbor, parse_image("harbor.example/a:1"), (SCOPED,))
    asked = Each(((harbor.subject, Challenged("harbor", "https://harbor.example/token")),))
    answer = http(200, '{"token": "<opaque:9>"}', secrets=(Secret("<opaque:9>", "opaque"),))

    assert look(access(Claim(way), asked, Each(), wire(answer), CLOCK))[1] == AccessToken(
        "<opaque:9>", frozenset({"pull"})
    )


def test_a_registry_of_another_kind_takes_no_token_of_entra() -> None:
    """The exchange is ACR's own."""
    with pytest.raises(NotApplicableError, match="no Azure registry"):
        look(exchange(path(host="harbor.example"), Challenged("x", REALM), wire(), Target(), CLOCK))
    with pytest.raises(NotApplicableError, match="not for"):
        look(exchange(path(identity=False), Challenged("x", REALM), wire(), Target(), CLOCK))


@pytest.mark.parametrize("step", ["registry-challenge", "registry-exchange"])
def test_a_route_is_blocked_by_what_is_missing_on_its_path(step: str) -> None:
    """The step that stands in the way is named."""
    asked = Each[Challenged]() if step == "registry-challenge" else on_path(Challenged(HOST, REALM))
    with pytest.raises(NotApplicableError) as caught:
        look(access(Claim(route()), asked, Each(), wire(), CLOCK))
    assert caught.value.blocked_by == step


def test_a_registry_may_have_a_port() -> None:
    """The name without it is resolved, and the port is connected to."""
    way, fake = (
        path(host="localhost:5000"),
        wire(Resolved(("127.0.0.1",)), Connected("127.0.0.1"), trusted("")),
    )
    look(dns(way, fake, Target()))
    look(tcp(way, Resolution(("127.0.0.1",), private=True), fake))
    look(tls(way, Open("127.0.0.1"), fake))

    assert [(item.host, getattr(item, "port", None)) for item in fake.asked] == [
        ("localhost", None),
        ("localhost", 5000),
        ("localhost", 5000),
    ]


def sharing(at: Path, *stored: tuple[ImageReference, Credential]) -> Each[Route]:
    """The routes from one place to images with their credentials."""
    rings = [Keyring(Image(str(image), (), image), (who,), provider=False) for image, who in stored]
    keyrings = Each(tuple((ring.image.subject, ring) for ring in rings))
    return look(routes(Each(((at.subject, at),)), keyrings))[1]


def test_images_of_a_repository_share_a_token() -> None:
    """Two hundred images in fifty repositories take fifty; the token is about each of its images."""
    images = [parse_image(f"{HOST}/team/app-{number % 50}:{number}") for number in range(200)]
    ways = sharing(path(), *((image, SCOPED) for image in images))
    tokens = look(claims(ways))[1]
    assert (len(ways.items), len(tokens.items)) == (201, 51)
    for subject, way in ways.items:
        assert Claim(way).subject in dict(tokens.items)
        assert subject.scope <= Claim(way).subject.scope


def test_other_credentials_take_another_token() -> None:
    """A token is for who asked for it."""
    one, two = (parse_image(f"{HOST}/team/app:{tag}") for tag in ("1", "2"))
    first, second = (way for _, way in sharing(path(identity=False), (one, SCOPED), (two, ADMIN)).items)
    assert Claim(first).subject != Claim(second).subject
    with pytest.raises(NotApplicableError):
        look(manifest(second, holding(first), wire(), CLOCK))


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (ADMIN, "az acr show --name acme"),
        (PRINCIPAL, f"az ad app credential list --id {CLIENT_ID}"),
        (SCOPED, "az acr token show --registry acme --name puller"),
        (ENTRA, "az role assignment list"),
    ],
)
def test_what_only_azure_itself_knows_of_a_refused_credential_is_said(who: Credential, told: str) -> None:
    """The registry answers 401 to all of them."""
    (seen,), _ = look(pulling(REFUSED_EXCHANGE, credentials=(who,)))
    assert told in seen.evidence["azureKnows"]
    (seen,), _ = look(pulling(granting("metadata_read"), credentials=(who,)))
    assert told in seen.evidence["azureKnows"]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (Resolved(("10.1.0.5",)), ["blob-address-private"]),
        (UNRESOLVED, ["data-endpoint-not-private"]),
        (Failure(Trouble.TIMEOUT), []),
    ],
)
def test_a_private_registry_has_its_layers_at_private_addresses(answer: Reply, seen: list[str]) -> None:
    """A name that does not resolve there has none; one that could not be asked for says nothing."""
    assert sight(downloading(moved(STORAGE), blob(), answer, step=layer, at=PRIVATE))[1:] == seen


def test_a_state_of_quarantine_is_read_of_the_tag_too() -> None:
    """Of some registries the tag says it and the manifest does not; what has passed is not in quarantine."""
    told = {"name": "1.44", "digest": KEPT, "quarantineState": "Failed"}
    seen, _ = look(keeping(NO_SUCH, http(200, json.dumps({"tag": told})), kept_manifest()))
    assert [(item.id, item.values["state"]) for item in seen] == [("manifest-quarantined", "Failed")]
    seen, _ = look(keeping(DISALLOWED, kept_tag(), kept_manifest(quarantineState="Passed")))
    assert ids(seen) == []


def test_a_digest_that_the_registry_lists_and_does_not_give_is_told() -> None:
    """Without a tag the manifest's own entry says it."""
    seen, _ = look(keeping(NO_SUCH, kept_manifest(), image=parse_image(f"{HOST}/coder/envbox@{KEPT}")))
    assert ids(seen) == ["manifest-listed-not-given"]
    assert seen[0].values["changed"] == "at a time that it does not say"


def test_what_the_registry_keeps_is_asked_only_where_it_denies_the_image() -> None:
    """Not where it gives it, nor where it is not Azure's, nor without the right to list."""
    way = route(IMAGE)
    held = Each(((way.subject, Manifest(KEPT, (), ())),))
    for looking in (
        keeping(found_images=held),
        keeping(http(200, "")),
        keeping(Failure(Trouble.CONNECT_TIMEOUT)),
        keeping(NO_SUCH, token=HANDLE),
        tag(
            route(IMAGE, host="harbor.example"),
            holding(route(IMAGE, host="harbor.example"), MAY_LIST),
            Each(),
            Each(),
            Each(),
            wire(),
            CLOCK,
        ),
    ):
        with pytest.raises(NotApplicableError):
            look(looking)


@pytest.mark.parametrize("answer", [http(500, "x"), Failure(Trouble.UNREACHABLE, "no route"), errors(403)])
def test_where_the_registry_does_not_say_what_it_keeps_that_is_unknown(answer: Reply) -> None:
    """A refusal or no answer to that question says nothing of the tag."""
    with pytest.raises(CannotLookError):
        look(keeping(NO_SUCH, answer, answer, answer))


def test_what_was_deleted_is_asked_for_the_identity_alone() -> None:
    """Stored credentials are for pulls: no token for more is asked for with them."""
    seen, _ = look(keeping(NO_SUCH, NO_SUCH, NO_TAGS, credentials=(SCOPED,)))
    assert ids(seen) == ["tag-not-listed"]
