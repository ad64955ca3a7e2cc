"""Where kinds of objects stand in a bundle: in the folders that troubleshoot's collectors use.

Sources: github.com/replicatedhq/troubleshoot pkg/constants/constants.go and pkg/collect/cluster_resources.go.
"""

from acrcheck.cluster.reader import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    AZURE_POD_IDENTITY_EXCEPTIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFULSETS,
    Resource,
)
from acrcheck.cluster.selectors import NETWORK_POLICIES

RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(RBAC, "v1", "roles")
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
WEBHOOKS = Resource("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", namespaced=False)

FOLDER = "cluster-resources"
LOGS = f"{FOLDER}/pods/logs"
CUSTOM = f"{FOLDER}/custom-resources"
KINDS: dict[str, tuple[Resource, str]] = {
    "Namespace": (NAMESPACES, "namespaces"),
    "Node": (NODES, "nodes"),
    "Pod": (PODS, "pods"),
    "Event": (EVENTS, "events"),
    "Secret": (SECRETS, ""),
    "ServiceAccount": (SERVICE_ACCOUNTS, "serviceaccounts"),
    "Deployment": (DEPLOYMENTS, "deployments"),
    "StatefulSet": (STATEFULSETS, "statefulsets"),
    "DaemonSet": (DAEMONSETS, "daemonsets"),
    "ReplicaSet": (REPLICASETS, "replicasets"),
    "Role": (ROLES, "roles"),
    "RoleBinding": (ROLE_BINDINGS, "rolebindings"),
    "NetworkPolicy": (NETWORK_POLICIES, "network-policy"),
    "MutatingWebhookConfiguration": (WEBHOOKS, "mutatingwebhookconfigurations"),
    "CustomResourceDefinition": (CRDS, "custom-resource-definitions"),
    "AzureIdentity": (AZURE_IDENTITIES, "custom-resources/azureidentities.aadpodidentity.k8s.io"),
    "AzureIdentityBinding": (
        AZURE_IDENTITY_BINDINGS,
        "custom-resources/azureidentitybindings.aadpodidentity.k8s.io",
    ),
    "AzureAssignedIdentity": (
        AZURE_ASSIGNED_IDENTITIES,
        "custom-resources/azureassignedidentities.aadpodidentity.k8s.io",
    ),
    "AzurePodIdentityException": (
        AZURE_POD_IDENTITY_EXCEPTIONS,
        "custom-resources/azurepodidentityexceptions.aadpodidentity.k8s.io",
    ),
}
"""By kind: the resource, and its place below `cluster-resources`; no place for what is not written there."""
