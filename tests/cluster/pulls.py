"""Pulls that fail on the real cluster: what the kubelet must say, and the cause that must be named first.

Each has its namespace, its registry and its registry's addresses to itself, so that all run side by side.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter

from acrcheck.catalogue import builtin_dir
from acrcheck.lab import tokens
from acrcheck.lab.azure import Account, Azure, Registry
from acrcheck.lab.scenario import load_scenarios
from acrcheck.lab.world import Canned
from tests.cluster import azure, images
from tests.cluster.front import Shown, Way
from tests.cluster.harness import Json
from tests.cluster.layout import NODES
from tests.cluster.pulling import REPOSITORY, TAG, PullPlace

NULL_GUID = "00000000-0000-0000-0000-000000000000"
APPLICATION = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49"
TOKEN, PASSWORD = "puller", "what-the-registry-has-generated"
ANONYMOUS = "failed to fetch anonymous token: unexpected status: 401 Unauthorized"
REFUSED = "failed to fetch oauth token: unexpected status: 401 Unauthorized"
FORBIDDEN = "403 Forbidden"
NO_CREDENTIAL = frozenset(
    {
        "registry-credential-not-sent",
        "no-acrpull-role",
        "pull-secret-malformed",
        "pull-secret-missing",
        "pull-secret-wrong-registry",
        "kubelet-credential-cache",
        "kubelet-credential-provider-missing",
        "kubelet-credential-timeout",
        "multiple-identities-no-client-id",
        "role-on-wrong-principal",
        "service-incident",
        "node-bootstrapped-without-identity",
    }
)
"""What an anonymous 401 does not tell apart."""
STALE = frozenset({"registry-credential-stale", "wrong-password", "admin-disabled", "wrong-username"})
"""What a 401 for a name and its password does not tell apart."""
SENT = frozenset(
    {
        "no-acrpull-role",
        "role-on-wrong-principal",
        "node-bootstrapped-without-identity",
        "registry-credential-stale",
    }
)
"""Whose a credential was that a 401 is for, the kubelet's words do not tell: the pull secret's, or the nodes'."""
DENIED = frozenset({"firewall-ip-denied", "private-endpoint-dns", "public-access-disabled"})
"""What a 403 does not tell apart."""

OWNERS = "the image is the registry owner's"
NETWORK = "the network is not the cluster's to change"
ROLES = "a role is given with az role assignment create"
ONLY_TIME = "time mends it"
NAME = "what the image is called, only its owner knows"

Act = Callable[[PullPlace], None]
Alter = Callable[[Azure, Registry], None]
Ways = dict[str, Way]
Arrange = Callable[[PullPlace, Registry, Ways], None]


def nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Pull:
    """A pull that fails.

    Attributes:
        name: also that of its namespace and its registry.
        real: what is broken.
        cause: the id of the cause that must be named first.
        said: what the kubelet's own event must have.
        alter: changes the registry.
        way: changes the way to it.
        stage: breaks what is neither, once the image is there.
        failures: after how many of them it is looked at: the kubelet waits twice as long after each.
        meanwhile: what happens between the kubelet's word and the run.
        role: whether the nodes' identity has AcrPull.
        secret: whether the pods name a pull secret; `stage` puts it there.
        image: that the pods are of, where it is not the one that is there.
        domain: of the registry.
        pool: of the node that the pods are to run on, where it matters.
        equals: causes that may share the first place, because the facts leave it open which it is.
        beside: causes that are named as well, and later.
        issue: gives whoever types it a credential that the registry takes, where there is none yet.
        mend: mends the world where no kubectl command can, and `why` none can.
    """

    name: str
    real: str
    cause: str
    said: str
    alter: Alter = nothing
    way: Arrange = nothing
    stage: Act = nothing
    failures: int = 1
    meanwhile: Act = nothing
    role: bool = True
    secret: bool = False
    image: Callable[[PullPlace], str] = lambda place: place.image
    domain: str = "azurecr.io"
    pool: str = ""
    equals: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    issue: Act = nothing
    mend: Act | None = None
    why: str = ""


