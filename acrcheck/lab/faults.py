"""What can go wrong in a lab world: small changes of it, to be put together at will.

Each takes the world first and changes it in place. After a change of what controllers look at, they do their work,
and the new pods are an hour old.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from acrcheck.cluster.reader import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
)
from acrcheck.lab import objects
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.directory import FederatedCredential
from acrcheck.lab.kube import CRDS, Json
from acrcheck.lab.machines import PullSecret
from acrcheck.lab.webhook import CLIENT_ID, LABEL, Webhook
from acrcheck.lab.world import (
    IDENTITY,
    IMAGE,
    NAMESPACE,
    NOT_FOUND,
    SYSTEM_POOL,
    WORKER_POOL,
    Canned,
    Effect,
    Forbidden,
    Name,
    Rule,
    World,
    add_node,
    healthy,
    is_nmi,
)
from acrcheck.wire.pace import IMDS

Fault = Callable[[World], None]
HOUR = 3600.0
PULL_SECRET = "registry-login"  # noqa: S105 - the name of one
POOLS = (SYSTEM_POOL, WORKER_POOL)
SYSTEM_NODE, WORKER_NODE = f"{SYSTEM_POOL}000000", f"{WORKER_POOL}000000"


def broken(world: World, *faults: Fault) -> World:
    """Put faults into a world, one after the other, and give it."""
    for fault in faults:
        fault(world)
    return world


class Faulty:
    """How to make a healthy world and put faults into it: anew at each call, or into a world that has others.

    Args:
        faults: in the order in which they happen.
        mode: of NMI, `managed` or `standard`.
        helm: whether Helm made the Deployment.
    """

    def __init__(
        self, *faults: Fault, mode: Literal["managed", "standard"] = "managed", helm: bool = True
    ) -> None:
        self.faults = faults
        self.mode = mode
        self.helm = helm

    def __call__(self) -> World:
        """Make the world."""
        return broken(healthy(mode=self.mode, helm=self.helm), *self.faults)


def settle(world: World) -> None:
    """Let the controllers work, and an hour pass."""
    world.settle()
    world.clock.sleep(HOUR)


# -- the workload and its label ---------------------------------------------------------------------


def relabel(key: str = objects.LABEL, value: str | None = None) -> Fault:
    """Have the pod template carry this label in place of the right one; none without a value."""

    def fault(world: World) -> None:
        labels = world.deployment["spec"]["template"]["metadata"]["labels"]
        labels.pop(objects.LABEL, None)
        extra = {} if value is None else {key: value}
        labels.update(extra)
        for release in world.releases:
            release.values = {"coderd": {"extraLabels": extra}}
        settle(world)

    return fault


def values(given: Json, *, version: str = "") -> Fault:
    """Helm was given these values, with a chart of that version; nothing else is changed."""

    def fault(world: World) -> None:
        for release in world.releases:
            release.values = given
            release.version = version or release.version

    return fault


def upgraded(status: str, given: Json | None = None) -> Fault:
    """A later upgrade did not come through: its revision has this status, and these values or those of before."""

    def fault(world: World) -> None:
        for release in world.releases:
            release.attempted = (status, release.values if given is None else given)

    return fault


def edited_by_hand(world: World) -> None:
    """Somebody has put the label onto the pod template with kubectl: Helm knows nothing of it."""
    for release in world.releases:
        release.values = {}
        release.rendered = copy.deepcopy(world.deployment)
        del release.rendered["spec"]["template"]["metadata"]["labels"][objects.LABEL]


def label_deployment(world: World) -> None:
    """The label stands on the Deployment itself, as `kubectl label deployment` puts it there."""
    world.deployment["metadata"]["labels"][objects.LABEL] = IDENTITY


def label_pods(count: int) -> Fault:
    """Somebody has labelled so many of the running pods by hand."""

    def fault(world: World) -> None:
        for pod in world.pods[:count]:
            pod["metadata"]["labels"][objects.LABEL] = IDENTITY

    return fault


def keep_old_pod(world: World) -> None:
    """One pod lacks the template's label, which was given to the others only."""
    del world.pods[-1]["metadata"]["labels"][objects.LABEL]


