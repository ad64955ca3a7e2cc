"""Where the test cluster keeps things, and which versions and addresses it is made of."""

import os
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "1.36.3"
HELM = "3.22.0"
AZ = "2.91.0"
TROUBLESHOOT = "0.133.0"
DEBIAN = "bookworm"

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent

SERVICES = "10.96.0.0/16"
SERVICE_API = "10.96.0.1"
PODS = "10.244.0.0/16"
DNS = "10.202.0.53"
AZURE = "10.202.0.10"
"""Inside the cluster, every simulated service of Azure is reached here, by its real name."""
REGISTRIES = "20.62.128.0/24"
STORAGE = "20.150.40.0/24"
ENDPOINTS = "10.225.0.0/24"
"""Where registries and what holds their layers can be reached as well: public addresses, and private endpoints."""

MIRROR_PORT = 5000
BACKEND_PORT = 5001
HELM_REPOSITORY_PORT = 8879
NMI_PORT = 2580
IMDS = "169.254.169.254"

SUBSCRIPTION = "5f0b6d3c-2c1e-4f8f-9a51-3d2f5b7c9e10"
NODE_RESOURCE_GROUP = "MC_coder_lab_eastus"

PRIVATE_ZONE = "privatelink.azurecr.io"
LINKED = ("endpointunlinked", "endpointdown")
"""Registries that have a private endpoint: their names lead through the zone of private endpoints."""


@dataclass(frozen=True)
class Node:
    """One machine of the simulated AKS: a network namespace with its own containerd and kubelet.

    Attributes:
        number: 1, 2, …: its addresses are made from it.
        pool: the AKS node pool.
        scale_set: the virtual machine scale set behind the pool.
        mode: `System` or `User`, as AKS has it.
    """

    number: int
    pool: str
    scale_set: str
    mode: str

    @property
    def name(self) -> str:
        """As AKS names the first machine of a scale set."""
        return f"{self.scale_set}000000"

    @property
    def ip(self) -> str:
        """The node's own address."""
        return f"10.201.{self.number}.2"

    @property
    def gateway(self) -> str:
        """The control plane's end of the link to the node."""
        return f"10.201.{self.number}.1"

    @property
    def pods(self) -> str:
        """The range its pods get their addresses from."""
        return f"10.244.{self.number}.0/24"

    @property
    def provider_id(self) -> str:
        """The machine's resource id, as the cloud provider writes it into the Node."""
        return (
            f"azure:///subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_RESOURCE_GROUP.lower()}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{self.scale_set}/virtualMachines/0"
        )

    @property
    def labels(self) -> dict[str, str]:
        """The labels by which AKS says what pool a node belongs to."""
        return {
            "agentpool": self.pool,
            "kubernetes.azure.com/agentpool": self.pool,
            "kubernetes.azure.com/cluster": NODE_RESOURCE_GROUP,
            "kubernetes.azure.com/mode": self.mode.lower(),
            "kubernetes.azure.com/os-sku": "Ubuntu",
            "topology.kubernetes.io/region": "eastus",
            "topology.kubernetes.io/zone": "0",
        }


NODES = (
    Node(1, "system", "aks-system-10000001-vmss", "System"),
    Node(2, "workers", "aks-workers-10000002-vmss", "User"),
)


@dataclass(frozen=True)
class Layout:
    """One running cluster's folder and its addresses towards the host.

    Attributes:
        state: everything that belongs to this cluster alone.
        index: 0 to 15; which of the host's links it has.
    """

    state: Path
    index: int

    @property
    def device(self) -> str:
        """The host's end of the link."""
        return f"acrcheck{self.index}"

    @property
    def cgroup(self) -> str:
        """The parent of all control groups of the cluster."""
        return f"acrcheck{self.index}"

    @property
    def address(self) -> str:
        """The control plane as the host reaches it."""
        return f"10.200.{self.index}.1"

    @property
    def host_address(self) -> str:
        """The host as the control plane reaches it."""
        return f"10.200.{self.index}.2"

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://{self.address}:6443"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.state / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """What the API server was asked, one JSON event a line."""
        return self.state / "audit.log"

    @property
    def azure_state(self) -> Path:
        """What the simulated Azure knows; replaced by tests, read again by the simulators."""
        return self.state / "azure.json"

    @property
    def hosts(self) -> Path:
        """The names that the cluster's DNS server answers."""
        return self.state / "hosts"

    def node(self, node: Node) -> Path:
        """A node's own folder."""
        return self.state / node.name

    def azure_json(self, node: Node) -> Path:
        """What a node's own programs know of Azure; AKS has it at /etc/kubernetes."""
        return self.node(node) / "azure.json"

    def log(self, name: str) -> Path:
        """A daemon's output."""
        return self.state / "log" / f"{name}.log"


def cache() -> Path:
    """The folder of what takes long to build: `ACRCHECK_CACHE`, by default below the user's own cache."""
    return Path(os.environ.get("ACRCHECK_CACHE") or Path.home() / ".cache" / "acrcheck")


def kubernetes_bin(program: str) -> str:
    """A Kubernetes command of the pinned version."""
    return str(cache() / f"kube-{KUBERNETES}" / program)


def helm_bin() -> str:
    """Helm of the pinned version."""
    return str(cache() / f"helm-{HELM}" / "helm")


def support_bundle() -> Path:
    """The support-bundle command of the pinned troubleshoot; it may be missing, see `provision`."""
    return cache() / f"support-bundle-{TROUBLESHOOT}" / "troubleshoot"


def az_environment() -> Path:
    """The virtual environment of the pinned azure-cli, made with Debian's Python.

    It is to be mounted into a pod of the azure-cli image; run it as `<mount>/bin/python -m azure.cli`.
    """
    return cache() / f"az-{AZ}"
