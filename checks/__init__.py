"""What acrcheck knows: the checks, in the order shown, and the layers, in the order in which they hide each other."""

ORDER = (
    "cluster",
    "workload",
    "release",
    "values",
    "label",
    "binding",
    "token",
    "login",
    "pull",
    "kubelet",
    "workspaces",
    "registry",
    "trial",
    "upgrade",
    "coder",
)
CREDENTIAL_ORDER = ("given", "registry")
"""The checks of a credential on its own, without a cluster."""
VALUES_ORDER = ("valuesfiles", "values")
"""The checks of values files on their own, without a cluster."""
RELEASE_VALUES_ORDER = ("valuesrelease", "values")
"""The checks of the values that a release keeps, whatever became of its workload."""
LAYERS = (
    "cluster",
    "workload",
    "values",
    "label",
    "webhook",
    "binding",
    "nmi",
    "identity",
    "federation",
    "imds",
    "login",
    "client",
    "node",
    "dns",
    "network",
    "tls",
    "registry",
    "credential",
    "role",
    "role-mode",
    "directory",
    "image",
    "layer",
    "coder",
    "pull",
    "upgrade",
    "support",
)
IDENTITIES = {
    "kubelet": "It is what nodes pull images with, not the pod identity, with which the application itself asks.",
    "pod": "It is the pod identity, with which the application itself asks, not what nodes pull images with.",
}
"""Of which identity a cause is named, where it is of one and not of the other."""
IDENTITY_LAYERS = ("identity", "credential", "role", "role-mode", "directory")
THRESHOLDS: dict[str, str | int] = {"window": "2h", "replicas": 2}
"""What a profile may set: for how long an upgrade may take nothing may expire, and how many replicas there are then."""