def hold_rollout(world: World) -> None:
    """A rollout is under way: the last pod is still of the template before, which had no label."""
    keep_old_pod(world)
    world.deployment["status"]["updatedReplicas"] -= 1


def roll_out(world: World) -> None:
    """A rollout is under way: one pod is of the newest template, and an old one takes its time to end."""
    world.deployment["status"]["updatedReplicas"] -= 1
    world.pods[-1]["metadata"]["deletionTimestamp"] = world.kubernetes.stamp()


def owned_by_argo(world: World) -> None:
    """Argo CD keeps the Deployment as its repository has it."""
    metadata = world.deployment["metadata"]
    metadata.setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = (
        f"coder:apps/Deployment:{NAMESPACE}/coderd"
    )


def chart_unknown(world: World) -> None:
    """The Deployment does not say which chart made it, as with charts before 1.27."""
    del world.deployment["metadata"]["labels"]["helm.sh/chart"]


def pod_spec(**fields: Any) -> Fault:
    """Set fields of the pod template's specification."""

    def fault(world: World) -> None:
        world.deployment["spec"]["template"]["spec"].update(fields)
        settle(world)

    return fault


def environment(**variables: str) -> Fault:
    """Set environment variables of the workload's container."""

    def fault(world: World) -> None:
        container = world.deployment["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [
            *container["env"],
            *({"name": key, "value": value} for key, value in variables.items()),
        ]
        settle(world)

    return fault


def scale(replicas: int) -> Fault:
    """Have so many replicas."""

    def fault(world: World) -> None:
        world.deployment["spec"]["replicas"] = replicas
        settle(world)

    return fault


def crash_workload(world: World) -> None:
    """The workload's containers crash as soon as they run."""
    for pod in world.pods:
        crash(pod, 1)
    for key in ("readyReplicas", "availableReplicas"):
        world.deployment["status"].pop(key)


def become(
    kind: str,
    name: str = "worker",
    *,
    label: str | None = IDENTITY,
    more: dict[str, str] | None = None,
    named: str = "",
) -> Fault:
    """The workload is not Coder's but one of another kind, and acrcheck is told its name.

    Args:
        kind: as in a manifest.
        name: its name.
        label: the value of its pods' aadpodidbinding; None for no such label.
        more: further labels of its pods.
        named: what acrcheck is told, where that is not `kind/name`: `pod` for one of its pods.
    """

    def fault(world: World) -> None:
        for item in (*world.pods, *world.kubernetes.items(REPLICASETS, NAMESPACE)):
            resource = PODS if item["kind"] == "Pod" else REPLICASETS
            world.kubernetes.remove(resource, item["metadata"]["name"], NAMESPACE)
        world.kubernetes.remove(DEPLOYMENTS, "coderd", NAMESPACE)
        world.releases.clear()
        world.tools[IMAGE] = frozenset({"curl", "getent"})
        labels = {**({} if label is None else {objects.LABEL: label}), **(more or {})}
        item = objects.worker(kind, NAMESPACE, name, IMAGE, labels)
        if kind == "Pod":
            world.kubernetes.run_pod(item["metadata"], item["spec"], SYSTEM_NODE)
        else:
            world.kubernetes.put(item)
        settle(world)
        pod = world.kubernetes.items(PODS, NAMESPACE)[0]["metadata"]["name"]
        workload = f"pod/{pod}" if named == "pod" else f"{kind.lower()}/{name}"
        world.target = replace(world.target, workload=workload)

    return fault


def on_delete(world: World) -> None:
    """The StatefulSet replaces its pods only when they are deleted."""
    for item in world.kubernetes.items(STATEFULSETS, NAMESPACE):
        item["spec"]["updateStrategy"] = {"type": "OnDelete"}


