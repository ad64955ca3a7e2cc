"""A whole world in plain data: a cluster on AKS, the Azure around it, and the network between them.

What the Kubernetes API does not show stands beside the objects: which programs an image has, who keeps an old
connection, which nodes lost their redirect, what the operator may do. Faults are changes of this data.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from acrcheck.cluster.reader import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    DEPLOYMENTS,
    PODS,
)
from acrcheck.lab import images, objects
from acrcheck.lab.azure import (
    Azure,
    ManagedCluster,
    ManagedIdentity,
    Node,
    Registry,
    RoleAssignment,
    ScaleSet,
    Subscription,
    Tenant,
)
from acrcheck.lab.clock import START, LabClock
from acrcheck.lab.coder import Coder
from acrcheck.lab.kube import Json, Kubernetes
from acrcheck.lab.machines import Machine, PullSecret, Workstation
from acrcheck.lab.webhook import Webhook
from acrcheck.target import Target
from acrcheck.wire.probe import DOCUMENTED_IMAGE

TENANT = "0b7a1c52-6a6e-4c9b-9d0e-8f6f2d4b3a11"
SUBSCRIPTION = "5f0b6d3c-2c1e-4f8f-9a51-3d2f5b7c9e10"
NODE_GROUP = "MC_coder_lab_eastus"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/coder"
CLIENT_ID = "7a4f0c1e-52d3-4b68-9c3f-1d7be02a5f34"
OBJECT_ID = "c2d96b57-0e1a-4f7c-8b45-93a6e7f1d820"
HOST = "labreg.azurecr.io"
REGISTRY_ID = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/labreg"
REPOSITORY, TAG = "coder/envbox", "1.44"
IMAGE = f"{HOST}/{REPOSITORY}:{TAG}"
SYSTEM_POOL, WORKER_POOL = "aks-system-10000001-vmss", "aks-workers-10000002-vmss"
CLUSTER_ID = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/lab"
TOKEN_ISSUER = f"https://eastus.oic.prod-aks.azure.com/{TENANT}/d4c0b1a6-58e7-4f92-a3d9-7b6e1f08c25a/"
NAMESPACE = "coder"
IDENTITY = "coder-identity"
SELECTOR = "coder-identity"
CONTEXT = "lab"
REGISTRY_ADDRESS = "20.62.128.13"
EGRESS = "20.81.44.7"
ISSUER = "C=US; O=Microsoft Corporation; CN=Microsoft Azure RSA TLS Issuing CA 04"
ALL_TOOLS = frozenset({"curl", "wget", "python3", "getent", "nslookup", "openssl"})
NOT_FOUND = '{"error":"invalid_request","error_description":"Identity not found"}'
"""What the documentation shows, and what IMDS says of an identity that it does not have."""

Effect = Literal["unresolved", "drop", "refuse", "reset", "silent", "inspect", "flaky", "old-tls"]


@dataclass(frozen=True)
class Name:
    """What a DNS name resolves to, and through which other names."""

    addresses: tuple[str, ...]
    chain: tuple[str, ...] = ()


@dataclass(frozen=True)
class Certificate:
    """A server's certificate. The names may begin with `*.`."""

    names: tuple[str, ...]
    issuer: str = ISSUER
    expires: datetime = START + timedelta(days=180)


@dataclass(frozen=True)
class Canned:
    """What a host, or a path on it, answers in place of the simulators, to methods of that list or to all."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


PROXY = Canned(
    503,
    (("Content-Type", "text/html"), ("Server", "squid/5.7")),
    "<html><body>ERR_CONNECT_FAIL</body></html>",
)


@dataclass(frozen=True)
class Rule:
    """What happens to traffic for a host (`*` for all but the metadata service) from a place, or from everywhere.

    `where` is the name of a node or of a pod, or `local`. `inspect` means that somebody on the way signs
    with a certificate of his own; `silent` that the connection opens and nothing ever answers;
    `flaky` that the first request to a place breaks off; `old-tls` that no version of TLS is spoken that the client
    takes.
    """

    effect: Effect
    host: str = "*"
    where: str = ""


@dataclass
class Network:
    """Names, certificates, and what is in the way.

    Attributes:
        answers: by `host` or `host/path`, the longest that fits decides.
        proxy: what the proxy of the pods' environment answers for the metadata service.
        trusted: issuers of certificates that the images trust.
    """

    names: dict[str, Name] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    answers: dict[str, Canned] = field(default_factory=dict)
    proxy: Canned = Canned(
        503, (("Content-Type", "text/html"), ("Server", "squid/5.7")), "<html>ERR_CONNECT_FAIL</html>"
    )
    egress: str = EGRESS
    trusted: frozenset[str] = frozenset({ISSUER})


@dataclass(frozen=True)
class Forbidden:
    """Something the operator may not: `elsewhere` means anywhere but in the workload's namespace."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    elsewhere: bool = False


