"""The facts that checks return and later checks take. Plain and frozen; what they mean, not how they were found."""

from datetime import datetime
from typing import Any

from acrcheck.azure.image import ImageReference
from acrcheck.azure.imds import Spoken
from acrcheck.late import dataclass
from acrcheck.model import Permission, Subject
from acrcheck.wire.door import Vantage


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
    """True for Coder's control plane."""

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
        template: dict[str, Any] = self.manifest.get("spec", {}).get("template") or {}
        return template


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

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        return Subject(f"pod/{self.name}", frozenset({f"pod/{self.name}", f"node/{self.node}"}))

    @property
    def host_network(self) -> bool:
        """True when it shares its node's network, and so never meets NMI."""
        return bool(self.spec.get("hostNetwork"))


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
    exceptions: tuple[dict[str, Any], ...] | None
    """None when they may not be read."""
    everywhere: bool
    """True when all namespaces could be read."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node that hosts a pod of the workload."""

    name: str
    scale_set: str
    os: str
    arch: str


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
class Route:
    """One way to the registry: credential × image × vantage. `image` is None when none is known."""

    pod: str
    node: str
    vantage: Vantage
    host: str
    image: ImageReference | None
    credential: str
    tokens: OwnToken | None
    platform: tuple[str, str] = ("linux", "amd64")

    @property
    def subject(self) -> Subject:
        """What observations about it are about."""
        place = frozenset({f"pod/{self.pod}", f"node/{self.node}"})
        return Subject(f"pod/{self.pod} → {self.host}", place)


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
    """The registry's certificate is trusted."""

    issuer: str


@dataclass(frozen=True, slots=True)
class Challenged:
    """The registry asks for ACR's kind of token."""

    service: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The registry took the identity's token for its own refresh token."""

    handle: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The registry's access token, with what it really grants on the image's repository."""

    handle: str
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The image's manifest for the node's platform: config and layers as (digest, size)."""

    digest: str
    config: tuple[str, int]
    layers: tuple[tuple[str, int], ...]