def label_template(world: World) -> None:
    """The label was put into a StatefulSet's template, when its pods were there."""
    for item in world.kubernetes.items(STATEFULSETS, NAMESPACE):
        item["spec"]["template"]["metadata"]["labels"][objects.LABEL] = IDENTITY
    settle(world)


def identity_asked_for(world: World) -> None:
    """The operator says which identity the workload must get."""
    world.target = replace(world.target, identity_client_id=world.azure.identities[0].client_id)


def autoscaled(world: World) -> None:
    """An autoscaler has just asked for one more replica, which is not there yet."""
    world.kubernetes.put(objects.autoscaler(NAMESPACE, "coderd", "Deployment"))
    world.deployment["spec"]["replicas"] += 1


def tools(*names: str) -> Fault:
    """The workload's image has only these programs."""

    def fault(world: World) -> None:
        world.tools[objects.CODERD_IMAGE] = frozenset(names)

    return fault


# -- the objects of AAD Pod Identity ------------------------------------------------------------------


def identity(**fields: Any) -> Fault:
    """Set fields of the AzureIdentity's specification."""

    def fault(world: World) -> None:
        world.kubernetes.get(AZURE_IDENTITIES, IDENTITY, NAMESPACE)["spec"].update(fields)
        settle(world)

    return fault


def binding(**fields: Any) -> Fault:
    """Set fields of the AzureIdentityBinding's specification."""

    def fault(world: World) -> None:
        world.kubernetes.get(AZURE_IDENTITY_BINDINGS, f"{IDENTITY}-binding", NAMESPACE)["spec"].update(fields)
        settle(world)

    return fault


def no_binding(world: World) -> None:
    """There is no AzureIdentityBinding."""
    world.kubernetes.remove(AZURE_IDENTITY_BINDINGS, f"{IDENTITY}-binding", NAMESPACE)
    settle(world)


def no_azure_identity(world: World) -> None:
    """There is no AzureIdentity."""
    world.kubernetes.remove(AZURE_IDENTITIES, IDENTITY, NAMESPACE)
    settle(world)


def move_objects(world: World) -> None:
    """Both objects are in another namespace than the pods."""
    world.kubernetes.put(objects.namespace("identities"))
    for resource, name in ((AZURE_IDENTITIES, IDENTITY), (AZURE_IDENTITY_BINDINGS, f"{IDENTITY}-binding")):
        item = world.kubernetes.get(resource, name, NAMESPACE)
        world.kubernetes.remove(resource, name, NAMESPACE)
        item["metadata"] = {"name": name, "namespace": "identities"}
        world.kubernetes.put(item)
    settle(world)


def second_identity(world: World) -> None:
    """A second identity is bound by the same selector."""
    other = world.azure.identities[1]
    world.kubernetes.put(objects.azure_identity(NAMESPACE, other, "other-identity"))
    world.kubernetes.put(objects.binding(NAMESPACE, "other-binding", "other-identity", IDENTITY))
    settle(world)


def made_by_aks(world: World) -> None:
    """The objects are the AKS add-on's."""
    for resource in (AZURE_IDENTITIES, AZURE_IDENTITY_BINDINGS):
        for item in world.kubernetes.items(resource):
            item["metadata"]["labels"] = {"addonmanager.kubernetes.io/mode": "Reconcile"} | {
                "kubernetes.azure.com/managedby": "aks"
            }


def excepted(world: World) -> None:
    """An AzurePodIdentityException covers the workload's pods."""
    world.kubernetes.put(objects.exception(NAMESPACE, "coderd-exception", {"app": "coderd"}))


def no_crds(world: World) -> None:
    """The custom resource definitions are gone, and all objects with them."""
    for item in world.kubernetes.items(CRDS):
        world.kubernetes.remove(CRDS, item["metadata"]["name"])
    for resource in (AZURE_IDENTITIES, AZURE_IDENTITY_BINDINGS, AZURE_ASSIGNED_IDENTITIES):
        for item in world.kubernetes.items(resource):
            world.kubernetes.remove(resource, item["metadata"]["name"], item["metadata"]["namespace"])


