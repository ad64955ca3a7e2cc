"""Where a scenario is staged: a namespace with its own coderd, and the simulated Azure with an identity for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acrcheck.lab.azure import Azure, ManagedIdentity, RoleAssignment
from tests.cluster import azure, manifests
from tests.cluster.harness import Cluster, Json, must

LABEL = "aadpodidbinding"
IMAGE = f"{azure.REGISTRY}/{azure.IMAGE_REPOSITORY}"
_changing = threading.Lock()

READING = [
    {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["events", "secrets"], "verbs": ["list"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "daemonsets"], "verbs": ["get", "list"]},
    {"apiGroups": [""], "resources": ["pods/log", "secrets", "serviceaccounts"], "verbs": ["get"]},
]
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]}
OBJECTS = {"apiGroups": [manifests.GROUP], "resources": ["*"], "verbs": ["get", "list"]}


@dataclass(frozen=True)
class Place:
    """One namespace of a cluster."""

    cluster: Cluster
    namespace: str

    @property
    def identity(self) -> ManagedIdentity:
        """The managed identity that is meant for this namespace's coderd, and for no other's."""
        meant = azure.coder_identity()
        name = f"id-{self.namespace}"
        number = int.from_bytes(self.namespace.encode(), "big") % 10**11
        return ManagedIdentity(
            name,
            meant.resource_id.removesuffix(meant.name) + name,
            f"7a4f0c1e-52d3-4b68-9c3f-{number:012d}",
            f"c2d96b57-0e1a-4f7c-8b45-{number:012d}",
            meant.tenant_id,
        )

    @property
    def selector(self) -> str:
        """What leads from this namespace's pods to its binding, and from no other's."""
        return f"coder-{self.namespace}"

    @property
    def labels(self) -> dict[str, str]:
        """The label that pods must carry."""
        return {LABEL: self.selector}

    def make_identity(
        self, *, pools: tuple[int, ...] = (0, 1), roles: tuple[str, ...] = ("AcrPull", "Reader")
    ) -> None:
        """Make the identity in Azure, assign it to some of the pools, and give it roles on the registry."""
        mine = self.identity
        with self.azure() as state:
            if all(known.resource_id != mine.resource_id for known in state.identities):
                state.identities.append(mine)
            for pool in pools:
                state.scale_sets[pool].identities.append(mine.resource_id)
            state.roles += [RoleAssignment(mine.object_id, role, azure.REGISTRY_ID) for role in roles]

    @contextmanager
    def azure(self) -> Iterator[Azure]:
        """What Azure knows, to change; one scenario at a time."""
        with _changing, self.cluster.changed_azure() as state:
            yield state

    def make(self, *objects: Json) -> None:
        """Create or change objects, the namespace before."""
        self.cluster.apply(manifests.namespace(self.namespace), *objects)

    def coderd(self, *, replicas: int = 1, **options: Any) -> None:
        """Put coderd here, as `manifests.coderd` takes it, and wait until it runs; two replicas are on two nodes."""
        self.make(*manifests.coderd(self.namespace, replicas=replicas, **options))
        self.settle()

    def settle(self) -> None:
        """Wait until the newest template runs and no older pod is left."""
        self.cluster.rollout("deployment/coderd", self.namespace)
        selector = ("-n", self.namespace, "-l", "coder.deployment=coderd")
        self.cluster.wait(
            "the old pods' end",
            lambda: all(
                "deletionTimestamp" not in p["metadata"] for p in self.cluster.get("pods", *selector)["items"]
            ),
        )

    def bind(self, *, identity: str = "", client_id: str = "", name: str = "") -> None:
        """Put an AzureIdentity here and the AzureIdentityBinding that names it, or another one."""
        mine = self.identity
        self.make(
            manifests.azure_identity(self.namespace, mine, client_id=client_id, name=name or "coder-acr"),
            manifests.azure_identity_binding(
                self.namespace, "coder-binding", identity or "coder-acr", self.selector
            ),
        )

    def healthy(self, **options: Any) -> None:
        """Everything as the documentation wants it."""
        self.make_identity()
        self.bind()
        self.coderd(labels=self.labels, **options)

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in this namespace; its output.

        Raises:
            ClusterError: it failed.
        """
        return must(self.cluster.kubectl("-n", self.namespace, *arguments)).stdout

    def remove(self) -> None:
        """Delete everything of it from the cluster, without waiting."""
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")


def operator(place: Place, *rules: Json) -> tuple[Path, str]:
    """An operator with these rights and no others: the kubeconfig, and the secret token in it."""
    name = f"operator-{place.namespace}"
    account = {"kind": "ServiceAccount", "name": "operator", "namespace": place.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    place.make(
        manifests.service_account(place.namespace, "operator"),
        grant(place, *rules),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [account],
        },
    )
    token = place.kubectl("create", "token", "operator").strip()
    config = json.loads(must(place.cluster.kubectl("config", "view", "--raw", "-o", "json")).stdout)
    for user in config["users"]:
        user["user"] = {"token": token}
    path = place.cluster.layout.state / f"{name}.kubeconfig"
    path.write_text(json.dumps(config))
    return path, token


def grant(place: Place, *rules: Json) -> Json:
    """The rights of a place's operator."""
    metadata = {"name": f"operator-{place.namespace}"}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": metadata,
        "rules": list(rules),
    }