@dataclass
class Operator:
    """Who runs acrcheck: what is forbidden to him, and how far his machine's clock is ahead."""

    forbidden: list[Forbidden] = field(default_factory=list)
    ahead: timedelta = timedelta()


@dataclass
class Release:
    """A Helm release as it is deployed.

    Attributes:
        revision: the one that is deployed, or what `status` says of it.
        attempted: status and values of a later revision that did not come so far.
        rendered: the Deployment as helm rendered it; None where it is as it was rendered.
        stored: whether helm keeps it in Secrets, as it does unless it is told otherwise.
    """

    name: str
    namespace: str
    chart: str
    version: str
    values: dict[str, Any] = field(default_factory=dict)
    revision: int = 1
    status: str = "deployed"
    attempted: tuple[str, dict[str, Any]] | None = None
    rendered: Json | None = None
    stored: bool = True


@dataclass
class World:
    """Everything that there is.

    Attributes:
        tools: the programs in an image that can ask the network something.
        old_connections: pods whose application goes on with a connection from before NMI, with the words it
            is given on it.
        leftover_redirects: nodes whose redirect to NMI is there though NMI is not.
        missing_redirects: nodes whose redirect is not there though NMI is.
        blind_nmis: nodes whose NMI has lost the API server.
        mic: `idle` makes no object, `stuck` makes them and does not get the identity onto the scale set.
        server_version: what the API server says that it is.
        pull_secrets: the Secrets that nodes may pull with.
        machines: nodes that are not as every node is, by name.
        webhook: that of workload identity, where it is installed.
        annotations: of service accounts, by `namespace/name`.
        coder: Coder's own API, where it can be asked.
        session_token: what the operator gives for it.
    """

    clock: LabClock
    kubernetes: Kubernetes
    azure: Azure
    network: Network
    target: Target
    operator: Operator = field(default_factory=Operator)
    tools: dict[str, frozenset[str]] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)
    old_connections: dict[str, str] = field(default_factory=dict)
    leftover_redirects: set[str] = field(default_factory=set)
    missing_redirects: set[str] = field(default_factory=set)
    blind_nmis: set[str] = field(default_factory=set)
    mic: Literal["works", "stuck", "idle"] = "works"
    server_version: str = "v1.36.3"
    pull_secrets: list[PullSecret] = field(default_factory=list)
    machines: dict[str, Machine] = field(default_factory=dict)
    workstation: Workstation = field(default_factory=Workstation)
    webhook: Webhook | None = None
    annotations: dict[str, dict[str, str]] = field(default_factory=dict)
    coder: Coder | None = None
    session_token: str = ""

    def machine(self, node: str) -> Machine:
        """What programs find on a node."""
        return self.machines.setdefault(node, Machine())

    @property
    def deployment(self) -> Json:
        """The Deployment under test."""
        return self.kubernetes.get(DEPLOYMENTS, "coderd", NAMESPACE)

    @property
    def pods(self) -> list[Json]:
        """The pods under test."""
        wanted = self.deployment["spec"]["selector"]["matchLabels"].items()
        return [
            pod
            for pod in self.kubernetes.items(PODS, NAMESPACE)
            if wanted <= (pod["metadata"].get("labels") or {}).items()
        ]

    @property
    def registry(self) -> Registry:
        """The registry under test."""
        return self.azure.registries[0]

    def nmi_on(self, node: str) -> Json | None:
        """The NMI pod that is ready on a node."""
        for pod in self.kubernetes.items(PODS):
            if is_nmi(pod) and pod["spec"]["nodeName"] == node and is_ready(pod):
                return pod
        return None

    def settle(self) -> None:
        """Let the cluster's controllers work, and MIC where there is one."""
        self.kubernetes.settle()
        for name in self.old_connections.keys() & self.kubernetes.ended:
            del self.old_connections[name]
        self.kubernetes.ended.clear()
        self._assign()

    def _assign(self) -> None:
        """What MIC does: an AzureAssignedIdentity for each pod that a binding selects."""
        running = [pod for pod in self.kubernetes.items(PODS) if _is_mic(pod) and is_ready(pod)]
        if not running or self.mic == "idle":
            return
        wanted = {}
        for pod in self.kubernetes.items(PODS):
            label = (pod["metadata"].get("labels") or {}).get(objects.LABEL)
            for bound_by in self.kubernetes.items(AZURE_IDENTITY_BINDINGS):
                if label and bound_by["spec"].get("selector") == label:
                    for item in self._assignment(pod, bound_by):
                        wanted[item["metadata"]["name"]] = item
        held = {item["metadata"]["name"]: item for item in self.kubernetes.items(AZURE_ASSIGNED_IDENTITIES)}
        for name in held.keys() - wanted.keys():
            self.kubernetes.remove(AZURE_ASSIGNED_IDENTITIES, name, held[name]["metadata"]["namespace"])
        for name, item in wanted.items():
            before = held.get(name, {})
            if (before.get("spec"), before.get("status")) != (item["spec"], item["status"]):
                self.kubernetes.put(item)

    def _assignment(self, pod: Json, bound_by: Json) -> Iterator[Json]:
        """What MIC writes for a pod and a binding; nothing where it ignores the identity."""
        place = bound_by["metadata"]["namespace"]
        identity = self.kubernetes.find(AZURE_IDENTITIES, bound_by["spec"].get("azureIdentity", ""), place)
        if identity is None or not identity["spec"].get("resourceID", "").startswith("/subscriptions/"):
            return
        known = self.azure.identity(identity["spec"]["resourceID"])
        if known is None or self.mic == "stuck":
            state = "Created"
        else:
            state = "Assigned"
            scale_set = self.azure.scale_set(self.azure.node(pod["spec"]["nodeName"]).scale_set)
            if known.resource_id not in scale_set.identities:
                scale_set.identities.append(known.resource_id)
        yield objects.assigned(pod, copy.deepcopy(identity), copy.deepcopy(bound_by), state)


