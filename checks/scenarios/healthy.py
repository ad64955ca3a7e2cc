"""Worlds in which all is well: no check may fail, warn (but of retirement) or stay in the dark."""

from dataclasses import replace
from typing import Literal

from acrcheck.cluster.reader import DEPLOYMENTS, NODES, PODS, REPLICASETS
from acrcheck.lab import faults, objects
from acrcheck.lab.azure import RoleAssignment, ScaleSet
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import own_registry
from acrcheck.lab.world import (
    CLIENT_ID,
    HOST,
    NAMESPACE,
    NODE_GROUP,
    OBJECT_ID,
    REGISTRY_ID,
    SELECTOR,
    SUBSCRIPTION,
    World,
    add_node,
    healthy,
)

EXEMPT = f"cluster.local,169.254.169.254,management.azure.com,{HOST},.blob.core.windows.net"


def _several() -> World:
    """Two identities share the selector, and the run is told which one is meant."""
    world = faults.broken(healthy(), faults.second_identity)
    world.target = replace(world.target, identity_client_id=CLIENT_ID)
    return world


def _across_namespaces() -> World:
    """Standard mode serves pods of any namespace."""
    return faults.broken(healthy(mode="standard"), faults.move_objects)


def _private() -> World:
    """The registry's name leads to a private endpoint, and its data endpoint's too."""
    world = healthy()
    world.registry.data_endpoint = True
    world.registry.public_network_access = False
    world.registry.private_endpoints = ["10.225.0.5"]
    chain = ("labreg.privatelink.azurecr.io",)
    faults.resolves(HOST, "10.225.0.5", chain=chain)(world)
    faults.resolves(world.registry.data_host, "10.225.0.4")(world)
    return world


def _abac() -> World:
    """The registry counts repository permissions, and the identity has the role for that."""
    world = healthy()
    world.registry.role_mode = "abac"
    world.azure.roles = [
        RoleAssignment(OBJECT_ID, "Container Registry Repository Reader", REGISTRY_ID, ["coder/*"]),
    ]
    return world


def _of_the_nodes() -> World:
    """The AzureIdentity is the kubelet's own identity, which every node has."""
    world = healthy()
    kubelet = world.azure.identities[1]
    world.azure.roles = [
        RoleAssignment(kubelet.object_id, role, REGISTRY_ID) for role in ("AcrPull", "Reader")
    ]
    faults.identity(clientID=kubelet.client_id, resourceID=kubelet.resource_id)(world)
    return world