# -- pull secrets ------------------------------------------------------------------------------------------


def _auth(user: str, password: str) -> Json:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def _stored(entry: Json, host: str = "{host}", kind: str = "kubernetes.io/dockerconfigjson") -> Act:
    """A pull secret with this entry for a host."""
    return lambda place: place.secret({host.format(host=place.host): entry}, kind)


def _good(place: PullPlace) -> None:
    """The pull secret as it should be."""
    place.secret({place.host: _auth(TOKEN, PASSWORD)})


def _account(name: str = TOKEN, **fields: object) -> Alter:
    """A user name that the registry knows."""

    def alter(_: Azure, registry: Registry) -> None:
        registry.accounts.append(Account(name, PASSWORD, **fields))  # type: ignore[arg-type]

    return alter


def _admin(_: Azure, registry: Registry) -> None:
    """The admin user, who is switched off."""
    registry.accounts.append(Account(registry.name, PASSWORD, ["pull", "push"]))


def _of_yesterday(place: PullPlace) -> None:
    """What `az acr login --expose-token` gave a day ago."""
    then = datetime.now(UTC) - timedelta(days=1)
    claims = {
        "iss": "Azure Container Registry",
        "aud": place.host,
        "grant_type": "refresh_token",
        "iat": int(then.timestamp()),
        "exp": int((then + timedelta(hours=3)).timestamp()),
    }
    token = tokens.encode(tokens.entra_signer(place.cluster.azure), claims)
    place.secret({place.host: _auth(NULL_GUID, token)})


def _issued(place: PullPlace) -> None:
    """The registry's owner gives a token."""
    with place.azure() as state:
        registry = state.registry(place.host)
        assert registry is not None
        registry.accounts = [Account(TOKEN, PASSWORD)]


def _renewed(place: PullPlace) -> None:
    """The registry's owner gives a token, and it is stored."""
    _issued(place)
    _good(place)


def _secret(
    name: str,
    real: str,
    cause: str,
    said: str,
    stage: Act,
    alter: Alter | None = None,
    equals: frozenset[str] = frozenset(),
    issue: Act = nothing,
) -> Pull:
    """A pull with a pull secret, which the nodes have no credential beside."""
    return Pull(
        name,
        real,
        cause,
        said,
        alter=alter or _account(),
        stage=stage,
        role=False,
        secret=True,
        equals=equals,
        beside=SENT if said == REFUSED else frozenset(),
        issue=issue,
    )


# -- the image ---------------------------------------------------------------------------------------------


def _other_platform(place: PullPlace) -> None:
    """An index with an image for other processors."""
    with place.server() as client:
        digest, size = images.push_own(client, place.shelf, "arm", place.mark, "arm64")
        images.push_index(client, place.shelf, TAG, digest, size, "arm64")


def _purged(place: PullPlace) -> None:
    """An index whose image was deleted."""
    with place.server() as client:
        digest, size = images.push_own(client, place.shelf, TAG, place.mark)
        images.push_index(client, place.shelf, TAG, digest, size, "amd64")
        client.delete(f"/v2/{place.shelf}/manifests/{digest}").raise_for_status()


def _chart(place: PullPlace) -> None:
    """A Helm chart."""
    config = b'{"name":"coder","version":"1.44.3"}'
    layer = images.own_layer(place.mark)
    kind = "application/vnd.cncf.helm"
    parts = [
        {"mediaType": media, "digest": images.digest_of(content), "size": len(content)}
        for media, content in (
            (f"{kind}.config.v1+json", config),
            (f"{kind}.chart.content.v1.tar+gzip", layer),
        )
    ]
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": media_type, "config": parts[0], "layers": parts[1:]}
    with place.server() as client:
        for content in (config, layer):
            images.push_blob(client, place.shelf, images.digest_of(content), content)
        images.push_manifest(client, place.shelf, TAG, json.dumps(manifest), media_type)