def is_nmi(pod: Json) -> bool:
    """Whether a pod is NMI's, by the labels of its manifests and of its chart."""
    labels = pod["metadata"].get("labels") or {}
    return "nmi" in {labels.get("component"), labels.get("app.kubernetes.io/component")}


def _is_mic(pod: Json) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get("component") == "mic")


def is_ready(pod: Json) -> bool:
    """Whether a pod's Ready condition is true."""
    conditions = pod["status"].get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def healthy(
    *, mode: Literal["managed", "standard"] = "managed", replicas: int = 2, helm: bool = True
) -> World:
    """Everything as the documentation wants it: two nodes of two pools, coderd on both, its identity with AcrPull.

    Args:
        mode: of NMI, `managed` or `standard`.
        replicas: of coderd.
        helm: whether Helm made the Deployment.
    """
    clock = LabClock(START - timedelta(days=30))
    kubernetes = Kubernetes(clock)
    world = World(
        clock=clock,
        kubernetes=kubernetes,
        azure=_azure(),
        network=_network(),
        target=Target(namespace=NAMESPACE, image=IMAGE, context=CONTEXT, context_namespace="default"),
        tools={
            objects.CODERD_IMAGE: frozenset({"curl", "getent"}),
            DOCUMENTED_IMAGE: frozenset({"curl", "python3", "getent"}),
        },
    )
    for name in ("default", "kube-system", NAMESPACE):
        kubernetes.put(objects.namespace(name))
    for number, (pool, scale_set) in enumerate((("system", SYSTEM_POOL), ("workers", WORKER_POOL)), 1):
        add_node(world, number, pool, scale_set)
    for definition in objects.definitions():
        kubernetes.put(definition)
    _wait(clock, timedelta(days=10))
    kubernetes.put(objects.nmi("kube-system" if mode == "managed" else "default", mode))
    if mode == "standard":
        kubernetes.put(objects.mic())
    world.settle()
    _wait(clock, timedelta(days=25))
    kubernetes.put(objects.azure_identity(NAMESPACE, world.azure.identities[0], IDENTITY))
    kubernetes.put(objects.binding(NAMESPACE, f"{IDENTITY}-binding", IDENTITY, SELECTOR))
    kubernetes.put(objects.coderd(NAMESPACE, labels={objects.LABEL: SELECTOR}, replicas=replicas, helm=helm))
    if helm:
        values = {"coderd": {"extraLabels": {objects.LABEL: SELECTOR}}}
        world.releases.append(Release("coder", NAMESPACE, "coder", objects.CHART_VERSION, values))
    world.settle()
    _wait(clock, timedelta(days=30))
    return world