# -- NMI and MIC --------------------------------------------------------------------------------------


def nmi_pods(world: World, node: str = "") -> list[Json]:
    """NMI's pods, or that of one node."""
    return [
        pod
        for pod in world.kubernetes.items(PODS)
        if is_nmi(pod) and (not node or pod["spec"]["nodeName"] == node)
    ]


def no_nmi(node: str = "") -> Fault:
    """NMI has no pod on a node, or on any; its redirect went with it."""

    def fault(world: World) -> None:
        for daemon_set in world.kubernetes.items(DAEMONSETS):
            if not is_nmi(daemon_set):
                continue
            name, namespace = daemon_set["metadata"]["name"], daemon_set["metadata"]["namespace"]
            if not node:
                world.kubernetes.remove(DAEMONSETS, name, namespace)
            else:
                other = SYSTEM_NODE if node == WORKER_NODE else WORKER_NODE
                selector = daemon_set["spec"]["template"]["spec"]["nodeSelector"]
                selector["kubernetes.io/hostname"] = other
        for pod in nmi_pods(world, node):
            world.kubernetes.remove(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])

    return fault


def nmi_not_ready(node: str, *, redirect: bool = True) -> Fault:
    """NMI's pod on a node does not become ready; its redirect is left or not."""

    def fault(world: World) -> None:
        for pod in nmi_pods(world, node):
            unready(pod, world.kubernetes.stamp())
            pod["status"]["phase"] = "Pending"
            pod["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
        if redirect:
            world.leftover_redirects.add(node)

    return fault


def nmi_crashing(node: str) -> Fault:
    """NMI's pod on a node crashes again and again, and its redirect stays."""

    def fault(world: World) -> None:
        for pod in nmi_pods(world, node):
            crash(pod, 255)
        world.leftover_redirects.add(node)

    return fault


def nmi_twice(world: World) -> None:
    """A Helm release of AAD Pod Identity runs beside the other installation; its NMI finds the port taken."""
    second = objects.nmi("kube-system")
    name = "aad-pod-identity-nmi"
    labels = {
        "app.kubernetes.io/component": "nmi",
        "app.kubernetes.io/name": "aad-pod-identity",
        "tier": "node",
    }
    second["metadata"] |= {"name": name, "labels": labels}
    second["spec"]["selector"]["matchLabels"] = labels
    second["spec"]["template"]["metadata"]["labels"] = labels
    world.kubernetes.put(second)
    settle(world)
    for pod in nmi_pods(world):
        if pod["metadata"]["name"].startswith(name):
            crash(pod, 255)


def nmi_restarted(world: World) -> None:
    """NMI became ready after the workload's pods had started."""
    for pod in nmi_pods(world):
        since = world.kubernetes.stamp()
        for condition in pod["status"]["conditions"]:
            condition["lastTransitionTime"] = since
        pod["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": since}}
    world.clock.sleep(HOUR)


def old_connections(world: World) -> None:
    """NMI came after the workload, whose application goes on with the connection it had before."""
    nmi_restarted(world)
    for pod in world.kubernetes.items(PODS, NAMESPACE):
        world.old_connections[pod["metadata"]["name"]] = NOT_FOUND


def missing_redirect(*nodes: str) -> Fault:
    """NMI runs on these nodes and its redirect is not there."""

    def fault(world: World) -> None:
        world.missing_redirects.update(nodes)

    return fault


def blind_nmi(*nodes: str) -> Fault:
    """NMI on these nodes has lost the API server."""

    def fault(world: World) -> None:
        world.blind_nmis.update(nodes)

    return fault


def no_mic(world: World) -> None:
    """There is no MIC, and what it had assigned is gone."""
    world.kubernetes.remove(DEPLOYMENTS, "mic", "default")
    _forget_assignments(world)
    for pod in world.kubernetes.items(PODS, "default"):
        if pod["metadata"]["name"].startswith("mic-"):
            world.kubernetes.remove(PODS, pod["metadata"]["name"], "default")