def _corrupt(place: PullPlace) -> None:
    """A layer's bytes are other ones."""
    size = len(images.own_layer(place.mark))
    place.cluster.inside("/bin/dd", "if=/dev/zero", f"of={place.layer}", f"bs={size}", "count=1")


def _lost(place: PullPlace) -> None:
    """A layer is gone."""
    place.cluster.inside("/bin/rm", place.layer)


def _pushed(place: PullPlace) -> None:
    """The image is pushed anew, as it should be."""
    place.clear()
    place.push()
    place.roll_out(place.image, named=False)


def _right_image(place: PullPlace) -> None:
    """The Deployment names the image that is there."""
    place.roll_out(place.image, named=False)


def _tag_pushed(place: PullPlace) -> None:
    """The tag that was missing."""
    place.push("not-pushed-yet")


# -- the way -----------------------------------------------------------------------------------------------


@cache
def _answer(scenario: str) -> Canned:
    """What the lab's scenario has somebody answer."""
    found = next(item for item in load_scenarios(builtin_dir()) if item.id == scenario)
    return next(iter(found.build().network.answers.values()))


def _answers(scenario: str, path: str = "/") -> Arrange:
    """Somebody answers in the registry's place."""

    def way(place: PullPlace, _: Registry, ways: Ways) -> None:
        ways[place.host].answers[path] = _answer(scenario)

    return way


def _says(status: int, path: str, body: str = "") -> Arrange:
    """A path of the registry is answered alike to everybody."""

    def way(place: PullPlace, _: Registry, ways: Ways) -> None:
        ways[place.host].answers[path] = Canned(status, (("Content-Type", "application/json"),), body)

    return way


def _unresolved(place: PullPlace, _: Registry, ways: Ways) -> None:
    ways[place.host].address = ""


def _shown(certificate: Shown) -> Arrange:
    """Another certificate is shown."""

    def way(place: PullPlace, _: Registry, ways: Ways) -> None:
        ways[place.host].certificate = certificate

    return way


def _linked(address: Callable[[PullPlace], str]) -> Arrange:
    """The registry's name leads to one in the zone of private endpoints, and that one to an address."""

    def way(place: PullPlace, _: Registry, ways: Ways) -> None:
        ways[place.host].address = ""
        ways[place.linked] = Way(address(place))

    return way


def _data_endpoint(_: Azure, registry: Registry) -> None:
    registry.data_endpoint = True


def _data_host(**fields: object) -> Arrange:
    """The host of the registry's layers is reached in another way."""

    def way(place: PullPlace, registry: Registry, ways: Ways) -> None:
        ways[registry.data_host] = Way(**{"address": place.storage, **fields})  # type: ignore[arg-type]

    return way


def _elsewhere(_: Azure, registry: Registry) -> None:
    """Layers lie in the storage of another region."""
    registry.location = "northeurope"


def _straight(place: PullPlace) -> None:
    """Every way leads to the registry as it should."""
    place.straighten()


def _shut(_: Azure, registry: Registry) -> None:
    """The registry takes private endpoints only, and has none that the nodes know of."""
    registry.public_network_access = False


def _shut_but_for_endpoint(state: Azure, registry: Registry) -> None:
    """The same, and it has one that the nodes' network does not know of."""
    _shut(state, registry)
    registry.private_endpoints = ["10.225.0.5"]


def _firewall(_: Azure, registry: Registry) -> None:
    """The registry's firewall knows nobody of the cluster."""
    registry.ip_rules = ["198.51.100.0/24"]


def _firewall_for_nodes(_: Azure, registry: Registry) -> None:
    """The registry's firewall knows the pods and the first node."""
    registry.ip_rules = ["10.244.0.0/16", f"{NODES[0].ip}/32"]


def _abac(_: Azure, registry: Registry) -> None:
    """The registry looks at the roles of repositories, and AcrPull is none."""
    registry.role_mode = "abac"


def _let_in(place: PullPlace) -> None:
    """The registry takes everybody."""
    with place.azure() as state:
        registry = state.registry(place.host)
        assert registry is not None
        registry.ip_rules, registry.public_network_access, registry.role_mode = [], True, "rbac"


