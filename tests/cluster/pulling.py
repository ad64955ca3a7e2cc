"""Where failed pulls are staged: a registry of its own for each, with its images, its way and its accounts."""

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import httpx

from acrcheck.lab.azure import RoleAssignment
from tests.cluster import azure, front, images, manifests
from tests.cluster.front import Way
from tests.cluster.harness import Json, must
from tests.cluster.layout import BACKEND_PORT, ENDPOINTS, PRIVATE_ZONE, REGISTRIES, STORAGE
from tests.cluster.place import Place
from tests.cluster.running import azure_names, push_token

REPOSITORY, TAG = "coder/envbox", "1.44"
SECRET = "registry-login"
DOCKER = "kubernetes.io/dockerconfigjson"
SHARED = f"{STORAGE.rpartition('.')[0]}.9"
"""The address of storage that registries have together."""
FIRST = 10
"""The last part of the first registry's address."""
_leading = threading.Lock()
RUN = time.time_ns()
CREATING = "ContainerCreating"
IPTABLES = ("/usr/sbin/iptables", "-w", "5")


@dataclass(frozen=True)
class PullPlace(Place):
    """A namespace with a registry of its own.

    Attributes:
        number: decides the registry's addresses.
        domain: of the registry.
    """

    number: int = 0
    domain: str = "azurecr.io"

    @property
    def registry(self) -> str:
        """The registry's name."""
        return self.namespace.removeprefix("pull-").replace("-", "")

    @property
    def host(self) -> str:
        """Where it is reached."""
        return f"{self.registry}.{self.domain}"

    @property
    def linked(self) -> str:
        """Its name among the private endpoints."""
        return f"{self.registry}.{PRIVATE_ZONE}"

    @property
    def registry_id(self) -> str:
        """Its ARM id."""
        return azure.REGISTRY_ID.replace("/labreg", f"/{self.registry}")

    @property
    def node_role(self) -> RoleAssignment:
        """What lets the nodes' identity pull."""
        return RoleAssignment(azure.kubelet_identity().object_id, "AcrPull", self.registry_id)

    @property
    def address(self) -> str:
        """Its public address."""
        return _address(REGISTRIES, self.number)

    @property
    def storage(self) -> str:
        """The address of what holds its layers, where that is its own."""
        return _address(STORAGE, self.number)

    @property
    def endpoint(self) -> str:
        """The address of its private endpoint."""
        return _address(ENDPOINTS, self.number)

    @property
    def image(self) -> str:
        """The image that the registry has."""
        return f"{self.host}/{REPOSITORY}:{TAG}"

    @property
    def shelf(self) -> str:
        """Where the distribution server keeps the image's repository."""
        return f"{self.registry}/{REPOSITORY}"

    @property
    def mark(self) -> str:
        """What makes the image's layer another one than any that a node has already."""
        return f"{self.registry}-{RUN}"

    def server(self) -> httpx.Client:
        """The distribution server, for that repository."""
        base = f"http://{self.cluster.layout.address}:{BACKEND_PORT}"
        bearer = {"Authorization": f"Bearer {push_token(self.cluster.layout, self.shelf)}"}
        return httpx.Client(base_url=base, headers=bearer, trust_env=False)

    def clear(self) -> None:
        """Empty the registry, whatever was staged in it before."""
        kept = f"{self.cluster.layout.state}/registry/docker/registry/v2/repositories/{self.registry}"
        must(self.cluster.inside("/bin/rm", "-rf", kept, self.layer))

    @property
    def layer(self) -> str:
        """The file of the layer that no other image has."""
        digest = images.digest_of(images.own_layer(self.mark)).partition(":")[2]
        blobs = f"{self.cluster.layout.state}/registry/docker/registry/v2/blobs"
        return f"{blobs}/sha256/{digest[:2]}/{digest}/data"

    def push(self, tag: str = TAG) -> None:
        """Put the image into the registry."""
        with self.server() as client:
            images.push_own(client, self.shelf, tag, self.mark)

    def secret(self, auths: Json, kind: str = DOCKER) -> None:
        """Put the pull secret here."""
        metadata = {"name": SECRET, "namespace": self.namespace}
        data = {".dockerconfigjson": json.dumps({"auths": auths})}
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": data}
        self.make(made)

    def roll_out(self, image: str, *, named: bool, **spec: Any) -> None:
        """Give coderd another image; `named` is whether its pods name the pull secret."""
        if named:
            spec["imagePullSecrets"] = [{"name": SECRET}]
        self.make(*manifests.coderd(self.namespace, labels=self.labels, image=image, **spec))

    def block(self, address: str, how: str = "DROP", switch: str = "-A") -> None:
        """Let nothing through to an address; with `-D` take that back."""
        refused = ("--reject-with", "tcp-reset") if how == "REJECT" else ()
        rule = ("INPUT", "-d", address, "-p", "tcp", "-j", how, *refused)
        must(self.cluster.inside(*IPTABLES, switch, *rule))

    def straighten(self) -> None:
        """Lead every way to the registry again."""
        state = self.cluster.layout.state
        with _leading:
            registry = self.cluster.azure.registry(self.host)
            assert registry is not None
            ways = front.read(state)
            ways[self.host] = Way(self.address)
            ways[registry.data_host] = Way(SHARED)
            front.write(state, ways)
            self.cluster.set_names(azure_names(self.cluster.azure))

    def waiting(self) -> list[str]:
        """The pods that wait for their image."""
        items = self.cluster.get("pods", "-n", self.namespace, "-l", "coder.deployment=coderd")["items"]
        return [
            item["metadata"]["name"]
            for item in items
            for status in item["status"].get("containerStatuses", ())
            if status["state"].get("waiting", {}).get("reason", CREATING) != CREATING
        ]

    def failures(self, said: str) -> int:
        """How often the kubelets warned of something with these words."""
        return sum(item.get("count") or 1 for item in self._warnings() if said in item["message"])

    def said(self) -> list[str]:
        """What the kubelets warned of, of this namespace's pods."""
        return [item["message"] for item in self._warnings()]

    def _warnings(self) -> list[Json]:
        """The kubelets' warnings, but for those about pods that have their image."""
        items = self.cluster.get("events", "-n", self.namespace)["items"]
        return [item for item in items if item["type"] == "Warning" and item["reason"] != "Unhealthy"]


def _address(network: str, number: int) -> str:
    return f"{network.rpartition('.')[0]}.{FIRST + number}"