def add_node(world: World, number: int, pool: str, scale_set: str, *, machine: int = 0) -> str:
    """Add a node to a scale set, and give its name."""
    name = f"{scale_set}{machine:06}"
    item = objects.node(name, number, pool, scale_set, SUBSCRIPTION, NODE_GROUP, machine=machine)
    world.kubernetes.put(item)
    world.azure.nodes.append(Node(name, scale_set))
    return name


def _wait(clock: LabClock, since_beginning: timedelta) -> None:
    """Let time pass until so long after the world's beginning."""
    clock.sleep(since_beginning.total_seconds() - clock.monotonic())


def managed_identity(name: str, group: str, client_id: str, object_id: str) -> ManagedIdentity:
    """A user-assigned managed identity in a resource group of the lab's subscription."""
    resource_id = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity"
        f"/userAssignedIdentities/{name}"
    )
    return ManagedIdentity(name, resource_id, client_id, object_id, TENANT)


def _azure() -> Azure:
    coder = managed_identity("coder-acr", "coder", CLIENT_ID, OBJECT_ID)
    kubelet = managed_identity(
        "lab-agentpool",
        NODE_GROUP,
        "e61b8d20-9f37-4a05-b1c8-6f0d24c7a9e3",
        "48f3a7c9-d5b2-4e16-a0d4-7c2e95b81f60",
    )
    registry = Registry("labreg", HOST, REGISTRY_ID, TENANT)
    images.push(registry, REPOSITORY, TAG)
    return Azure(
        tenants=[Tenant(TENANT)],
        subscriptions=[Subscription(SUBSCRIPTION, "lab", TENANT)],
        identities=[coder, kubelet],
        scale_sets=[
            ScaleSet(
                name, SUBSCRIPTION, NODE_GROUP, [coder.resource_id], kubelet_identity=kubelet.resource_id
            )
            for name in (SYSTEM_POOL, WORKER_POOL)
        ],
        roles=[
            RoleAssignment(coder.object_id, "AcrPull", REGISTRY_ID),
            RoleAssignment(coder.object_id, "Reader", REGISTRY_ID),
        ],
        registries=[registry],
        clusters=[ManagedCluster("lab", CLUSTER_ID, kubelet.resource_id, issuer=TOKEN_ISSUER)],
    )


def _network() -> Network:
    names = {
        HOST: Name(
            (REGISTRY_ADDRESS,),
            ("eus.fe.azcr.io", "eus-acr-reg.trafficmanager.net", "r0812eus.eastus.cloudapp.azure.com"),
        ),
        "eastusmanaged1.blob.core.windows.net": Name(("20.60.128.36",)),
        "labreg.eastus.data.azurecr.io": Name(("20.62.128.14",)),
        "management.azure.com": Name(("4.150.240.10",)),
        "login.microsoftonline.com": Name(("20.190.151.68",)),
    }
    certificates = [
        Certificate(("*.azurecr.io",)),
        Certificate(("*.eastus.data.azurecr.io",)),
        Certificate(("*.blob.core.windows.net",)),
        Certificate(("management.azure.com",)),
        Certificate(("login.microsoftonline.com",)),
    ]
    return Network(names, certificates)
