"""The facts that checks return and later checks take. Plain and frozen; what they mean, not how they were found."""

from dataclasses import field
from datetime import datetime
from typing import Any

from acrcheck.azure.image import ImageReference, place_of
from acrcheck.azure.imds import Spoken
from acrcheck.cluster.reader import Answer
from acrcheck.helm.values import Place
from acrcheck.late import dataclass
from acrcheck.model import BEHALF, Permission, Subject
from acrcheck.wire.door import Vantage

POD_IDENTITY, KUBELET = f"{BEHALF}pod", f"{BEHALF}kubelet"
"""On whose behalf a registry is asked: the pod identity's, which the application uses, or that of the nodes, which pull
with pull secrets or their own identity."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the selected checks declare to ask of the API server: handed in by the run."""

    asks: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ApiServer:
    """The API server answered with this version (`v1.36.3`)."""

    version: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One permission that the run needs."""

    permission: Permission

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(self.permission.text, frozenset({f"permission/{self.permission.text}"}))


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether a permission is held."""

    permission: Permission
    held: bool


@dataclass(frozen=True, slots=True)
class Workload:
    """The workload under test."""

    kind: str
    name: str
    namespace: str
    manifest: dict[str, Any]
    coder: bool
    """True for Coder's control plane, version 1."""
    coder_v2: bool = False
    """True for that of version 2, which knows no registries."""

    @property
    def values(self) -> dict[str, str]:
        """The values that any remedy may use."""
        return {"namespace": self.namespace, "workload": f"{self.kind}/{self.name}", "name": self.name}

    @property
    def template_labels(self) -> dict[str, str]:
        """The labels that the next pod will carry."""
        labels: dict[str, str] = self._template.get("metadata", {}).get("labels") or {}
        return labels

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The specification of the next pod."""
        spec: dict[str, Any] = self._template.get("spec") or {}
        return spec

    @property
    def _template(self) -> dict[str, Any]:
        if self.kind == "pod":
            return self.manifest
        spec = self.manifest.get("spec", {})
        if self.kind == "cronjob":
            spec = spec.get("jobTemplate", {}).get("spec", {})
        template: dict[str, Any] = spec.get("template") or {}
        return template


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """What sets the number of the workload's replicas; empty when nothing does."""

    name: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Whether the newest template has reached every pod, and how many there should be."""

    complete: bool
    replicas: int


@dataclass(frozen=True, slots=True)
class Pod:
    """One running pod of the workload."""

    name: str
    namespace: str
    node: str
    labels: dict[str, str]
    spec: dict[str, Any]
    container: str
    ready: bool
    started: datetime | None
    terminating: bool = False
    exec_problem: str = ""
    """Why nothing can be run inside it (CrashLoopBackOff, not started); empty when it can."""
    status: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    """The kind of what makes it; empty where nothing does."""

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(f"pod/{self.name}", frozenset({f"pod/{self.name}", f"node/{self.node}"}))

    @property
    def host_network(self) -> bool:
        """True when it shares its node's network, and so never meets NMI."""
        return bool(self.spec.get("hostNetwork"))


@dataclass(frozen=True, slots=True)
class HelmRelease:
    """The Helm release that makes the workload, sealed as `acrcheck.helm.release.sealed` gives it.

    `newest` is the last revision, `deployed` the one whose pods run: the same, where nothing is amiss.
    """

    name: str
    namespace: str
    newest: dict[str, Any]
    deployed: dict[str, Any]

    def origin(self) -> str:
        """Say which revision it is, as a report does."""
        status = self.newest["status"]
        told = "" if status == "deployed" else f", {status}"
        return f"release {self.name} (revision {self.newest['revision']}{told})"


@dataclass(frozen=True, slots=True)
class ChartValues:
    """The values that somebody gives to Coder's chart, from files or as a release keeps them."""

    tree: dict[str, Any]
    version: str
    """Of the chart."""
    assumed: bool
    """True where nobody said which chart it is: the newest is taken."""
    origin: str
    """Where they are from, as a report says it: `values.yaml`, `release coder`."""
    places: dict[tuple[str | int, ...], Place]
    """Where each key stands; empty for those of a release."""
    written: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    """What is written for a value that is no text, where that is known."""

    def place(self, path: tuple[str | int, ...]) -> str:
        """Say where a key stands, or the nearest map above it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return str(self.places[path[:end]])
        return self.origin


@dataclass(frozen=True, slots=True)
class PodEvents:
    """The events of the pods in the workload's namespace, by the pod's name, as they are."""

    by_pod: dict[str, tuple[dict[str, Any], ...]]


@dataclass(frozen=True, slots=True)
class FailedPulls:
    """The images that a pod waits for."""

    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """The workload is meant to get an identity from AAD Pod Identity."""


@dataclass(frozen=True, slots=True)
class TemplateLabel:
    """The value of the pod template's `aadpodidbinding`; None when it has none."""

    value: str | None