def mic_crashing(world: World) -> None:
    """MIC's pods crash, and the workload's pods came after that."""
    for pod in world.kubernetes.items(PODS, "default"):
        if pod["metadata"]["name"].startswith("mic-"):
            crash(pod, 255)
    for key in ("readyReplicas", "availableReplicas"):
        world.kubernetes.get(DEPLOYMENTS, "mic", "default")["status"].pop(key, None)
    _forget_assignments(world)


def mic_idle(world: World) -> None:
    """MIC runs and assigns nothing."""
    world.mic = "idle"
    _forget_assignments(world)


def mic_stuck(world: World) -> None:
    """MIC does not get the identity onto the scale set."""
    world.mic = "stuck"
    settle(world)


def _forget_assignments(world: World) -> None:
    for item in world.kubernetes.items(AZURE_ASSIGNED_IDENTITIES):
        metadata = item["metadata"]
        world.kubernetes.remove(AZURE_ASSIGNED_IDENTITIES, metadata["name"], metadata["namespace"])


def unready(pod: Json, since: str) -> None:
    """Make a pod's conditions say that it is not ready."""
    for condition in pod["status"]["conditions"]:
        if condition["type"] in {"Ready", "ContainersReady"}:
            condition |= {"status": "False", "lastTransitionTime": since}
    for status in pod["status"]["containerStatuses"]:
        status |= {"ready": False, "started": False}


def crash(pod: Json, code: int) -> None:
    """Have a pod's container in CrashLoopBackOff."""
    began = pod["status"]["startTime"]
    unready(pod, began)
    container = pod["spec"]["containers"][0]["name"]
    message = f"back-off 5m0s restarting failed container={container} pod={pod['metadata']['name']}"
    ended = {"exitCode": code, "reason": "Error", "startedAt": began, "finishedAt": began}
    pod["status"]["containerStatuses"][0] |= {
        "restartCount": 14,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": message}},
        "lastState": {"terminated": ended},
    }


# -- workload identity --------------------------------------------------------------------------------


def workload_identity(world: World) -> None:
    """The workload gets its identity from Entra itself, for the token of its service account."""
    identity = world.azure.identities[0]
    world.webhook = Webhook(identity.tenant_id)
    account = world.deployment["spec"]["template"]["spec"]["serviceAccountName"]
    world.annotations[f"{NAMESPACE}/{account}"] = {CLIENT_ID: identity.client_id}
    issuer = world.azure.clusters[0].issuer
    identity.federated = [FederatedCredential(issuer, f"system:serviceaccount:{NAMESPACE}:{account}")]
    relabel(LABEL, "true")(world)


def federated(**fields: Any) -> Fault:
    """Set fields of the identity's federated credential."""

    def fault(world: World) -> None:
        for name, value in fields.items():
            setattr(world.azure.identities[0].federated[0], name, value)

    return fault


def webhook(**fields: Any) -> Fault:
    """Set fields of the webhook."""

    def fault(world: World) -> None:
        for name, value in fields.items():
            setattr(world.webhook, name, value)

    return fault


# -- nodes and the metadata service ---------------------------------------------------------------------


def node_label(key: str, value: str, *nodes: str) -> Fault:
    """Have nodes carry a label."""

    def fault(world: World) -> None:
        for name in nodes:
            world.kubernetes.get(NODES, name)["metadata"]["labels"][key] = value

    return fault


def node_condition(kind: str, status: str, *nodes: str) -> Fault:
    """Have a condition of nodes be so."""

    def fault(world: World) -> None:
        for name in nodes:
            conditions = world.kubernetes.get(NODES, name)["status"]["conditions"]
            conditions[:] = [item for item in conditions if item["type"] != kind]
            conditions.append({"type": kind, "status": status})

    return fault


def windows(world: World) -> None:
    """The workload's pods are on a Windows node, where NMI has no pod."""
    node_label("kubernetes.io/os", "windows", WORKER_NODE)(world)
    for pod in nmi_pods(world, WORKER_NODE):
        world.kubernetes.remove(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])


