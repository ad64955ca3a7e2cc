"""A small healthy Azure and cluster for the tests of the simulators."""

from typing import Any

import httpx

from acrcheck.lab import images, tokens
from acrcheck.lab.answers import Handler
from acrcheck.lab.azure import (
    Azure,
    ManagedIdentity,
    Node,
    Registry,
    RoleAssignment,
    ScaleSet,
    Subscription,
    Tenant,
)
from acrcheck.lab.clock import LabClock
from acrcheck.lab.hosts import PublicHosts

TENANT = "3e5c0a8d-5f2e-4a6f-9d0b-2c7f0f3f9a11"
SUBSCRIPTION = "8f0b5a1e-77c4-4c38-9a43-1d2f6d8b3c22"
CLIENT = "7eb6a2c1-0f0e-4a43-8a35-6d3d7c11a6a9"
PRINCIPAL = "1c9d4f30-31d5-47a8-8a1c-63f3b8f0e5d4"
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/coder/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/coder-acr"
)
KUBELET_CLIENT = "b7a1c1f2-9e3d-4d0f-8c55-0f4ac2d1e333"
KUBELET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/nodes/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/aks-agentpool"
)
LOGIN = "labreg.azurecr.io"
REGISTRY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/coder/providers/{{}}/registries/labreg".format(
    "Microsoft.ContainerRegistry"
)
IMAGE = "coder/envbox"
PULL = f"repository:{IMAGE}:pull,metadata_read"
NODE = "aks-pool1-0"
POD_IP = "10.244.0.7"
ARM_RESOURCE = "https://management.core.windows.net/"
ACR_RESOURCE = "https://containerregistry.azure.net"
Json = dict[str, Any]


def azure() -> Azure:
    """One node pool of two nodes, coderd's identity on it with AcrPull, one image for two platforms."""
    registry = Registry("labreg", LOGIN, REGISTRY, TENANT)
    images.push(registry, IMAGE, "1.2.3")
    return Azure(
        tenants=[Tenant(TENANT)],
        subscriptions=[Subscription(SUBSCRIPTION, "Lab", TENANT)],
        identities=[
            ManagedIdentity("coder-acr", IDENTITY, CLIENT, PRINCIPAL, TENANT),
            ManagedIdentity("aks-agentpool", KUBELET, KUBELET_CLIENT, f"{PRINCIPAL[:-1]}0", TENANT),
        ],
        scale_sets=[ScaleSet("pool1", SUBSCRIPTION, "nodes", [IDENTITY], kubelet_identity=KUBELET)],
        nodes=[Node(NODE, "pool1"), Node("aks-pool1-1", "pool1")],
        roles=[RoleAssignment(PRINCIPAL, "AcrPull", REGISTRY)],
        registries=[registry],
    )


def token(world: Azure, clock: LabClock, resource: str = ARM_RESOURCE) -> str:
    """A token of coderd's identity."""
    claims = tokens.entra_claims(world.identities[0], resource, clock.now())
    return tokens.encode(tokens.entra_signer(world), claims)


def get(
    handler: Handler, url: str, headers: dict[str, str] | None = None, **extensions: Any
) -> httpx.Response:
    """One GET."""
    return handler(httpx.Request("GET", url, headers=headers, extensions=extensions))


def post(handler: Handler, url: str, form: dict[str, Any]) -> httpx.Response:
    """One POST of a form."""
    return handler(httpx.Request("POST", url, data=form))


def error(description: str, code: str = "invalid_request") -> str:
    """The body that the metadata service refuses with."""
    return f'{{"error":"{code}","error_description":"{description}"}}'


class RegistryBench:
    """A registry in a world, with the steps of a pull."""

    def __init__(self, **parts: Any) -> None:
        self.azure = azure()
        self.clock = LabClock()
        self.hosts = PublicHosts(lambda: self.azure, self.clock, **parts)

    @property
    def registry(self) -> Registry:
        """The registry's state."""
        return self.azure.registries[0]

    def exchange(self, resource: str = ACR_RESOURCE, **changes: Any) -> httpx.Response:
        """Exchange a token of coderd's identity."""
        form = {
            "grant_type": "access_token",
            "service": LOGIN,
            "access_token": token(self.azure, self.clock, resource),
        }
        return post(self.hosts, f"https://{LOGIN}/oauth2/exchange", form | changes)

    def refresh_token(self) -> str:
        """A refresh token of coderd's identity."""
        return str(self.exchange().json()["refresh_token"])

    def token(self, scope: str | list[str] = PULL, **changes: Any) -> httpx.Response:
        """Get an access token for one or several scopes."""
        form = {
            "grant_type": "refresh_token",
            "service": LOGIN,
            "scope": scope,
            "refresh_token": changes.pop("refresh_token", None) or self.refresh_token(),
        }
        return post(self.hosts, f"https://{LOGIN}/oauth2/token", form | changes)

    def bearer(self, scope: str = PULL) -> dict[str, str]:
        """The header with an access token."""
        return {"Authorization": f"Bearer {self.token(scope).json()['access_token']}"}

    def get(self, path: str, scope: str = PULL) -> httpx.Response:
        """GET with an access token."""
        return get(self.hosts, f"https://{LOGIN}{path}", self.bearer(scope))


class FakeObjects:
    """A cluster with coderd's pod, labelled, and what binds it to its identity."""

    def __init__(self) -> None:
        self.pods = [pod()]
        self.kinds: dict[str, list[Json]] = {
            "azureidentities": [azure_identity()],
            "azureidentitybindings": [binding()],
            "azureassignedidentities": [],
            "azurepodidentityexceptions": [],
        }

    def pods_by_ip(self, address: str) -> list[Json]:
        """Pods that have this IP address."""
        return [p for p in self.pods if p["status"]["podIP"] == address]

    def listed(self, plural: str, namespace: str | None) -> list[Json]:
        """Objects of a kind."""
        items = self.kinds[plural]
        return [i for i in items if namespace is None or i["metadata"]["namespace"] == namespace]


def pod(label: str | None = "coder", namespace: str = "coder") -> Json:
    """Coderd's pod."""
    labels = {"app": "coderd"} | ({"aadpodidbinding": label} if label is not None else {})
    return {
        "metadata": {"name": "coderd-1", "namespace": namespace, "labels": labels},
        "spec": {"nodeName": NODE},
        "status": {"phase": "Running", "podIP": POD_IP},
    }


def azure_identity(name: str = "coder", namespace: str = "coder", client: str = CLIENT) -> Json:
    """An AzureIdentity."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": 0, "clientID": client, "resourceID": IDENTITY},
    }


def binding(selector: str = "coder", name: str = "coder", namespace: str = "coder") -> Json:
    """An AzureIdentityBinding of the AzureIdentity of that name."""
    return {
        "metadata": {"name": f"{name}-binding", "namespace": namespace},
        "spec": {"selector": selector, "azureIdentity": name},
    }


def assigned(state: str, identity: Json | None = None) -> Json:
    """An AzureAssignedIdentity of coderd's pod."""
    return {
        "metadata": {"name": "coderd-1-coder-coder", "namespace": "default", "labels": {"nodename": NODE}},
        "spec": {
            "pod": "coderd-1",
            "podNamespace": "coder",
            "nodename": NODE,
            "azureIdentityRef": identity or azure_identity(),
            "azureBindingRef": binding(),
        },
        "status": {"status": state},
    }