@dataclass(frozen=True, slots=True)
class PodLabel:
    """The value of the pod's `aadpodidbinding`; None when it has none."""

    value: str | None


@dataclass(frozen=True, slots=True)
class Crds:
    """The plural names that the API server serves in aadpodidentity.k8s.io/v1."""

    served: frozenset[str]


@dataclass(frozen=True, slots=True)
class IdentityObjects:
    """The objects of the aadpodidentity.k8s.io API, as they are."""

    identities: tuple[dict[str, Any], ...]
    bindings: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...] | Answer
    """The answer in place of them when they may not be read."""
    everywhere: bool
    """True when all namespaces could be read."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that hosts a pod of the workload."""

    name: str
    scale_set: str
    os: str
    arch: str
    public: tuple[str, ...] = ()
    """Its own addresses outside of the cluster; most nodes have none."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes that host the workload."""

    by_name: dict[str, Node]


@dataclass(frozen=True, slots=True)
class Nmi:
    """NMI on one node: its mode by its own arguments, and since when it is ready (None: it is not)."""

    node: str
    mode: str
    """`standard` or `managed`."""
    namespaced: bool
    ready_since: datetime | None
    name: str
    namespace: str


@dataclass(frozen=True, slots=True)
class Nmis:
    """NMI on every node that hosts a pod of the workload and has one."""

    by_node: dict[str, Nmi]


@dataclass(frozen=True, slots=True)
class Bound:
    """The AzureIdentity objects that a pod's label leads to."""

    identities: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """The managed identity that a pod should get, by its AzureIdentity."""

    client_id: str
    resource_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """The AzureAssignedIdentity objects of a pod."""

    objects: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave one pod: where it was asked from, and the answers by audience.

    `bare` is the answer to the request for ARM that names no client id, as an application may ask.
    """

    vantage: Vantage
    arm: Spoken | None
    registry: Spoken | None
    bare: Spoken | None


@dataclass(frozen=True, slots=True)
class OwnToken:
    """The tokens of a pod, shown to be the identity's own: handles and claims."""

    vantage: Vantage
    arm: Spoken | None
    registry: Spoken | None
    claims: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApplicationLog:
    """How many lines of the application's recent log speak of a token failure."""

    failures: int


@dataclass(frozen=True, slots=True)
class Login:
    """What Azure Resource Manager shows the identity."""

    subscriptions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is to be pulled, and the containers that name it. `reference` is None where nobody can pull it."""

    text: str
    containers: tuple[str, ...]
    reference: ImageReference | None

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(f"image {self.text}", frozenset({f"image/{self.text}"}))


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A pull secret that the pods name, and who names it: the pod, or its service account."""

    name: str
    namespace: str
    source: str

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(f"secret/{self.name}", frozenset({f"secret/{self.name}"}))


@dataclass(frozen=True, slots=True)
class PullSecret:
    """A pull secret as the kubelet reads it. With a `problem` it drops the credentials of all of them."""

    name: str
    problem: str
    entries: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and a password for a registry, of which kind, and where they come from. `password` is a handle."""

    source: str
    username: str
    password: str
    kind: str
    secret: str = "SECRET"  # noqa: S105 - a name, not a secret
    """The name of the pull secret; the placeholder where it is of none."""

    def __str__(self) -> str:
        return f"{self.username} ({self.kind}) of {self.source}"


@dataclass(frozen=True, slots=True)
class Keyring:
    """What the kubelet pulls an image with: the credentials of its pull secrets, in the order of use."""

    image: Image
    credentials: tuple[Credential, ...]
    provider: bool
    """True where the node's credential provider is asked for this image too."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way over the network to a registry: vantage × host.

    With `identity` it is the pod identity's, with its tokens and the image that it is for; `coder` is true where
    Coder's control plane asks. Without, only stored credentials are tried on it.
    """

    pod: str
    """Empty where it begins at acrcheck itself."""
    node: str
    vantage: Vantage
    host: str
    identity: bool = False
    image: ImageReference | None = None
    tokens: OwnToken | None = None
    coder: bool = False
    platforms: tuple[tuple[str, str], ...] = ()
    """Operating system and architecture of the node it begins at, then those of the workload's other nodes; empty
    where that is not known."""
    public: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    """The public addresses of the workload's nodes, by their names; None where the nodes are not known."""

    @property
    def name(self) -> str:
        """The registry's name, without a port."""
        return place_of(self.host)[0]

    @property
    def port(self) -> int:
        """The registry's port."""
        return place_of(self.host)[1]

    @property
    def begins(self) -> str:
        """Where it begins, as a report says it."""
        return self.pod or "here"

    @property
    def place(self) -> frozenset[str]:
        """What of the cluster it begins at."""
        return frozenset({f"pod/{self.pod}", f"node/{self.node}"}) if self.pod else frozenset({"here"})

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(f"pod/{self.pod} → {self.host}" if self.pod else f"here → {self.host}", self.place)

    @property
    def as_identity(self) -> Subject:
        """The same, of the pod identity that asks on it."""
        return Subject(self.subject.name, self.place | {POD_IDENTITY})