def imds(state: Any, *nodes: str) -> Fault:
    """Set the state of the metadata service of nodes, or of all."""

    def fault(world: World) -> None:
        for node in world.azure.nodes:
            if not nodes or node.name in nodes:
                node.imds = state

    return fault


def unassigned(*pools: str) -> Fault:
    """The identity is not on these scale sets."""

    def fault(world: World) -> None:
        for pool in pools:
            world.azure.scale_set(pool).identities.clear()

    return fault


def third_node(world: World) -> None:
    """The worker pool has a second machine, with NMI and a third replica on it."""
    add_node(world, 3, "workers", WORKER_POOL, machine=1)
    world.settle()
    scale(3)(world)


def stale_imds(node: str) -> Fault:
    """The metadata service of one node has not taken the assignment in."""

    def fault(world: World) -> None:
        kubelet = world.azure.identities[1]
        world.azure.node(node).stale_identities = [kubelet.resource_id]

    return fault


def recreated(world: World) -> None:
    """The managed identity was deleted and made anew: another client id, and the scale set holds the old one."""
    world.azure.identities[0].client_id = "1f0a8d66-3c57-4f0e-a9b2-6f64d2b0c931"
    world.azure.identities[0].object_id = "0a4d6b1e-7c93-4d0f-8a55-92b0c7e3d1f4"
    for role in world.azure.roles:
        role.principal_id = world.azure.identities[0].object_id
    unassigned(SYSTEM_POOL, WORKER_POOL)(world)


# -- the network ----------------------------------------------------------------------------------------


def rule(effect: Effect, host: str = "*", where: str = "") -> Fault:
    """Something on the way treats traffic so."""

    def fault(world: World) -> None:
        world.network.rules.append(Rule(effect, host, where))

    return fault


def imds_blocked(world: World) -> None:
    """A firewall drops what pods send to the metadata service."""
    world.network.rules.append(Rule("drop", IMDS))


def imds_restricted(world: World) -> None:
    """AKS keeps pods from the metadata service."""
    world.azure.clusters[0].imds_restricted = True


def resolves(host: str, *addresses: str, chain: tuple[str, ...] = ()) -> Fault:
    """A name resolves to these addresses."""

    def fault(world: World) -> None:
        world.network.names[host] = Name(addresses, chain)

    return fault


def clock_ahead(by: timedelta) -> Fault:
    """The clock of the operator's machine is ahead."""

    def fault(world: World) -> None:
        world.operator.ahead = by

    return fault


def answers(place: str, canned: Canned) -> Fault:
    """A host, or a path on it, answers so."""

    def fault(world: World) -> None:
        world.network.answers[place] = canned

    return fault


# -- the registry, its roles, and who looks ---------------------------------------------------------------


def pull_secret(*secrets: PullSecret) -> Fault:
    """The pods name a pull secret, which is one of these; without any it is not there."""

    def fault(world: World) -> None:
        world.pull_secrets.extend(copy.deepcopy(secrets))
        pod_spec(imagePullSecrets=[{"name": PULL_SECRET}])(world)

    return fault


def registry(**fields: Any) -> Fault:
    """Set fields of the registry."""

    def fault(world: World) -> None:
        for name, value in fields.items():
            setattr(world.registry, name, copy.deepcopy(value))

    return fault


def roles(*assignments: RoleAssignment) -> Fault:
    """These are all the role assignments that there are."""

    def fault(world: World) -> None:
        world.azure.roles = [replace(item) for item in assignments]

    return fault


def target(**fields: Any) -> Fault:
    """Tell the run to look for something else."""

    def fault(world: World) -> None:
        world.target = replace(world.target, **fields)

    return fault


def forbidden(*permissions: Forbidden) -> Fault:
    """The operator may not do this."""

    def fault(world: World) -> None:
        world.operator.forbidden += permissions

    return fault