def _blocked(address: Callable[[PullPlace], str], how: str = "REJECT") -> Act:
    """Nothing gets through to an address."""
    return lambda place: place.block(address(place), how)


def _open(address: Callable[[PullPlace], str], how: str = "REJECT") -> Act:
    """What `_blocked` did is taken back."""
    return lambda place: place.block(address(place), how, "-D")


def _role_given(place: PullPlace) -> None:
    """What `az role assignment create` does."""
    with place.azure() as state:
        state.roles.append(place.node_role)


def _unassigned(place: PullPlace) -> None:
    """What `az vmss identity remove` does with the kubelet's identity."""
    with place.azure() as state:
        for scale_set in state.scale_sets:
            scale_set.kubelet_identity = None


def _assigned(place: PullPlace) -> None:
    """What `az aks update` does."""
    with place.azure() as state:
        for scale_set in state.scale_sets:
            scale_set.kubelet_identity = azure.kubelet_identity().resource_id


def _imds_stopped(place: PullPlace) -> None:
    """No metadata service listens."""
    with place.azure() as state:
        for node in state.nodes:
            node.imds = "stopped"


def _imds_up(place: PullPlace) -> None:
    """Every metadata service answers, and pods may run on every node."""
    place.kubectl("uncordon", *(node.name for node in NODES))
    with place.azure() as state:
        for node in state.nodes:
            node.imds = "up"


def _misspelt(place: PullPlace) -> str:
    return place.image.replace(place.host, f"{place.registry}s.azurecr.io")