@dataclass(frozen=True, slots=True)
class Route:
    """One way to pull an image: path × image × credentials. Without credentials it is the pod identity's.

    `image` is None where none of the registry is known.
    """

    path: Path
    image: ImageReference | None
    credentials: tuple[Credential, ...] = ()
    shared: Subject | None = None
    """Of the token, where one is for several images of a repository; None where it is for this route alone."""

    @property
    def platforms(self) -> tuple[tuple[str, str], ...]:
        """For which platforms the image is wanted: with stored credentials it stands for all nodes."""
        return self.path.platforms if self.credentials else self.path.platforms[:1]

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        if not self.credentials:
            return self.path.as_identity
        secrets = (f"secret/{item.secret}" for item in self.credentials)
        whose = {KUBELET} if self.path.pod else set[str]()
        place = frozenset({*self.path.place, f"image/{self.image}", *secrets, *whose})
        return Subject(f"{self.path.subject.name.partition(' ')[0]} → {self.image}", place)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one token is asked for: path × repository × credentials. The first of the routes that it is for."""

    route: Route

    @property
    def subject(self) -> Subject:
        """What observations about it are about; by this a route finds its token."""
        return self.route.shared or self.route.subject


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of the registry, seen from a route."""

    addresses: tuple[str, ...]
    private: bool


@dataclass(frozen=True, slots=True)
class Open:
    """TCP opens to the registry."""

    address: str


@dataclass(frozen=True, slots=True)
class Trusted:
    """The registry's certificate is trusted; it ends at `expires`, as the client wrote it (empty: it did not)."""

    issuer: str
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Challenged:
    """What the registry asks for: a token of its `realm`, or with the scheme `basic` name and password."""

    service: str
    realm: str
    scheme: str = "bearer"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The registry took the identity's token for its own refresh token."""

    handle: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The registry's access token, with what it really grants on the image's repository.

    With a `username`, the registry knows no tokens, and the handle is of the password.
    """

    handle: str
    actions: frozenset[str]
    username: str = ""

    @property
    def pulls(self) -> bool:
        """True when it grants pull."""
        return bool(self.actions & {"pull", "*"})

    @property
    def granted(self) -> str:
        """The actions, as a report names them."""
        return ", ".join(sorted(self.actions)) or "nothing"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The image's manifests for the nodes' platforms, their configs and layers as (digest, size), each once."""

    digest: str
    configs: tuple[tuple[str, int], ...]
    layers: tuple[tuple[str, int], ...]
    platforms: tuple[tuple[str, str], ...] = ()
    """For which platforms the config must be; empty where an index said for which it is."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What an upgrade would install. Versions are of Coder's chart; empty where none is known or named."""

    current: str
    version: str
    images: tuple[str, ...]
    labels: dict[str, Any] | None
    """Of the next pods; None where nobody said by which values."""
    refused: tuple[str, ...]
    """Keys of the values at which the chart would fail."""
    origin: str
    """Where the values are from, as a report says it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool on which the workload's next pods may be, with its nodes as they are."""

    name: str
    nodes: tuple[dict[str, Any], ...]

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        nodes = (f"node/{item['metadata']['name']}" for item in self.nodes)
        return Subject(f"pool/{self.name}", frozenset({f"pool/{self.name}", *nodes}))


@dataclass(frozen=True, slots=True)
class Trial:
    """A pull that is to be tried: of an image, on one node of a pool."""

    image: Image
    pool: str
    node: str
    """Empty where no node of the pool may be asked."""
    why_not: str = ""
    """Why none may be."""

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        place = f"node/{self.node}" if self.node else f"pool/{self.pool}"
        return Subject(
            f"pool/{self.pool} → {self.image.text}", frozenset({place, f"image/{self.image.text}", KUBELET})
        )


@dataclass(frozen=True, slots=True)
class KubeletPull:
    """What a node's kubelet came to with an image, just now, for a throw-away pod; `said` are its words."""

    image: str
    node: str
    pool: str
    ok: bool
    said: str