def _host_network() -> World:
    """The same without NMI in between: the pods use their node's network, and need no label for that."""
    world = _of_the_nodes()
    faults.pod_spec(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")(world)
    faults.relabel()(world)
    world.target = replace(world.target, identity_client_id=world.azure.identities[1].client_id)
    return world


def _anonymous() -> World:
    """Everybody may pull; the identity may too."""
    return faults.broken(healthy(), faults.registry(anonymous_pull=True))


def _proxied() -> World:
    """Pods go out through a proxy, but not to what acrcheck looks at."""
    proxy = "http://proxy.contoso.com:3128"
    return faults.broken(healthy(), faults.environment(http_proxy=proxy, https_proxy=proxy, no_proxy=EXEMPT))


def _old_chart() -> World:
    """Charts before 1.27 name no chart, and with a `cemanager` value they call the control plane so."""
    world = healthy()
    for resource in (DEPLOYMENTS, REPLICASETS, PODS):
        for item in world.kubernetes.items(resource, NAMESPACE):
            world.kubernetes.remove(resource, item["metadata"]["name"], NAMESPACE)
    old = objects.coderd(NAMESPACE, labels={objects.LABEL: SELECTOR}, helm=False)
    old["metadata"] |= {"name": "cemanager", "labels": {"app": "cemanager", "coder.deployment": "cemanager"}}
    old["metadata"]["labels"] |= {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "coderd"}
    old["metadata"]["annotations"] = {
        "meta.helm.sh/release-name": "coder",
        "meta.helm.sh/release-namespace": NAMESPACE,
    }
    for release in world.releases:
        release.version = "1.26.2"
    old["spec"]["selector"] = {"matchLabels": {"coder.deployment": "cemanager"}}
    template = old["spec"]["template"]
    template["metadata"]["labels"] |= {"app": "cemanager", "coder.deployment": "cemanager"}
    template["spec"]["containers"][0]["name"] = "cemanager"
    world.kubernetes.put(old)
    faults.settle(world)
    return world


def _mixed_pools() -> World:
    """A pool of arm64 nodes that hosts a pod, and one of Windows nodes that hosts none."""
    world = healthy()
    for number, (pool, label, value) in enumerate(
        (("arm", "kubernetes.io/arch", "arm64"), ("win", "kubernetes.io/os", "windows")), 3
    ):
        name = f"aks{pool}"
        scale_set = ScaleSet(name, SUBSCRIPTION, NODE_GROUP, [world.azure.identities[0].resource_id])
        world.azure.scale_sets.append(scale_set)
        node = world.kubernetes.get(NODES, add_node(world, number, pool, name))
        node["metadata"]["labels"][label] = value
    world.settle()
    faults.broken(world, faults.pod_spec(nodeSelector={"kubernetes.io/os": "linux"}), faults.scale(3))
    return world


def _one_node_python() -> World:
    """The image has python3 and nothing else."""
    return faults.broken(healthy(), faults.tools("python3"))


def _allowed(leave: str, mode: Literal["managed", "standard"] = "managed") -> World:
    """The image has no program to ask with, and acrcheck may bring its own."""
    world = faults.broken(healthy(mode=mode), faults.tools(), own_registry)
    world.target = replace(world.target, allow=frozenset({leave}))
    return world


SCENARIOS = (
    Scenario(
        "healthy-debug-container",
        "",
        "a bare image, and leave for an ephemeral container",
        lambda: _allowed("debug-container"),
        exit_code=0,
    ),
    Scenario(
        "healthy-probe-pod",
        "",
        "a bare image, and leave for a short-lived pod",
        lambda: _allowed("probe-pod"),
        exit_code=0,
    ),
    Scenario(
        "healthy-from-here",
        "",
        "the registry is asked from here, and the image downloaded whole",
        Faulty(faults.target(vantage="local", full=True)),
        exit_code=0,
    ),
    Scenario(
        "healthy-on-chosen-node",
        "",
        "the registry is asked from a short-lived pod on a node that was named",
        lambda: faults.broken(_allowed("probe-pod"), faults.target(vantage="pod", node=faults.SYSTEM_NODE)),
        exit_code=0,
    ),
    Scenario(
        "healthy-probe-pod-standard",
        "",
        "the same in standard mode",
        lambda: _allowed("probe-pod", "standard"),
        exit_code=0,
    ),
    Scenario("healthy", "", "all is well, NMI in managed mode", healthy, exit_code=0),
    Scenario(
        "healthy-standard", "", "NMI and MIC in standard mode", lambda: healthy(mode="standard"), exit_code=0
    ),
    Scenario(
        "healthy-across-namespaces",
        "",
        "standard mode, objects in another namespace",
        _across_namespaces,
        exit_code=0,
    ),
    Scenario(
        "healthy-several-identities", "", "several identities, the one meant is named", _several, exit_code=0
    ),
    Scenario("healthy-private-endpoint", "", "the registry by its private endpoint", _private, exit_code=0),
    Scenario("healthy-abac", "", "a registry with repository permissions", _abac, exit_code=0),
    Scenario(
        "healthy-by-hand", "", "a Deployment that Helm did not make", lambda: healthy(helm=False), exit_code=0
    ),
    Scenario(
        "healthy-node-identity",
        "",
        "the identity is the nodes' own, by way of NMI",
        _of_the_nodes,
        exit_code=0,
    ),
    Scenario(
        "healthy-host-network",
        "",
        "the identity is the nodes' own, by the nodes' network",
        _host_network,
        exit_code=0,
    ),
    Scenario("healthy-anonymous-pull", "", "a registry of which everybody may pull", _anonymous, exit_code=0),
    Scenario("healthy-proxy-exempt", "", "a proxy that the registry is exempt from", _proxied, exit_code=0),
    Scenario("healthy-old-chart", "", "a chart of Coder before 1.27", _old_chart, exit_code=0),
    Scenario("healthy-mixed-pools", "", "pools of other platforms", _mixed_pools, exit_code=0),
    Scenario("healthy-one-replica", "", "one replica", lambda: healthy(replicas=1), exit_code=0),
    Scenario("healthy-ten-replicas", "", "ten replicas", lambda: healthy(replicas=10), exit_code=0),
    Scenario("healthy-python-only", "", "an image with python3 and no curl", _one_node_python, exit_code=0),
)
