"""The Azure of the test cluster: what its simulators know when it starts."""

from acrcheck.lab import azure
from tests.cluster.layout import NODE_RESOURCE_GROUP, NODES, SUBSCRIPTION

TENANT = "0b7a1c52-6a6e-4c9b-9d0e-8f6f2d4b3a11"
REGISTRY = "labreg.azurecr.io"
_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/coder"
REGISTRY_ID = f"{_GROUP}/providers/Microsoft.ContainerRegistry/registries/labreg"
IMAGE_REPOSITORY = "coder/enterprise-base"
IMAGE_TAG = "ubuntu"
"""What the registry holds when the cluster starts."""


def _identity(name: str, group: str, client_id: str, object_id: str) -> azure.ManagedIdentity:
    provider = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
    resource_id = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/{provider}/{name}"
    return azure.ManagedIdentity(name, resource_id, client_id, object_id, TENANT)


def coder_identity() -> azure.ManagedIdentity:
    """The identity that is meant for coderd, as the documentation has one made."""
    client, principal = "7a4f0c1e-52d3-4b68-9c3f-1d7be02a5f34", "c2d96b57-0e1a-4f7c-8b45-93a6e7f1d820"
    return _identity("coder-acr", "coder", client, principal)


def kubelet_identity() -> azure.ManagedIdentity:
    """The one that AKS puts on every node pool for the kubelet."""
    client, principal = "e61b8d20-9f37-4a05-b1c8-6f0d24c7a9e3", "48f3a7c9-d5b2-4e16-a0d4-7c2e95b81f60"
    return _identity("lab-agentpool", NODE_RESOURCE_GROUP, client, principal)


def healthy() -> azure.Azure:
    """Everything as the documentation wants it: coderd's identity on both pools, with AcrPull on the registry."""
    coder, kubelet = coder_identity(), kubelet_identity()
    return azure.Azure(
        tenants=[azure.Tenant(TENANT)],
        subscriptions=[azure.Subscription(SUBSCRIPTION, "lab", TENANT)],
        identities=[coder, kubelet],
        scale_sets=[
            azure.ScaleSet(
                node.scale_set,
                SUBSCRIPTION,
                NODE_RESOURCE_GROUP,
                identities=[coder.resource_id],
                kubelet_identity=kubelet.resource_id,
            )
            for node in NODES
        ],
        nodes=[azure.Node(node.name, node.scale_set) for node in NODES],
        roles=[
            azure.RoleAssignment(coder.object_id, "AcrPull", REGISTRY_ID),
            azure.RoleAssignment(coder.object_id, "Reader", REGISTRY_ID),
        ],
        registries=[azure.Registry("labreg", REGISTRY, REGISTRY_ID, TENANT)],
    )
