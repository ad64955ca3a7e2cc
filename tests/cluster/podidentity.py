"""AAD Pod Identity in the test cluster: installed, removed, and whether a node redirects to it."""

from typing import Any

from tests.cluster import crds, manifests
from tests.cluster.harness import Cluster
from tests.cluster.layout import NODES, Node

NAT = ("/usr/sbin/iptables", "-w", "5", "-t", "nat")
CHAIN = "aad-metadata"


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
    """Remove NMI, and the redirect that one leaves which is killed; the definitions and their objects stay."""
    # In the foreground: a pod that is still going would touch what is put in place of its redirect.
    gone = ("--ignore-not-found", "--wait", "--cascade=foreground")
    cluster.kubectl("delete", "daemonset/nmi", "-n", namespace, *gone)
    for node in NODES:
        for rule in (("-D", "PREROUTING", "-j", CHAIN), ("-F", CHAIN), ("-X", CHAIN)):
            cluster.inside_node(node, *NAT, *rule)
    cluster.wait("no redirect on any node", lambda: not any(redirected(cluster, node) for node in NODES))


def redirected(cluster: Cluster, node: Node) -> bool:
    """Whether the node's redirect to NMI is there, whatever became of NMI."""
    rules = cluster.inside_node(node, *NAT, "-S").stdout
    return "--to-destination 127.0.0.1:2579" in rules and f"-A PREROUTING -j {CHAIN}" in rules