PULLS = (
    _secret(
        "secret-absent",
        "the pull secret that the pods name is not there",
        "pull-secret-missing",
        ANONYMOUS,
        nothing,
    ),
    _secret(
        "secret-opaque",
        "the pull secret is of type Opaque",
        "pull-secret-malformed",
        ANONYMOUS,
        _stored(_auth(TOKEN, PASSWORD), kind="Opaque"),
    ),
    _secret(
        "secret-not-encoded",
        "`auth` in the pull secret is no base64",
        "pull-secret-malformed",
        "illegal base64 data",
        _stored({"auth": "not base64 at all"}),
    ),
    _secret(
        "secret-without-colon",
        "`auth` in the pull secret has no colon",
        "pull-secret-malformed",
        "must be formatted as base64(username:password)",
        _stored({"auth": base64.b64encode(b"puller").decode()}),
    ),
    _secret(
        "secret-with-port",
        "the pull secret is for the registry's host with a port",
        "pull-secret-wrong-registry",
        ANONYMOUS,
        _stored(_auth(TOKEN, PASSWORD), host="{host}:443"),
    ),
    _secret(
        "secret-misspelt-host",
        "the pull secret is for a host that is spelt otherwise",
        "pull-secret-wrong-registry",
        ANONYMOUS,
        _stored(_auth(TOKEN, PASSWORD), host="secretmisspelthost.azurcr.io"),
    ),
    _secret(
        "secret-identity-token",
        "the pull secret was made from what `az acr login` stored",
        "registry-credential-not-sent",
        "401 Unauthorized",
        _stored({**_auth(NULL_GUID, ""), "identitytoken": "eyJhbGciOiJSUzI1NiJ9"}),
    ),
    _secret(
        "token-of-yesterday",
        "the pull secret holds a token of three hours, a day old",
        "registry-credential-stale",
        REFUSED,
        _of_yesterday,
    ),
    _secret(
        "wrong-password",
        "the pull secret has another password than the token",
        "wrong-password",
        REFUSED,
        _stored(_auth(TOKEN, PASSWORD[::-1])),
        equals=STALE,
    ),
    _secret(
        "line-break",
        "the password in the pull secret ends with a line break",
        "wrong-password",
        REFUSED,
        _stored(_auth(TOKEN, f"{PASSWORD}\n")),
    ),
    _secret(
        "persons-name",
        "the pull secret has a person's name",
        "wrong-username",
        REFUSED,
        _stored(_auth("somebody@contoso.example", PASSWORD)),
        equals=STALE,
    ),
    _secret(
        "admin-off",
        "the pull secret is of the admin user, who is switched off",
        "admin-disabled",
        REFUSED,
        _stored(_auth("adminoff", PASSWORD)),
        _admin,
        equals=STALE,
        issue=_issued,
    ),
    _secret(
        "token-disabled",
        "the repository-scoped token of the pull secret is disabled",
        "registry-credential-stale",
        REFUSED,
        _stored(_auth(TOKEN, PASSWORD)),
        _account(enabled=False),
        equals=STALE,
        issue=_issued,
    ),
    _secret(
        "token-expired",
        "the password of the repository-scoped token has expired",
        "registry-credential-stale",
        REFUSED,
        _stored(_auth(TOKEN, PASSWORD)),
        _account(expires=datetime(2026, 1, 1, tzinfo=UTC)),
        equals=STALE,
        issue=_issued,
    ),
    _secret(
        "token-without-content",
        "the scope map of the pull secret's token lacks content/read",
        "token-scope-insufficient",
        "insufficient_scope",
        _stored(_auth(TOKEN, PASSWORD)),
        _account(actions=["metadata_read"]),
        issue=_issued,
    ),
    _secret(
        "token-of-other-repository",
        "the scope map of the pull secret's token names another repository",
        "token-scope-insufficient",
        "insufficient_scope",
        _stored(_auth(TOKEN, PASSWORD)),
        _account(repositories=["team/*"]),
        issue=_issued,
    ),
    _secret(
        "principal-secret-wrong",
        "the pull secret has another secret than the service principal",
        "sp-secret-invalid",
        REFUSED,
        _stored(_auth(APPLICATION, f"{PASSWORD}?")),
        _account(APPLICATION),
        equals=frozenset({"sp-secret-expired"}),
    ),
    _secret(
        "principal-unknown",
        "the pull secret's service principal is not in the registry's directory",
        "wrong-username",
        REFUSED,
        _stored(_auth(APPLICATION, PASSWORD)),
    ),
    Pull(
        "node-without-role",
        "the nodes' identity has no role on the registry",
        "registry-credential-not-sent",
        ANONYMOUS,
        role=False,
        equals=NO_CREDENTIAL,
        mend=_role_given,
        why=ROLES,
    ),
    Pull(
        "node-role-ignored",
        "the nodes' identity has AcrPull, and the registry looks at the roles of repositories",
        "acrpull-ignored-abac",
        ANONYMOUS,
        alter=_abac,
        equals=NO_CREDENTIAL | {"role-propagation-delay", "tenant-mismatch"},
        mend=_let_in,
        why="the roles are not the cluster's to change",
    ),
    Pull(
        "provider-does-not-match",
        "the registry has a domain of its own, for which the nodes have no credential provider",
        "registry-credential-not-sent",
        ANONYMOUS,
        domain="contoso.example",
        equals=NO_CREDENTIAL,
        issue=_issued,
    ),
    Pull(
        "provider-fails",
        "the registry does not exchange tokens, and the credential provider gives up",
        "service-incident",
        ANONYMOUS,
        way=_says(500, "/oauth2/exchange"),
        equals=NO_CREDENTIAL,
        mend=_straight,
        why=ONLY_TIME,
    ),
    Pull(
        "tag-absent",
        "the tag is not in the registry",
        "tag-not-found",
        "not found",
        image=lambda place: place.image.replace(TAG, "not-pushed-yet"),
        mend=_tag_pushed,
        why=OWNERS,
    ),
    Pull(
        "repository-misspelt",
        "the repository is spelt otherwise",
        "image-not-found",
        "not found",
        image=lambda place: place.image.replace("envbox", "enbvox"),
        mend=_right_image,
        why=NAME,
    ),
    Pull(
        "digest-absent",
        "the digest is not in the registry",
        "tag-not-found",
        "not found",
        image=lambda place: f"{place.host}/{REPOSITORY}@sha256:{'0123456789abcdef' * 4}",
        mend=_right_image,
        why=NAME,
    ),
    Pull(
        "name-in-capitals",
        "the repository's name has capitals",
        "invalid-image-reference",
        "must be lowercase",
        image=lambda place: place.image.replace("envbox", "Envbox"),
        mend=_right_image,
        why=NAME,
    ),
    Pull(
        "other-platform",
        "the image is made for other processors",
        "platform-mismatch",
        "no match for platform in manifest",
        stage=_other_platform,
        mend=_pushed,
        why=OWNERS,
    ),
    Pull(
        "image-purged",
        "the tag is there, and the image that its index names was deleted",
        "manifest-purged",
        "not found",
        stage=_purged,
        mend=_pushed,
        why=OWNERS,
    ),
    Pull(
        "helm-chart",
        "what is stored there is a Helm chart",
        "not-a-container-image",
        "mismatched image rootfs and manifest layers",
        stage=_chart,
        mend=_pushed,
        why=OWNERS,
    ),
    Pull(
        "layer-corrupt",
        "a layer is not what its digest says",
        "blob-corrupt",
        "unexpected commit digest",
        stage=_corrupt,
        mend=_pushed,
        why=OWNERS,
    ),
    Pull(
        "layer-lost",
        "a layer is gone from the registry",
        "manifest-purged",
        "not found",
        stage=_lost,
        mend=_pushed,
        why=OWNERS,
    ),
    Pull(
        "image-locked",
        "the image is locked or in quarantine",
        "image-locked",
        "405 Method Not Allowed",
        way=_answers("image-locked", f"/v2/{REPOSITORY}/manifests/"),
        mend=_straight,
        why=OWNERS,
    ),
    Pull(
        "behind-firewall",
        "the registry's firewall does not know the cluster",
        "firewall-ip-denied",
        FORBIDDEN,
        alter=_firewall,
        equals=DENIED,
        mend=_let_in,
        why="a rule is added with az acr network-rule add",
    ),
    Pull(
        "firewall-knows-pods",
        "the registry's firewall knows the pods and not the second node",
        "firewall-ip-denied",
        FORBIDDEN,
        alter=_firewall_for_nodes,
        equals=DENIED,
        mend=_let_in,
        why="a rule is added with az acr network-rule add",
        pool=NODES[1].pool,
    ),
    Pull(
        "public-access-off",
        "the registry takes private endpoints only",
        "public-access-disabled",
        FORBIDDEN,
        alter=_shut,
        equals=DENIED,
        mend=_let_in,
        why=NETWORK,
    ),
    Pull(
        "endpoint-unlinked",
        "the registry has a private endpoint, and its zone is not linked: the name leads to the public address",
        "private-endpoint-dns",
        FORBIDDEN,
        alter=_shut_but_for_endpoint,
        way=_linked(attrgetter("address")),
        equals=DENIED,
        mend=_let_in,
        why=NETWORK,
    ),
    Pull(
        "endpoint-down",
        "the registry's private endpoint is not reached",
        "private-endpoint-unreachable",
        "connection refused",
        way=_linked(attrgetter("endpoint")),
        stage=_blocked(attrgetter("endpoint")),
        beside=frozenset({"egress-blocked"}),
        mend=_open(attrgetter("endpoint")),
        why=NETWORK,
    ),
    Pull(
        "egress-refused",
        "connections to the registry are refused",
        "egress-blocked",
        "connection refused",
        stage=_blocked(attrgetter("address")),
        mend=_open(attrgetter("address")),
        why=NETWORK,
    ),
    Pull(
        "egress-dropped",
        "connections to the registry come to nothing",
        "egress-blocked",
        "i/o timeout",
        stage=_blocked(attrgetter("address"), "DROP"),
        mend=_open(attrgetter("address"), "DROP"),
        why=NETWORK,
    ),
    Pull(
        "storage-refused",
        "connections to the storage of the layers are refused",
        "blob-storage-blocked",
        "connection refused",
        alter=_elsewhere,
        way=_data_host(),
        stage=_blocked(attrgetter("storage")),
        mend=_open(attrgetter("storage")),
        why=NETWORK,
    ),
    Pull(
        "data-endpoint-dropped",
        "connections to the registry's data endpoint come to nothing",
        "blob-storage-blocked",
        "i/o timeout",
        alter=_data_endpoint,
        way=_data_host(),
        stage=_blocked(attrgetter("storage"), "DROP"),
        mend=_open(attrgetter("storage"), "DROP"),
        why=NETWORK,
    ),
    Pull(
        "data-endpoint-unknown",
        "the data endpoint's name does not resolve",
        "blob-storage-blocked",
        "no such host",
        alter=_data_endpoint,
        way=_data_host(address=""),
        mend=_straight,
        why=NETWORK,
    ),
    Pull(
        "data-endpoint-intercepted",
        "somebody on the way to the layers signs in the data endpoint's name",
        "tls-untrusted-ca",
        "certificate signed by unknown authority",
        alter=_data_endpoint,
        way=_data_host(certificate="intercepted"),
        beside=frozenset({"check-tool-false-alarm"}),
        mend=_straight,
        why=NETWORK,
    ),
    Pull(
        "name-unknown",
        "the registry's name does not resolve",
        "registry-name-wrong",
        "no such host",
        way=_unresolved,
        beside=frozenset({"wrong-cloud"}),
        mend=_straight,
        why=NETWORK,
    ),
    Pull(
        "registry-misspelt",
        "the registry is spelt otherwise",
        "registry-name-wrong",
        "no such host",
        image=_misspelt,
        beside=frozenset({"wrong-cloud"}),
        mend=_right_image,
        why=NAME,
    ),
    Pull(
        "intercepted",
        "somebody on the way signs in the registry's name",
        "tls-untrusted-ca",
        "certificate signed by unknown authority",
        way=_shown("intercepted"),
        mend=_straight,
        why=NETWORK,
    ),
    Pull(
        "certificate-expired",
        "the registry's certificate has run out",
        "tls-server-cert-expired",
        "certificate has expired",
        way=_shown("expired"),
        equals=frozenset({"clock-skew"}),
        mend=_straight,
        why="the certificate is the registry's",
    ),
    Pull(
        "throttled",
        "the registry limits this client",
        "throttled",
        "429 Too Many Requests",
        way=_answers("registry-throttled"),
        beside=frozenset({"mic-arm-throttled", "dockerhub-rate-limit"}),
        mend=_straight,
        why=ONLY_TIME,
    ),
    Pull(
        "unavailable",
        "the registry answers 503",
        "service-incident",
        "503 Service Unavailable",
        way=_answers("registry-failing"),
        mend=_straight,
        why=ONLY_TIME,
    ),
    Pull(
        "login-page",
        "a login page answers in the registry's name",
        "captive-portal",
        "unexpected media type text/html",
        way=_answers("web-page"),
        beside=frozenset({"not-a-container-image", "proxy-required"}),
        mend=_straight,
        why=NETWORK,
    ),
    Pull(
        "mended-meanwhile",
        "nothing any more: the registry has known the pull secret's token since the pull had failed",
        "pull-retry-pending",
        REFUSED,
        stage=_stored(_auth(TOKEN, PASSWORD)),
        # Of the nodes, acrcheck asks with a pull secret from the first.
        pool=NODES[0].pool,
        failures=4,
        beside=SENT,
        meanwhile=_renewed,
        role=False,
        secret=True,
    ),
)

ALONE = (
    Pull(
        "identity-unassigned",
        "the nodes' identity is on no scale set any more",
        "registry-credential-not-sent",
        ANONYMOUS,
        stage=_unassigned,
        equals=NO_CREDENTIAL,
        mend=_assigned,
        why="the identity is put back with az aks update",
    ),
    Pull(
        "metadata-down",
        "the nodes' metadata services do not listen",
        "imds-unreachable",
        ANONYMOUS,
        stage=_imds_stopped,
        equals=NO_CREDENTIAL,
        mend=_imds_up,
        why="the metadata service is Azure's to mend",
    ),
)

ALL = (*PULLS, *ALONE)
