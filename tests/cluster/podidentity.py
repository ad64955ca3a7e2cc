"""AAD Pod Identity in the test cluster: installed, removed, and whether a node redirects to it."""

from typing import Any

from tests.cluster import crds, manifests
from tests.cluster.harness import Cluster
from tests.cluster.layout import NODES, Node


def install(cluster: Cluster, **options: Any) -> None:
    """Install the definitions and NMI, and wait until it has its redirect on every node.

    Args:
        cluster: where to.
        options: as `manifests.nmi` takes them.
    """
    cluster.apply(*crds.definitions())
    account, daemon_set = manifests.nmi(**options)
    cluster.apply(account, daemon_set)
    cluster.rollout("daemonset/nmi", daemon_set["metadata"]["namespace"])
    cluster.wait("NMI's redirect on every node", lambda: all(redirected(cluster, node) for node in NODES))


def remove(cluster: Cluster, namespace: str = "kube-system") -> None:
    """Remove NMI, and wait until it has taken its redirect with it; the definitions and their objects stay."""
    cluster.kubectl("delete", "daemonset/nmi", "-n", namespace, "--ignore-not-found", "--wait")
    cluster.wait("no redirect on any node", lambda: not any(redirected(cluster, node) for node in NODES))


def redirected(cluster: Cluster, node: Node) -> bool:
    """Whether the node's redirect to NMI is there, whatever became of NMI."""
    rules = cluster.inside_node(node, "/usr/sbin/iptables", "-t", "nat", "-S").stdout
    return "--to-destination 127.0.0.1:2579" in rules and "-A PREROUTING -j aad-metadata" in rules
